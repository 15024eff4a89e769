"""A precision, such as `ttft.p95+-5%`: how narrow a percentile's interval is to be."""

from msgspec import Struct

from llm_latency_lens.criteria.condition import (
    WITHIN,
    ConditionKind,
    parse_condition,
    read_percent,
    read_percentile,
    refusal,
)
from llm_latency_lens.criteria.quantity import METRIC_BY_NAME, find_metric
from llm_latency_lens.metrics.definitions import Metric

_OF_STREAMS = frozenset({"first_event", "first_token", "first_visible", "arrivals"})
"""Instants that an answer has which streams, and no other."""
PRECISION = ConditionKind(name="a precision", example="ttft.p95+-5%", relations=WITHIN)


class PrecisionGoal(Struct, frozen=True, kw_only=True):
    """A percentile of a metric, and the relative half-width that its interval is to have."""

    text: str
    metric: Metric
    p: float
    width: float


def parse_precision(text: str, *, streamed: bool = True) -> PrecisionGoal:
    """Parse `ttft.p95+-5%`, for answers that are streamed or not.

    Raises:
        UsageError: it is not a precision, or names a metric that is unknown or of streams alone.
    """
    condition = parse_condition(text, PRECISION)
    name, _, statistic = condition.quantity.partition(".")
    metric = find_metric(name, METRIC_BY_NAME)
    if not streamed and _OF_STREAMS & set(metric.needs):
        reason = f"an answer that is not streamed has no {name}; set it on e2e"
        raise refusal(condition.text, PRECISION, reason)
    p = read_percentile(statistic)
    if p is None:
        reason = f"{condition.quantity!r} names no percentile above 0, such as {name}.p95"
        raise refusal(condition.text, PRECISION, reason)
    width = read_percent(condition, PRECISION)
    return PrecisionGoal(text=condition.text, metric=metric, p=p, width=width)
