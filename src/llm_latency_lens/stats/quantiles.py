"""Quantiles, their intervals, and how many samples they need.

Values are Hyndman-Fan type 7 (numpy's default, what other tools print). Intervals are exact order
statistics: binomial, free of any assumption on the distribution, but not of independence.
"""

import functools
import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
_BRUTE_FORCE = 2_000


def quantile(ordered: Floats, p: float) -> float:
    """The type-7 quantile of ascending values; `p` from 0 to 1."""
    position = (len(ordered) - 1) * p
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (position - low))


class Weighted:
    """Values with whole-number weights, sorted once for any number of quantiles."""

    __slots__ = ("_ends", "values")

    def __init__(self, values: Floats, weights: Floats) -> None:
        order = np.argsort(values)
        self.values = values[order]
        self._ends = np.cumsum(weights[order])

    def quantile(self, p: float) -> float:
        """As `quantile`, with each value repeated as often as its weight says."""
        ends, last = self._ends, float(self._ends[-1]) - 1
        position = last * p
        low = math.floor(position)
        at = np.searchsorted(ends, [low, min(low + 1, last)], side="right")
        first, second = self.values[at]
        return float(first + (second - first) * (position - low))


def minimum_samples(p: float, confidence: float = CONFIDENCE) -> int:
    """How many independent samples a two-sided interval of quantile `p` needs to exist at all.

    With fewer, even the extreme of the sample does not bound the quantile with the confidence
    asked.
    """
    rarer = max(p, 1.0 - p)
    return math.ceil(math.log((1.0 - confidence) / 2.0) / math.log(rarer))


def interval_ranks(
    n: int, p: float, confidence: float = CONFIDENCE, tau: float = 1.0
) -> tuple[int, int] | None:
    """Ranks (from 0) whose order statistics enclose quantile `p`, or None where n is too small.

    Each side errs with at most half of what the confidence leaves. With B the number of samples up
    to the quantile, binomial(n, p): P(B <= lower) <= alpha/2 and P(B > upper) <= alpha/2. Where
    `tau` values carry the information of one (see `stats.dependence`), the ranks are those of n /
    tau values, as in Korn and Graubard's interval for complex surveys (1998); none where tau is
    infinite.
    """
    size = math.floor(n / tau + 1e-9)
    ends = _binomial_ranks(size, p, confidence) if size else None
    if ends is None or size == n:
        return ends
    # Rank k of the smaller sample stands for the ranks from k n / size on.
    return math.floor(ends[0] * n / size), math.ceil((ends[1] + 1) * n / size) - 1


def steady_range(ordered: Floats, tolerance: float) -> tuple[float, float] | None:
    """Return where the middle nine tenths of ascending values lie; None where farther apart.

    Values that steady bound their median whatever the dependence between them: `tolerance` is half
    the distance that does not matter.
    """
    low, high = quantile(ordered, 0.05), quantile(ordered, 0.95)
    return (low, high) if (high - low) / 2.0 <= tolerance else None


@functools.lru_cache(maxsize=4096)
def _binomial_ranks(n: int, p: float, confidence: float) -> tuple[int, int] | None:
    if n < minimum_samples(p, confidence):
        return None
    alpha = (1.0 - confidence) / 2.0
    start, cdf = _binomial_cdf(n, p)
    lower = start + int(np.searchsorted(cdf, alpha, side="right")) - 1
    upper = start + int(np.searchsorted(cdf, 1.0 - alpha, side="left"))
    return None if lower < 0 or upper > n - 1 else (lower, upper)


def _binomial_cdf(n: int, p: float) -> tuple[int, Floats]:
    """P(B <= k) for k from `start` on, over the stretch that holds all but 1e-12 of the mass."""
    if n <= _BRUTE_FORCE:
        start, stop = 0, n
    else:
        spread = 9.0 * math.sqrt(n * p * (1.0 - p)) + 20.0
        start, stop = max(int(n * p - spread), 0), min(int(n * p + spread), n)
    k = np.arange(start, stop + 1, dtype=np.float64)
    logs = _log_factorial(float(n)) - _log_factorials(k) - _log_factorials(n - k)
    logs += k * math.log(p) + (n - k) * math.log1p(-p)
    return start, np.cumsum(np.exp(logs))


def _log_factorial(x: float) -> float:
    return math.lgamma(x + 1.0)


def _log_factorials(values: Floats) -> Floats:
    return np.fromiter(map(_log_factorial, values.tolist()), np.float64, len(values))
