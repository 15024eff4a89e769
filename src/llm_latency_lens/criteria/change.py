"""A change of a quantity against one or several baselines, and the interval it is known within.

A ratio's changes add on the log scale, percentage points as they are. From five baselines on, the
interval is at least as wide as their run-to-run spread says.
"""

import math
import statistics
from statistics import NormalDist

from msgspec import Struct

from llm_latency_lens.criteria.estimate import QuantityEstimate
from llm_latency_lens.criteria.quantity import ResultQuantity
from llm_latency_lens.criteria.spread import FEWEST_RUNS, missing, needed, reach, usable

_LEVEL = 0.05


class QuantityChange(Struct, frozen=True):
    """A change (0.1 is +10 %, or ten percentage points) and what it is known within."""

    value: float
    low: float
    high: float


class _Scaled(Struct, frozen=True):
    """A value and its interval on the scale on which changes add."""

    value: float
    low: float | None
    high: float | None


class ChangeQuestion(Struct, frozen=True, kw_only=True):
    """What is held against what.

    Attributes:
        quantity: what changes.
        after: what the run says of it.
        before: what each baseline says of it.
        points: whether the change is in percentage points rather than a ratio.
        family: how many changes share the level of 5 %.
    """

    quantity: ResultQuantity
    after: QuantityEstimate
    before: tuple[QuantityEstimate, ...]
    points: bool
    family: int

    @property
    def confidence(self) -> float:
        """Of one of the family."""
        return 1.0 - _LEVEL / self.family

    def scale(self, value: float) -> float:
        """To the scale on which changes add."""
        return value if self.points else math.log(value)

    def unscale(self, change: float) -> float:
        """Back to a ratio less one, or to percentage points."""
        return change if self.points else math.expm1(change)


def change_of(question: ChangeQuestion) -> tuple[QuantityChange | None, str]:
    """Return the change; None with the reason where it is not known."""
    after, before = question.after, question.before
    for whose, found in (("the run", after), *(("a baseline", one) for one in before)):
        if found.value is None:
            return None, f"{whose} has no value of it{needed(found)}"
    if not question.points and min(map(_lowest, (after, *before))) <= 0.0:
        return None, "a change in percent needs values above 0"
    within, between = _within(question), _between(question)
    changes = [change for change in (within, between) if change is not None]
    if not changes:
        return None, missing(question.quantity, *_least_known(question))
    change = QuantityChange(
        question.unscale(changes[0].value),
        question.unscale(min(change.low for change in changes)),
        question.unscale(max(change.high for change in changes)),
    )
    return change, "" if within is not None else f"by the spread of {len(before)} runs"


def _least_known(question: ChangeQuestion) -> tuple[QuantityEstimate, tuple[QuantityEstimate, ...]]:
    """The estimate that has no interval, and the baselines."""
    estimates = (question.after, *question.before)
    least = next((one for one in estimates if one.interval is None), question.after)
    return least, question.before


def _within(question: ChangeQuestion) -> QuantityChange | None:
    """The change by the runs' own intervals: half-widths add as squares.

    Against fewer than five baselines it reaches from the nearest to the farthest of them.
    """
    now = _scaled(question, question.after)
    before = [_scaled(question, one) for one in question.before]
    held = [_averaged(before)] if len(before) >= FEWEST_RUNS else before
    changes = [_difference(now, then, _wider(question.confidence)) for then in held]
    known = [change for change in changes if change is not None]
    if len(known) < len(changes):
        return None
    return QuantityChange(
        statistics.fmean(change.value for change in known),
        min(change.low for change in known),
        max(change.high for change in known),
    )


def _difference(now: _Scaled, then: _Scaled, wider: float) -> QuantityChange | None:
    if now.low is None or now.high is None or then.low is None or then.high is None:
        return None
    change = now.value - then.value
    fall = math.hypot(now.value - now.low, then.high - then.value) * wider
    rise = math.hypot(now.high - now.value, then.value - then.low) * wider
    return QuantityChange(change, change - fall, change + rise)


def _averaged(runs: list[_Scaled]) -> _Scaled:
    """The mean of runs, with the interval that follows from theirs."""
    value = statistics.fmean(run.value for run in runs)
    lows = [run.value - run.low for run in runs if run.low is not None]
    highs = [run.high - run.value for run in runs if run.high is not None]
    if len(lows) < len(runs) or len(highs) < len(runs):
        return _Scaled(value, None, None)
    fall, rise = math.hypot(*lows) / len(runs), math.hypot(*highs) / len(runs)
    return _Scaled(value, value - fall, value + rise)


def _between(question: ChangeQuestion) -> QuantityChange | None:
    """The change by the run-to-run spread of the baselines."""
    after, before = question.after, question.before
    if after.value is None or not usable(question.quantity, after, before):
        return None
    values = [question.scale(one.value) for one in before if one.value is not None]
    change = question.scale(after.value) - statistics.fmean(values)
    far = reach(len(values), question.quantity.shape, question.confidence, against_mean=True)
    deviation = statistics.stdev(values)
    return QuantityChange(change, change - far.above * deviation, change + far.below * deviation)


def _scaled(question: ChangeQuestion, found: QuantityEstimate) -> _Scaled:
    low, high = found.interval or (None, None)
    return _Scaled(
        question.scale(found.value or 0.0),
        None if low is None else question.scale(low),
        None if high is None else question.scale(high),
    )


def _lowest(found: QuantityEstimate) -> float:
    """The smallest number of an estimate."""
    numbers: tuple[float, ...] = (found.value or 0.0, *(found.interval or ()))
    return min(numbers)


def _wider(confidence: float) -> float:
    """By how much 95 % intervals grow at this confidence."""
    normal = NormalDist()
    ratio: float = normal.inv_cdf((1.0 + confidence) / 2.0) / normal.inv_cdf(1.0 - _LEVEL / 2.0)
    return ratio
