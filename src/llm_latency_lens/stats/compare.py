"""Two sets of latencies: how far apart, how sure, and whether it matters. Ratios throughout.

Locations by Hodges-Lehmann on logarithms (pairs: Walsh averages and the signed-rank interval),
tails by quantile ratios with a bootstrap over pairs, p-values by permutation of a studentised
statistic. Where pairs depend on each other in time, the signed-rank variance grows by tau, and
resampling and permutation take blocks of several tau. A verdict has three values: different,
equivalent within the margin, or inconclusive.
"""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Literal

import numpy as np
from msgspec import Struct

from llm_latency_lens.stats.bootstrap import (
    SEEN,
    Indices,
    block_length,
    percentile_interval,
    portions,
)
from llm_latency_lens.stats.quantiles import CONFIDENCE, Floats

Finding = Literal["faster", "slower", "equivalent", "inconclusive"]

_PERMUTATIONS = 4000
_FEWEST = 6
"""Below six pairs no 95 % interval of the median exists."""


class Difference(Struct, frozen=True, kw_only=True):
    """B against A: `ratio` - 1 is the change; the interval is of the ratio; `n` values or pairs."""

    ratio: float
    interval: tuple[float, float]
    n: int
    p_value: float | None = None


def paired_location(
    a: Floats, b: Floats, confidence: float = CONFIDENCE, tau: float = 1.0
) -> Difference | None:
    """The pseudo-median of b/a over pairs (all positive); None with fewer than six pairs.

    `tau` pairs carry the information of one.
    """
    n = len(a)
    if n < _FEWEST:
        return None
    logs = np.sort(np.log(b) - np.log(a))
    pairs = n * (n + 1) // 2
    spread = _z(confidence) * math.sqrt(n * (n + 1) * (2 * n + 1) / 24.0 * tau)
    low = max(0, math.floor(pairs / 2.0 - spread))

    def below(x: float) -> int:
        # Walsh averages (d_i + d_j) / 2 with i <= j that are at most x.
        twice = int(np.searchsorted(logs, 2.0 * x - logs, side="right").sum())
        return (twice + int(np.searchsorted(logs, x, side="right"))) // 2

    return _located(below, (float(logs[0]), float(logs[-1])), (pairs, low), n)


def unpaired_location(
    a: Floats, b: Floats, confidence: float = CONFIDENCE, tau: float = 1.0
) -> Difference | None:
    """The Hodges-Lehmann ratio of b to a (all positive): the median over all pairs of both.

    `tau` values of either carry the information of one.
    """
    n, m = len(a), len(b)
    if min(n, m) < _FEWEST:
        return None
    first, second = np.sort(np.log(a)), np.sort(np.log(b))
    spread = _z(confidence) * math.sqrt(n * m * (n + m + 1) / 12.0 * tau)
    low = max(0, math.floor(n * m / 2.0 - spread))

    def below(x: float) -> int:
        return int(np.searchsorted(second, first + x, side="right").sum())

    ends = (float(second[0] - first[-1]), float(second[-1] - first[0]))
    return _located(below, ends, (n * m, low), min(n, m))


def paired_quantile(
    a: Floats, b: Floats, p: float, *, seed: int, tau: float = 1.0, confidence: float = CONFIDENCE
) -> Difference | None:
    """The ratio of the p-quantiles of b and a, resampling pairs; p-value by swapping within pairs.

    `tau` pairs carry the information of one.
    """
    n = len(a)
    if n < _FEWEST:
        return None
    logs_a, logs_b = np.log(a), np.log(b)

    def statistic(rows: Indices) -> Floats:
        return _quantiles(logs_b[rows], p) - _quantiles(logs_a[rows], p)

    interval = percentile_interval(
        n, statistic, seed=seed, block=block_length(tau), confidence=confidence
    )
    if interval is None:
        return None
    point = float(statistic(np.arange(n)[None, :])[0])
    return Difference(
        ratio=math.exp(point),
        interval=(math.exp(interval[0]), math.exp(interval[1])),
        n=n,
        p_value=quantile_permutation(logs_a, logs_b, p, seed=seed, tau=tau),
    )


def sign_flip_permutation(differences: Floats, *, seed: int, tau: float = 1.0) -> float:
    """Two-sided p-value of a mean difference of zero: signs of blocks flipped, studentised."""
    block = block_length(tau)
    count = len(differences) // block
    if count < 2:
        return 1.0
    sums = differences[: count * block].reshape(count, block).sum(axis=1)
    rng = np.random.Generator(np.random.PCG64(seed))
    values = []
    for rows in portions(count, _PERMUTATIONS):
        signs = rng.integers(0, 2, (rows, count), np.int8) * 2.0 - 1.0
        values.append(_students(signs * sums))
    return _p_value(_students(sums[None, :])[0] * _seen(block), np.concatenate(values))


def quantile_permutation(a: Floats, b: Floats, p: float, *, seed: int, tau: float = 1.0) -> float:
    """Two-sided p-value of equal p-quantiles over pairs: members of blocks swapped, studentised."""
    n, block = len(a), block_length(tau)
    rng = np.random.Generator(np.random.PCG64(seed))
    reach = max(1.0, math.sqrt(n * p * (1.0 - p) * tau))
    low, high = (min(max(round(n * p + side), 0), n - 1) for side in (-reach, reach))

    def studentised(first: Floats, second: Floats) -> Floats:
        gap = np.zeros(len(first))
        spread = np.zeros(len(first))
        for side, sign in ((first, -1.0), (second, 1.0)):
            middle, ends = _order_statistics(side, p, (low, high))
            gap += sign * middle
            spread += (ends[1] - ends[0]) ** 2
        ratio: Floats = gap / np.maximum(np.sqrt(spread), 1e-12)
        return ratio

    values = []
    for rows in portions(n, _PERMUTATIONS):
        swapped = rng.random((rows, math.ceil(n / block))) < 0.5
        swap = np.repeat(swapped, block, axis=1)[:, :n] if block > 1 else swapped
        values.append(studentised(np.where(swap, b, a), np.where(swap, a, b)))
    found = studentised(a[None, :], b[None, :])[0] * _seen(block)
    return _p_value(found, np.concatenate(values))


def judge(found: Difference | None, margin: float) -> Finding:
    """B against A: a difference that is sure and beyond the margin, equivalence, or neither."""
    if found is None:
        return "inconclusive"
    bound, point = math.log1p(margin), math.log(found.ratio)
    low, high = (math.log(end) for end in found.interval)
    if (low > 0.0 or high < 0.0) and abs(point) >= bound:
        return "slower" if point > 0.0 else "faster"
    return "equivalent" if -bound < low and high < bound else "inconclusive"


def pairs_wanted(found: Difference, margin: float) -> int:
    """About how many pairs would settle it: the interval shrinks with the root of their number."""
    bound, point = math.log1p(margin), abs(math.log(found.ratio))
    half = (math.log(found.interval[1]) - math.log(found.interval[0])) / 2.0
    # Settled either way: as a difference (clear of zero) or as none (inside the margin).
    room = point if point >= bound else bound - point
    room = max(room, bound / 4.0)
    return max(found.n + 1, math.ceil(found.n * (half / room) ** 2 * 1.1))


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Holm's adjustment: p-values that hold for the whole family together."""
    adjusted, largest = {}, 0.0
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    for i, (name, p) in enumerate(ordered):
        largest = max(largest, min(1.0, p * (len(ordered) - i)))
        adjusted[name] = largest
    return adjusted


def _located(
    below: Callable[[float], int], ends: tuple[float, float], ranks: tuple[int, int], n: int
) -> Difference:
    """The median and the interval of values that are only counted, never listed."""
    count, low = ranks
    middle = _kth(below, ends, (count + 1) // 2)
    if count % 2 == 0:
        middle = (middle + _kth(below, ends, count // 2 + 1)) / 2.0
    interval = (_kth(below, ends, max(1, low)), _kth(below, ends, min(count, count - low + 1)))
    return Difference(
        ratio=math.exp(middle), interval=(math.exp(interval[0]), math.exp(interval[1])), n=n
    )


def _kth(below: Callable[[float], int], ends: tuple[float, float], k: int) -> float:
    """The k-th smallest (from 1) by bisection on its value, to the last bits of a float."""
    low, high = ends[0] - 1e-12, ends[1] + 1e-12
    for _ in range(80):
        middle = (low + high) / 2.0
        if below(middle) >= k:
            high = middle
        else:
            low = middle
    return high


def _students(rows: Floats) -> Floats:
    n = rows.shape[1]
    spread = rows.std(axis=1, ddof=1) / math.sqrt(n)
    found: Floats = rows.mean(axis=1) / np.maximum(spread, 1e-300)
    return found


def _seen(block: int) -> float:
    """The factor on a statistic of blocks, whose spread misses what neighbouring blocks share."""
    return math.sqrt(SEEN) if block > 1 else 1.0


def _p_value(found: float, permuted: Floats) -> float:
    as_far = int(np.count_nonzero(np.abs(permuted) >= abs(found) - 1e-12))
    return (as_far + 1) / (len(permuted) + 1)


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1.0 + confidence) / 2.0)


def _quantiles(rows: Floats, p: float) -> Floats:
    """The type-7 quantile of each row."""
    return _order_statistics(rows, p, ())[0]


def _order_statistics(
    rows: Floats, p: float, ranks: tuple[int, ...]
) -> tuple[Floats, list[Floats]]:
    """The type-7 quantile of each row, and its values at some ranks (from 0)."""
    n = rows.shape[1]
    position = (n - 1) * p
    low = math.floor(position)
    high = min(low + 1, n - 1)
    ordered = np.partition(rows, sorted({low, high, *ranks}), axis=1)
    first, second = ordered[:, low], ordered[:, high]
    middle: Floats = first + (second - first) * (position - low)
    return middle, [ordered[:, rank] for rank in ranks]
