"""Intervals by resampling whole independent units: requests, pairs, blocks of time; never tokens.

BCa (Efron 1987): the percentile interval, corrected for bias and skewness. Seeded, so that the same
result gives the same interval.
"""

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from llm_latency_lens.stats.quantiles import CONFIDENCE, Floats

Indices = NDArray[np.int64]
Statistic = Callable[[Indices], Floats]
"""Of resamples (rows of unit numbers, shape (k, n)) to their values, shape (k,)."""

RESAMPLES = 2000
_AT_ONCE = 4_000_000
_GROUPS = 100
_NORMAL = NormalDist()


def bca_interval(
    n: int, statistic: Statistic, *, seed: int, confidence: float = CONFIDENCE
) -> tuple[float, float] | None:
    """The BCa interval of a statistic over `n` units; None with fewer than two units."""
    if n < 2:
        return None
    point = float(statistic(np.arange(n)[None, :])[0])
    values = np.sort(resampled(n, statistic, seed))
    if values[0] == values[-1]:
        return point, point
    below = (np.count_nonzero(values < point) + 0.5 * np.count_nonzero(values == point)) / len(
        values
    )
    bias = _NORMAL.inv_cdf(min(max(below, 1e-6), 1.0 - 1e-6))
    skew = _acceleration(n, statistic)

    def share(p: float) -> float:
        z = bias + _NORMAL.inv_cdf(p)
        return _NORMAL.cdf(bias + z / (1.0 - skew * z))

    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(values, [share(tail), share(1.0 - tail)])
    return float(low), float(high)


def percentile_interval(
    n: int, statistic: Statistic, *, seed: int, confidence: float = CONFIDENCE
) -> tuple[float, float] | None:
    """The plain percentile interval: for quantiles, whose skewness a jackknife can't tell."""
    if n < 2:
        return None
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(resampled(n, statistic, seed), [tail, 1.0 - tail])
    return float(low), float(high)


def resampled(n: int, statistic: Statistic, seed: int, count: int = RESAMPLES) -> Floats:
    """Values of the statistic over `count` resamples with replacement."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return np.concatenate(
        [statistic(rng.integers(0, n, (rows, n))) for rows in _portions(n, count)]
    )


def _portions(n: int, count: int) -> Iterator[int]:
    """Rows at a time, so that memory stays small."""
    rows = max(1, _AT_ONCE // n)
    while count > 0:
        yield min(rows, count)
        count -= rows


def _acceleration(n: int, statistic: Statistic) -> float:
    """From the jackknife; with many units groups of them are left out at once."""
    size = max(1, n // _GROUPS)
    starts = np.arange(0, n - size + 1, size)
    kept = (starts[:, None] + size + np.arange(n - size)[None, :]) % n
    values = np.concatenate([statistic(kept[i : i + 20]) for i in range(0, len(kept), 20)])
    off = values.mean() - values
    spread = float((off**2).sum())
    return float((off**3).sum()) / (6.0 * math.pow(spread, 1.5)) if spread > 0.0 else 0.0
