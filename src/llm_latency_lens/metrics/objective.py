"""Objectives on percentiles, such as `ttft.p95<500ms`, and whether a load keeps them: pass, fail or not yet known.

`p95 < x` says that fewer than one in twenty requests may take x or longer; a failed request takes for
ever. So each objective is a rate of violations, judged by a test that may be looked at at any time.
"""

import difflib
import re

import numpy as np
from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.definitions import METRICS, Metric
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.stats.capacity import Judgement
from llm_latency_lens.stats.dependence import dependence
from llm_latency_lens.stats.quantiles import Floats
from llm_latency_lens.stats.sequential import log_evidence_above, log_evidence_below
from llm_latency_lens.units import NS_PER_S, parse_duration

_OBJECTIVE = re.compile(r"\s*([a-z_0-9]+)\.p(\d{1,2}(?:[._]\d)?)\s*<=?\s*(.+?)\s*")
_LATENCIES = {metric.name: metric for metric in METRICS if metric.unit == "s"}
_FOR_EVER = 10.0
_FLOOD = 200
_EVERY = 25
"""The judge looks after so many requests: dependence is told anew each time."""


class Objective(Struct, frozen=True):
    """A percentile of a latency, and the seconds that it must stay below."""

    text: str
    metric: Metric
    p: float
    limit: float

    def of(self, record: Record) -> float:
        """The request's latency over the limit, at most 10; a failed one took for ever, one without it none."""
        if record.outcome.kind is not OutcomeKind.OK:
            return _FOR_EVER
        return min((self.metric.of(record) or 0.0) / self.limit, _FOR_EVER)


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


class ObjectiveJudge:
    """Add the requests of one load in the order in which they were sent; `judgement` is there once it is sure.

    The first `ramp` requests find an emptier server than the others and are left out. A decision waits
    for `fewest` requests, since a queue takes its time to show; each side errs with at most `alpha`. A load
    under which more than half of the latest two hundred violate an objective fails at once.
    """

    def __init__(
        self, objectives: tuple[Objective, ...], alpha: float, ramp: int = 50, fewest: int = 200
    ) -> None:
        self.judgement: Judgement = "undecided"
        self.seen = 0
        self._objectives = objectives
        self._bar = -float(np.log(alpha / len(objectives)))
        self._ramp = ramp
        self._fewest = fewest
        self._latencies: tuple[list[float], ...] = tuple([] for _ in objectives)

    def add(self, record: Record) -> Judgement:
        """One more request."""
        self.seen += 1
        if self.seen > self._ramp:
            for objective, latencies in zip(self._objectives, self._latencies, strict=True):
                latencies.append(objective.of(record))
            if self.judgement == "undecided" and self.seen % _EVERY == 0:
                self.judgement = self._look()
        return self.judgement

    def _look(self) -> Judgement:
        pairs = zip(self._objectives, self._latencies, strict=True)
        sides = [self._side(objective.p, np.array(found)) for objective, found in pairs]
        if "fail" in sides:
            return "fail"
        settled = self.seen >= self._fewest and all(side == "pass" for side in sides)
        return "pass" if settled else "undecided"

    def _side(self, p: float, latencies: Floats) -> Judgement:
        violations = (latencies >= 1.0).astype(np.float64)
        # While nothing is violated yet, the latencies themselves tell how alike neighbours are.
        tau = max(dependence(violations), dependence(latencies))
        count, n, share = float(violations.sum()) / tau, len(latencies) / tau, 1.0 - p
        if log_evidence_below(count, n, share) >= self._bar:
            return "pass"
        # A queue that grows is one long excursion, which a test of independent units never counts as many.
        if len(violations) >= _FLOOD and violations[-_FLOOD:].mean() > (1.0 + share) / 2.0:
            return "fail"
        return "fail" if log_evidence_above(count, n, share) >= self._bar else "undecided"
