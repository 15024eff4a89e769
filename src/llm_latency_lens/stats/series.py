"""What a series does over time: when it becomes steady, whether it drifts, where it changes. Pure.

MSER-5 (White 1997) cuts the warm-up, Theil-Sen's slope with Sen's interval tells a trend, a CUSUM of
ranks over the long-run variance finds steps in series whose neighbours are alike.
"""

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from msgspec import Struct

from llm_latency_lens.stats.beta import student_t_quantile
from llm_latency_lens.stats.dependence import long_run_variance, rank_autocorrelation, ranks
from llm_latency_lens.stats.quantiles import CONFIDENCE, Floats

_BATCH = 5
_BLOCKS = 40
_FEWEST_BLOCKS = 6
_FEWEST_IN_BLOCK = 5
"""A block has at least so many values, and lasts so many autocorrelation times."""
_FALSE_ALARMS = 0.001
_SHORTEST_STRETCH = 40
_SHORTEST_SEGMENT = 10
_SMALLEST_CHANGE = 0.05


class Trend(Struct, frozen=True):
    """Change over the whole series relative to its median, with a 95 % interval."""

    change: float
    interval: tuple[float, float]


class ChangePoint(Struct, frozen=True):
    """A step: the index of the first value after it, the medians about it, the strength of the alarm."""

    index: int
    before: float
    after: float
    score: float


def steady_from(series: Floats) -> int | None:
    """How many values at the beginning are warm-up (MSER-5); None where no steady part is found.

    A series of fewer than ten batches of five is taken as it is.
    """
    batches = len(series) // _BATCH
    if batches < 10:
        return 0
    means = np.asarray(series[: batches * _BATCH], np.float64).reshape(-1, _BATCH).mean(axis=1)
    scores = [
        float(((means[cut:] - means[cut:].mean()) ** 2).sum()) / (batches - cut) ** 2
        for cut in range(batches // 2 + 1)
    ]
    best = int(np.argmin(scores))
    return None if best == batches // 2 else best * _BATCH


def trend(series: Floats, confidence: float = CONFIDENCE) -> Trend | None:
    """The change of the level over a series; None where nothing sure can be said of it.

    Neighbours that share a queue resemble each other, and a wave of a queue is no trend. A change
    is told from such waves by Theil-Sen's slope over blocks that last several autocorrelation
    times, or, where what remains beside the slope wanders as a growing queue does, by the steps
    between blocks. The narrower interval of the two is returned.
    """
    series = np.asarray(series, np.float64)
    blocks = min(_BLOCKS, len(series) // _FEWEST_IN_BLOCK)
    slope = _slope(series, blocks, confidence)
    if slope is None:
        return None
    change = slope.change * float(np.median(series))
    remains = rank_autocorrelation(series - np.linspace(0.0, change, len(series)))
    independent = int(len(series) / (_FEWEST_IN_BLOCK * remains.cautious_tau))
    if independent < blocks:
        slope = _slope(series, independent, confidence)
    walk = _walk(series, blocks, confidence)
    return min((t for t in (slope, walk) if t is not None), key=_width, default=None)


def _width(found: Trend) -> float:
    return found.interval[1] - found.interval[0]


def _walk(series: Floats, blocks: int, confidence: float) -> Trend | None:
    """The change if steps between blocks are independent: right for a queue that grows."""
    medians = _medians(series, blocks)
    middle = float(np.median(medians))
    if middle == 0.0:
        return None
    steps = np.diff(medians) / middle
    change, spread = float(steps.sum()), float(steps.std(ddof=1)) * math.sqrt(len(steps))
    spread *= student_t_quantile((1.0 + confidence) / 2.0, len(steps) - 1)
    return Trend(change, (change - spread, change + spread))


def _slope(series: Floats, blocks: int, confidence: float) -> Trend | None:
    if blocks < _FEWEST_BLOCKS:
        return None
    medians = _medians(series, blocks)
    middle = float(np.median(medians))
    if middle == 0.0:
        return None
    first, second = np.triu_indices(blocks, 1)
    slopes = np.sort((medians[second] - medians[first]) / (second - first))
    z = NormalDist().inv_cdf((1.0 + confidence) / 2.0)
    spread = z * math.sqrt(blocks * (blocks - 1) * (2 * blocks + 5) / 18.0)
    low = max(0, math.floor((len(slopes) - spread) / 2.0) - 1)
    high = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2.0))
    scale = (blocks - 1) / middle
    ends = sorted((float(slopes[low]) * scale, float(slopes[high]) * scale))
    return Trend(float(np.median(slopes)) * scale, (ends[0], ends[1]))


def _medians(series: Floats, blocks: int) -> Floats:
    return np.array([np.median(part) for part in np.array_split(series, blocks)])


def change_points(series: Floats) -> tuple[ChangePoint, ...]:
    """Where the level of a series steps by at least 5 %, in order; by binary segmentation."""
    return tuple(sorted(_split(np.asarray(series, np.float64), 0), key=lambda c: c.index))


def _split(series: Floats, offset: int) -> Iterator[ChangePoint]:
    found = _strongest(series)
    if found is None:
        return
    index, score = found
    before, after = float(np.median(series[:index])), float(np.median(series[index:]))
    if before == 0.0 or abs(after / before - 1.0) < _SMALLEST_CHANGE:
        return
    yield ChangePoint(index + offset, before, after, score)
    yield from _split(series[:index], offset)
    yield from _split(series[index:], offset + index)


def _strongest(series: Floats) -> tuple[int, float] | None:
    """The likeliest step and its score; None where no score is an alarm.

    A step up and one down again hide each other in the whole, so halves and quarters are looked at too,
    and the alarm is set for that many looks.
    """
    stretches = list(_stretches(len(series)))
    # The supremum of a Brownian bridge exceeds x with a probability of about 2 exp(-2 x^2).
    alarm = math.sqrt(math.log(2.0 * len(stretches) / _FALSE_ALARMS) / 2.0)
    found = [
        (score, start + index)
        for start, end in stretches
        for index, score in _cusum(series[start:end])
    ]
    score, index = max(found, default=(0.0, 0))
    return (index, score) if score >= alarm else None


def _stretches(n: int) -> Iterator[tuple[int, int]]:
    """The whole, and its halves and quarters, overlapping by half."""
    yield 0, n
    for parts in (2, 4):
        size = n // parts
        if size >= _SHORTEST_STRETCH:
            for start in range(0, n - size + 1, size // 2):
                yield start, start + size


def _cusum(series: Floats) -> Iterator[tuple[int, float]]:
    """The likeliest step in a stretch, with its score against a Brownian bridge."""
    n = len(series)
    if n < 2 * _SHORTEST_SEGMENT:
        return
    centred = ranks(series)
    centred -= centred.mean()
    sums = np.abs(np.cumsum(centred))[_SHORTEST_SEGMENT - 1 : n - _SHORTEST_SEGMENT]
    index = int(np.argmax(sums)) + _SHORTEST_SEGMENT
    rest = np.concatenate([part - part.mean() for part in np.split(centred, [index])])
    spread = math.sqrt(long_run_variance(rest) * n)
    if sums.max() > 0.0:
        yield index, float(sums.max()) / spread if spread > 0.0 else math.inf
