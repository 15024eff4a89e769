"""Thresholds on a result, such as `ttft.p95<800ms` or `success_rate>=99%`.

The whole interval must lie on one side of the limit. Where it does not, where there is none, or
where the metric is invalid, there is no verdict.
"""

import math

from msgspec import Struct

from llm_latency_lens.criteria.condition import (
    Condition,
    ConditionKind,
    State,
    parse_some,
    read_value,
    state_of,
)
from llm_latency_lens.criteria.estimate import QuantityEstimate
from llm_latency_lens.criteria.quantity import ResultQuantity, estimate, find_quantity
from llm_latency_lens.criteria.spread import known_within, missing
from llm_latency_lens.model.result import Result

THRESHOLD = ConditionKind(name="a threshold", example="ttft.p95<800ms")


class Threshold(Struct, frozen=True, kw_only=True):
    """A quantity, a relation, and the limit in the quantity's base unit."""

    text: str
    quantity: ResultQuantity
    relation: str
    limit: float


class ThresholdVerdict(Struct, frozen=True, kw_only=True):
    """What became of a threshold.

    Attributes:
        interval: what the value is known within, by the run itself and by repeated runs.
        trusted: false where the measurement is invalid.
    """

    text: str
    state: State
    value: float | None
    interval: tuple[float, float] | None
    unit: str
    words: str
    trusted: bool = True


def parse_thresholds(text: str) -> tuple[Threshold, ...]:
    """Parse `ttft.p95<800ms,cost.mean<$0.01,success_rate>=99%`.

    Raises:
        UsageError: there is none, or a part is not a threshold or names an unknown quantity.
    """
    return tuple(_threshold(condition) for condition in parse_some(text, THRESHOLD))


def judge_threshold(
    threshold: Threshold, result: Result, repeats: tuple[Result, ...] = ()
) -> ThresholdVerdict:
    """Hold a result to a threshold; `repeats` are further runs of the same workload."""
    quantity = threshold.quantity
    found = estimate(quantity, result)
    others = tuple(estimate(quantity, repeat) for repeat in repeats)
    interval = known_within(quantity, found, others)
    state, words = _judged(threshold, found, interval)
    if interval is None and found.verdict != "INVALID":
        words = missing(quantity, found, others)
    return ThresholdVerdict(
        text=threshold.text,
        state=state,
        value=found.value,
        interval=interval,
        unit=quantity.unit,
        words=words,
        trusted=found.verdict != "INVALID",
    )


def _threshold(condition: Condition) -> Threshold:
    quantity = find_quantity(condition.quantity)
    return Threshold(
        text=condition.text,
        quantity=quantity,
        relation=condition.relation,
        limit=read_value(condition, THRESHOLD, quantity.unit),
    )


def _judged(
    threshold: Threshold, found: QuantityEstimate, interval: tuple[float, float] | None
) -> tuple[State, str]:
    if found.verdict == "INVALID":
        return "NO VERDICT", "the measurement is invalid: see the report"
    if interval is None:
        return "NO VERDICT", ""
    state = state_of(threshold.relation, threshold.limit, interval)
    if state == "PASS":
        return state, "" if found.verdict == "VALID" else f"though {found.verdict}"
    if state == "FAIL":
        return state, "the whole interval is beyond the limit"
    return state, f"the limit lies inside the interval{_more(threshold, found, interval)}"


def _more(threshold: Threshold, found: QuantityEstimate, interval: tuple[float, float]) -> str:
    """About how many requests more would settle it if the value stays, by the root of n."""
    if found.interval != interval or not found.n:
        return ""
    distance = abs((found.value or 0.0) - threshold.limit)
    half = (interval[1] - interval[0]) / 2.0
    more = math.ceil(found.n * ((half / distance) ** 2 - 1.0) * 1.2) if distance else 0
    return f": about {more:,} more requests" if 0 < more < 1_000_000 else ""
