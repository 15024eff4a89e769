"""Limits on one request, such as `ttft<500ms`: what makes a request a good one."""

from msgspec import Struct

from llm_latency_lens.criteria.condition import (
    RELATIONS,
    Condition,
    ConditionKind,
    parse_list,
    read_value,
    refusal,
)
from llm_latency_lens.criteria.quantity import METRIC_BY_NAME, find_metric
from llm_latency_lens.metrics.definitions import Metric
from llm_latency_lens.model.record import Record

LIMIT = ConditionKind(name="a limit", example="ttft<500ms")


class Limit(Struct, frozen=True, kw_only=True):
    """A metric of one request, a relation, and a value in the metric's base unit."""

    text: str
    metric: Metric
    relation: str
    value: float

    def met_by(self, record: Record) -> bool | None:
        """Return whether the request keeps the limit; None where it does not have the metric."""
        found = self.metric.of(record)
        return None if found is None else RELATIONS[self.relation](found, self.value)


def parse_limits(text: str) -> tuple[Limit, ...]:
    """Parse `ttft<500ms,tpot<50ms`; an empty list has no limits.

    Raises:
        UsageError: a part is not a limit, or names an unknown metric.
    """
    return tuple(_limit(condition) for condition in parse_list(text, LIMIT))


def _limit(condition: Condition) -> Limit:
    name, _, statistic = condition.quantity.partition(".")
    if statistic and name in METRIC_BY_NAME:
        reason = f"one request has no {statistic}; write {name}{condition.relation}..."
        raise refusal(condition.text, LIMIT, reason)
    metric = find_metric(condition.quantity, METRIC_BY_NAME)
    return Limit(
        text=condition.text,
        metric=metric,
        relation=condition.relation,
        value=read_value(condition, LIMIT, metric.unit),
    )
