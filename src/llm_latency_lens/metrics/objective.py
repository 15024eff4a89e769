"""Objectives on percentiles, such as `ttft.p95<500ms`, and whether a load keeps them: pass, fail or not yet known.

`p95 < x` says that fewer than one in twenty requests may take x or longer; a failed request takes for
ever. So each objective is a rate of violations, judged by a test that may be looked at at any time.
"""

import numpy as np
from msgspec import Struct

from llm_latency_lens.metrics.definitions import Metric
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.stats.capacity import Judgement
from llm_latency_lens.stats.dependence import dependence
from llm_latency_lens.stats.quantiles import Floats
from llm_latency_lens.stats.sequential import log_evidence_above, log_evidence_below

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

    def of(self, record: Record) -> float | None:
        """Return the request's latency over the limit, at most 10; a failed request took for ever.

        None where a successful request does not have the latency: it neither keeps nor violates the
        objective.
        """
        if record.outcome.kind is not OutcomeKind.OK:
            return _FOR_EVER
        latency = self.metric.of(record)
        return None if latency is None else min(latency / self.limit, _FOR_EVER)


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
                excess = objective.of(record)
                if excess is not None:
                    latencies.append(excess)
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
