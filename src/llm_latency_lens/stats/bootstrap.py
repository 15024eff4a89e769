"""Intervals by resampling: whole independent units, or blocks of units that depend on each other.

Blocks wrap around the end of the series (circular block bootstrap, Politis and Romano 1992), so
that every unit is drawn equally often. Seeded: the same data give the same interval.
"""

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from llm_latency_lens.stats.beta import student_t_quantile
from llm_latency_lens.stats.quantiles import CONFIDENCE, Floats

Indices = NDArray[np.int64]
Statistic = Callable[[Indices], Floats]
"""Of resamples (rows of unit numbers, shape (k, n)) to their values, shape (k,)."""

RESAMPLES = 2000
BLOCK = 3.0
"""The length of a block in autocorrelation times; calibrated (tests/attack/calibrations.py)."""
SEEN = 1.0 - 0.5 / BLOCK
"""The share of the variance that blocks see: across their borders lies tau / (2 * length)."""
_AT_ONCE = 500_000


def block_length(tau: float) -> int:
    """Return how many neighbours are taken as one where `tau` carry the information of one."""
    return 1 if tau <= 1.0 else math.ceil(BLOCK * tau)


def percentile_interval(
    n: int, statistic: Statistic, *, seed: int, block: int = 1, confidence: float = CONFIDENCE
) -> tuple[float, float] | None:
    """Return the percentile interval of a statistic over `n` units in blocks of `block`.

    Few blocks know their own spread badly, and blocks miss what neighbours across their border
    share, so the interval is widened by Student's quantile and by that share. None with fewer than
    two blocks.
    """
    if n < 2 * block:
        return None
    tail = (1.0 - confidence) / 2.0
    values = resampled(n, statistic, seed=seed, block=block)
    low, high = (float(end) for end in np.quantile(values, [tail, 1.0 - tail]))
    if block > 1:
        point = float(statistic(np.arange(n)[None, :])[0])
        wider = student_t_quantile(1.0 - tail, n // block - 1) / NormalDist().inv_cdf(1.0 - tail)
        wider /= math.sqrt(SEEN)
        low, high = point - (point - low) * wider, point + (high - point) * wider
    return low, high


def resampled(
    n: int, statistic: Statistic, *, seed: int, block: int = 1, count: int = RESAMPLES
) -> Floats:
    """Return values of the statistic over `count` resamples of blocks with replacement."""
    rng = np.random.Generator(np.random.PCG64(seed))
    blocks = math.ceil(n / block)
    within = np.arange(block)

    def draw(rows: int) -> Indices:
        starts = rng.integers(0, n, (rows, blocks, 1))
        indices: Indices = ((starts + within) % n).reshape(rows, -1)[:, :n]
        return indices

    return np.concatenate([statistic(draw(rows)) for rows in portions(n, count)])


def portions(n: int, count: int) -> Iterator[int]:
    """Yield how many of `count` rows of `n` values to work on at a time: memory stays small."""
    rows = max(1, _AT_ONCE // n)
    while count > 0:
        yield min(rows, count)
        count -= rows
