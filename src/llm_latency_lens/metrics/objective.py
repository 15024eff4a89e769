"""Objectives on percentiles, such as `ttft.p95<500ms`: fewer than one in twenty take 500 ms or longer."""

import difflib
import re

from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.definitions import METRICS, Metric
from llm_latency_lens.units import NS_PER_S, parse_duration

_OBJECTIVE = re.compile(r"\s*([a-z_0-9]+)\.p(\d{1,2}(?:[._]\d)?)\s*<=?\s*(.+?)\s*")
_LATENCIES = {metric.name: metric for metric in METRICS if metric.unit == "s"}


class Objective(Struct, frozen=True):
    """A percentile of a latency, and the seconds that it must stay below."""

    text: str
    metric: Metric
    p: float
    limit: float


def parse_objectives(text: str) -> tuple[Objective, ...]:
    """Parse `ttft.p95<500ms,tpot.p95<50ms`.

    Raises:
        UsageError: not an objective, or an unknown latency (with the nearest name).
    """
    found = tuple(_parse(part) for part in text.split(",") if part.strip())
    if not found:
        raise UsageError("no objective: write it like ttft.p95<500ms")
    return found


def _parse(text: str) -> Objective:
    match = _OBJECTIVE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text.strip()!r} is not an objective; write it like ttft.p95<500ms")
    name, percentile, limit = match.groups()
    metric = _LATENCIES.get(name)
    if metric is None:
        near = difflib.get_close_matches(name, _LATENCIES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_LATENCIES)}"
        raise UsageError(f"unknown latency {name!r} in {text.strip()!r}; {hint}")
    p = float(percentile.replace("_", ".")) / 100.0
    if p == 0.0:
        raise UsageError(f"{text.strip()!r}: a percentile lies above 0")
    return Objective(text.strip(), metric, p, parse_duration(limit) / NS_PER_S)
