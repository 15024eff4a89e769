"""Allowances over a baseline, such as `ttft.p95<+10%` or `success_rate>-0.5pp`.

Only a change whose whole interval keeps the allowance passes, only one whose whole interval breaks
it fails.
"""

import math
import re
import statistics
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from llm_latency_lens.criteria.change import ChangeQuestion, QuantityChange, change_of
from llm_latency_lens.criteria.condition import (
    Condition,
    ConditionKind,
    State,
    parse_some,
    refusal,
    state_of,
)
from llm_latency_lens.criteria.estimate import QuantityEstimate
from llm_latency_lens.criteria.quantity import ResultQuantity, estimate, find_quantity
from llm_latency_lens.metrics.definitions import COUNTS, UNCOUNTED, resting_on
from llm_latency_lens.metrics.pairs import COMPARED
from llm_latency_lens.model.comparison import Comparison
from llm_latency_lens.model.result import Result

ALLOWANCE = ConditionKind(name="an allowance", example="ttft.p95<+10%")
Values = tuple[float | None, float | None]
"""Before and after, where they are known."""

_COUNTED = frozenset(resting_on(*COUNTS))
_FEW_UNCOUNTED = 0.05
"""A smaller share of answers without a count does not move what is compared."""
_CHANGE = re.compile(r"([+-][0-9]+(?:\.[0-9]+)?)\s*(%|pp)", re.ASCII)


class Allowance(Struct, frozen=True, kw_only=True):
    """How far a quantity may change.

    Attributes:
        relation: what the change must have to the limit.
        limit: a share of the baseline, or percentage points of a ratio.
        points: which of the two.
    """

    text: str
    quantity: ResultQuantity
    relation: str
    limit: float
    points: bool


class RegressionVerdict(Struct, frozen=True, kw_only=True):
    """What became of an allowance.

    Attributes:
        baseline: the baseline's value; the mean of several.
        change: 0.1 is +10 %, or ten percentage points.
        interval: what the change is known within.
        trusted: false where one of the measurements is invalid.
    """

    text: str
    state: State
    baseline: float | None
    value: float | None
    change: float | None
    interval: tuple[float, float] | None
    unit: str
    words: str
    trusted: bool = True


def parse_allowances(text: str) -> tuple[Allowance, ...]:
    """Parse `ttft.p95<+10%,success_rate>-0.5pp`; a metric without a statistic is for comparisons.

    Raises:
        UsageError: there is none, or a part is not an allowance or names an unknown quantity.
    """
    return tuple(_allowance(condition) for condition in parse_some(text, ALLOWANCE))


def judge_allowance(
    allowance: Allowance, result: Result, baselines: Sequence[Result], family: int
) -> RegressionVerdict:
    """Hold a result to an allowance over baselines; `family` allowances share the level."""
    quantity = allowance.quantity
    if quantity.name in COMPARED:
        reason = f"{quantity.name} alone is of a comparison; of a run name a statistic"
        raise refusal(allowance.text, ALLOWANCE, reason)
    after = estimate(quantity, result)
    before = tuple(estimate(quantity, baseline) for baseline in baselines)
    values = (_middle(before), after.value)
    if any(one.verdict == "INVALID" for one in (after, *before)):
        return _untrusted(allowance, values)
    if words := _uncounted(quantity.name, (result, *baselines)):
        return _verdict(allowance, values, None, words)
    question = ChangeQuestion(
        quantity=quantity, after=after, before=before, points=allowance.points, family=family
    )
    return _verdict(allowance, values, *change_of(question))


def judge_contrast(allowance: Allowance, comparison: Comparison) -> RegressionVerdict:
    """Hold an interleaved comparison's last target to an allowance over its first.

    Raises:
        UsageError: the comparison does not have the quantity.
    """
    metric, _, statistic = allowance.quantity.name.partition(".")
    label = comparison.arms[-1].label
    asked = (metric, statistic or "location", label)
    found = next((c for c in comparison.contrasts if (c.metric, c.stat, c.arm) == asked), None)
    if found is None:
        names = {f"{c.metric}.{c.stat}".removesuffix(".location") for c in comparison.contrasts}
        raise refusal(allowance.text, ALLOWANCE, f"the comparison has {', '.join(sorted(names))}")
    if comparison.verdict == "INVALID":
        return _untrusted(allowance, (None, None))
    if found.ratio is None or found.interval is None:
        words = f"needs {(found.needs or 0) - found.pairs:,} more pairs"
        return _verdict(allowance, (None, None), None, words)
    change = QuantityChange(found.ratio - 1.0, found.interval[0] - 1.0, found.interval[1] - 1.0)
    return _verdict(allowance, (None, None), change, "")


def _allowance(condition: Condition) -> Allowance:
    match = _CHANGE.fullmatch(condition.value)
    if match is None:
        reason = f"{condition.value!r} is not a change with its sign, such as +10% or -0.5pp"
        raise refusal(condition.text, ALLOWANCE, reason)
    quantity = (
        ResultQuantity(name=condition.quantity, unit="")
        if condition.quantity in COMPARED
        else find_quantity(condition.quantity)
    )
    points = match[2] == "pp"
    if points and quantity.unit != "ratio":
        reason = "percentage points are for rates, such as success_rate>-0.5pp"
        raise refusal(condition.text, ALLOWANCE, reason)
    return Allowance(
        text=condition.text,
        quantity=quantity,
        relation=condition.relation,
        limit=float(match[1]) / 100.0,
        points=points,
    )


def _uncounted(quantity: str, results: Sequence[Result]) -> str:
    """Why a quantity that rests on counts of tokens can't be compared; empty where it can."""
    if quantity.partition(".")[0] not in _COUNTED or quantity == "throughput.requests":
        return ""
    for number, sources in enumerate(result.tokens.sources for result in results):
        uncounted = sum(sources.get(name, 0) for name in UNCOUNTED)
        if uncounted > _FEW_UNCOUNTED * sum(sources.values()):
            which = "a baseline" if number else "this run"
            return (
                f"in {which} stream events were counted for tokens: hold it to ttft, e2e or"
                " chars_per_second"
            )
    return ""


def _middle(before: Sequence[QuantityEstimate]) -> float | None:
    """The mean of the baselines, on the scale on which changes are taken."""
    values = [one.value for one in before if one.value is not None]
    if len(values) < len(before):
        return None
    mean = statistics.geometric_mean if min(values) > 0.0 else statistics.fmean
    return mean(values)


def _verdict(
    allowance: Allowance, values: Values, change: QuantityChange | None, words: str
) -> RegressionVerdict:
    state: State = "NO VERDICT"
    if change is not None:
        state, judged = _judged(allowance, change)
        words = ", ".join(filter(None, (judged, words)))
    return RegressionVerdict(
        text=allowance.text,
        state=state,
        baseline=values[0],
        value=values[1],
        change=change.value if change else None,
        interval=(change.low, change.high) if change else None,
        unit=allowance.quantity.unit,
        words=words,
    )


def _untrusted(allowance: Allowance, values: Values) -> RegressionVerdict:
    words = "an invalid measurement is not compared: see the report"
    return msgspec.structs.replace(_verdict(allowance, values, None, words), trusted=False)


def _judged(allowance: Allowance, change: QuantityChange) -> tuple[State, str]:
    state = state_of(allowance.relation, allowance.limit, (change.low, change.high))
    if state == "PASS":
        return state, ""
    if state == "FAIL":
        return state, "the whole interval is beyond what is allowed"
    distance, half = abs(change.value - allowance.limit), (change.high - change.low) / 2.0
    times = math.ceil((half / distance) ** 2) if distance else 0
    more = f": about {times:,} times the requests would settle it" if 1 < times < 10_000 else ""
    return state, f"what is allowed lies inside the interval{more}"
