"""Objectives on the percentiles of latencies, such as `ttft.p95<500ms`, as text."""

import math

from llm_latency_lens.criteria.condition import (
    Condition,
    ConditionKind,
    parse_some,
    read_percentile,
    read_value,
    refusal,
)
from llm_latency_lens.criteria.quantity import METRIC_BY_NAME, find_metric
from llm_latency_lens.metrics.objective import Objective

__all__ = ["OBJECTIVE", "Objective", "parse_objectives"]

OBJECTIVE = ConditionKind(name="an objective", example="ttft.p95<500ms", relations=("<", "<="))
_LATENCIES = {name: metric for name, metric in METRIC_BY_NAME.items() if metric.unit == "s"}


def parse_objectives(text: str) -> tuple[Objective, ...]:
    """Parse `ttft.p95<500ms,tpot.p95<50ms`.

    Raises:
        UsageError: there is none, or a part is not an objective or names an unknown latency.
    """
    return tuple(_objective(condition) for condition in parse_some(text, OBJECTIVE))


def _objective(condition: Condition) -> Objective:
    name, _, statistic = condition.quantity.partition(".")
    metric = find_metric(name, _LATENCIES)
    p = read_percentile(statistic)
    if p is None:
        reason = f"{condition.quantity!r} names no percentile above 0, such as {name}.p95"
        raise refusal(condition.text, OBJECTIVE, reason)
    limit = read_value(condition, OBJECTIVE, "s")
    if limit <= 0.0:
        raise refusal(condition.text, OBJECTIVE, "every latency is above 0")
    # A latency of exactly the limit keeps `<=`, so the first that breaks it is the next number.
    limit = limit if condition.relation == "<" else math.nextafter(limit, math.inf)
    return Objective(condition.text, metric, p, limit)
