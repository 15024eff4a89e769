"""Limits on single requests, such as `ttft<500ms,tpot<50ms`: what makes a request a good one."""

import difflib
import re

from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.definitions import METRICS, Metric
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.units import NS_PER_S, parse_duration

_LIMIT = re.compile(r"\s*([a-z_]+)\s*(<=|<|>=|>)\s*(.+?)\s*")
_BY_NAME = {metric.name: metric for metric in METRICS}


class Limit(Struct, frozen=True):
    """One limit: a metric, `<` or `>`, and a value in the metric's base unit."""

    text: str
    metric: Metric
    below: bool
    value: float

    def met_by(self, record: Record) -> bool:
        """Whether the record has the metric and it is on the right side."""
        found = self.metric.of(record)
        if found is None:
            return False
        return found < self.value if self.below else found > self.value


def parse_limits(text: str) -> tuple[Limit, ...]:
    """Parse limits separated by commas.

    Raises:
        UsageError: not a limit, an unknown metric (with the nearest name), or a value without its unit.
    """
    return tuple(_parse(part) for part in text.split(",") if part.strip())


def _parse(text: str) -> Limit:
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise UsageError(f"{text.strip()!r} is not a limit; write it like ttft<500ms")
    name, sign, value = match.groups()
    metric = _BY_NAME.get(name)
    if metric is None:
        near = difflib.get_close_matches(name, _BY_NAME, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_BY_NAME)}"
        raise UsageError(f"unknown metric {name!r} in {text.strip()!r}; {hint}")
    if metric.unit == "s":
        return Limit(text.strip(), metric, sign[0] == "<", parse_duration(value) / NS_PER_S)
    try:
        return Limit(text.strip(), metric, sign[0] == "<", float(value))
    except ValueError:
        raise UsageError(
            f"{value!r} is not a number of {metric.unit} in {text.strip()!r}"
        ) from None


def is_good(record: Record, limits: tuple[Limit, ...]) -> bool:
    """A good request succeeded and met every limit."""
    return record.outcome.kind is OutcomeKind.OK and all(limit.met_by(record) for limit in limits)
