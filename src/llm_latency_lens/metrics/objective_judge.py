"""Whether a load keeps its objectives: pass, fail or not yet known.

`ttft.p95<500ms` says that fewer than one in twenty requests may take 500 ms or longer, so each
objective is a rate of violations, judged by a test that may be looked at at any time.

The client's own lateness is judged by what it could change. A load passes only if it would pass had
every late request waited that much longer; it fails only if it would fail had every answer that was
read late arrived at the earliest possible instant.
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from msgspec import Struct

from llm_latency_lens.metrics.column import bias_budget
from llm_latency_lens.metrics.definitions import COUNTS, UNCOUNTED, resting_on
from llm_latency_lens.metrics.objective import Objective
from llm_latency_lens.metrics.summary import begun_at
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.stats.capacity import Judgement
from llm_latency_lens.stats.dependence import dependence
from llm_latency_lens.stats.quantiles import Floats, quantile
from llm_latency_lens.stats.sequential import log_evidence_above, log_evidence_below
from llm_latency_lens.units import NS_PER_S

_LONGEST = 10.0
"""A failed request counts as one that took so many times the limit; longer ones as this."""
_RAMP = 2.0
"""Requests sent within so many service times of the first find a server that still fills up."""
_RAMP_MOST = 50
"""A failure needs no longer ramp than this, since in an overload the service time itself grows."""
_SETTLED, _SETTLED_AGAIN = 5.0, 10.0
"""A load passes only after so many service times beyond the ramp, more when it is tested again: a
queue takes its time to show."""
FEWEST = 30
_MOST_NEEDED = 1_000_000
_FUTILE, _FUTILE_SHARE = 2.0, 0.25
"""A step is given up after a quarter of its requests if it seems to need twice what is left."""
_FLOOD, _DELUGE = 200, 60
"""An overload is one long excursion, which a test of independent requests never counts as many: it
fails where more than half of the latest 200 violate the objective, or nearly all of the latest 60
take at least three times their limit."""
_FAR = 0.5
_SHORT = 0.05
"""A client that sends at a rate lower than planned by more than this share decides nothing."""
_DELAYED = frozenset({"ttft", "ttfvt", "ttfb", "ttfe", "e2e", "e2e_stream"})
"""Latencies that begin with the sending: a late start makes a user wait that much longer."""
_COUNTED = frozenset(resting_on(*COUNTS))


class View(Struct, frozen=True, kw_only=True):
    """How one objective stands at one look.

    Attributes:
        requests: judged ones; those without the metric are not among them.
        missed: how many of them violate it, the client's lateness added.
        missed_on_time: how many violate it without the client's lateness.
        tau: autocorrelation time; n requests carry the information of n / tau independent ones.
        value: the percentile that the objective is about (s); None where a failure lies there.
        highest: the largest value over the limit; at most 10.
        judgement: of this objective alone.
        without: requests that have no such metric.
        uncounted: requests whose value rests on stream events counted for tokens.
    """

    objective: Objective
    requests: int
    missed: int
    missed_on_time: int
    tau: float
    value: float | None
    highest: float
    judgement: Judgement
    without: int
    uncounted: int

    @property
    def allowed(self) -> float:
        """The share of requests that may violate the objective."""
        return 1.0 - self.objective.p

    @property
    def missed_share(self) -> float:
        """The share of the judged requests that violate it."""
        return self.missed / self.requests if self.requests else 0.0


class Doubt(Struct, frozen=True, kw_only=True):
    """Why a load is undecided.

    Attributes:
        reason: too near the limit; correlated requests; too short a time; a client whose lateness
            could change the judgement; a client that did not send at the planned rate; no request
            has the metric.
        view: of the objective in doubt; None where it concerns all.
        severity: grows with the doubt; only the same reason may be compared.
    """

    reason: Literal["near", "correlated", "short", "late", "slow", "metric"]
    view: View | None = None
    severity: float = 0.0


class Series:
    """One objective's values of each request: measured (s), and over the limit with our lateness.

    `high` takes the lateness at its worst, `low` at its best.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.without = 0
        self.uncounted = 0
        self._counts_tokens = objective.metric.name in _COUNTED
        self._high: list[float] = []
        self._measured: list[float] = []
        self._low: list[float] = []

    def add(self, record: Record) -> None:
        """One more request; a failed one took too long, one without the metric says nothing."""
        if record.outcome.kind is not OutcomeKind.OK:
            high = measured = low = math.inf
        elif (value := self.objective.metric.of(record)) is None:
            self.without += 1
            high = measured = low = math.nan  # min() keeps a NaN that comes first
        else:
            measured = value
            self.uncounted += self._counts_tokens and record.tokens.source in UNCOUNTED
            high = value + _delay(self.objective, record)
            low = value - _width(self.objective, record, value)
        limit = self.objective.limit
        self._high.append(min(high / limit, _LONGEST))
        self._measured.append(measured)
        self._low.append(min(low / limit, _LONGEST))

    def view(self, first_pass: int, first_fail: int, bar: float) -> View:
        """The objective's standing; the two sides leave out different numbers of first requests."""
        high, low = _present(self._high[first_pass:]), _present(self._low[first_fail:])
        tau = self._tau(high)
        judgement: Judgement = "undecided"
        if self._shows_few(high, tau, bar):
            judgement = "pass"
        elif self._fails(low, bar):
            judgement, high, tau = "fail", low, self._tau(low)
        # What is reported is what the judgement rests on.
        first = first_fail if judgement == "fail" else first_pass
        measured = _present(self._measured[first:])
        return View(
            objective=self.objective,
            requests=len(high),
            missed=int((high >= 1.0).sum()),
            missed_on_time=int((measured >= self.objective.limit).sum()),
            tau=tau,
            value=_finite_quantile(measured, self.objective.p),
            highest=float(high.max()) if len(high) else 0.0,
            judgement=judgement,
            without=self.without,
            uncounted=self.uncounted,
        )

    def passes_on_time(self, first: int, bar: float) -> bool:
        """Whether it would pass without the client's lateness."""
        ratios = np.minimum(_present(self._measured[first:]) / self.objective.limit, _LONGEST)
        return self._shows_few(ratios, self._tau(ratios), bar)

    def passes_independent(self, first: int, bar: float) -> bool:
        """Whether it would pass if its requests were independent."""
        return self._shows_few(_present(self._high[first:]), 1.0, bar)

    def _shows_few(self, ratios: Floats, tau: float, bar: float) -> bool:
        """Whether it is sure that fewer violate the objective than may."""
        missed = float((ratios >= 1.0).sum())
        return log_evidence_below(missed / tau, len(ratios) / tau, 1.0 - self.objective.p) >= bar

    def _tau(self, ratios: Floats) -> float:
        """The larger of the violations' autocorrelation time and that of the values.

        While nothing is violated yet, only the values tell how alike neighbours are (decision
        0013). Differences that cannot matter do not count as dependence: values are rounded to
        their bias budget, or to a tenth of their distance to the limit. The dither keeps a value
        that lies between two grains from turning tiny, slow differences into large ones.
        """
        if not len(ratios):
            return 1.0
        budget = bias_budget("s", float(np.median(ratios)) * self.objective.limit)
        grain = max(budget / self.objective.limit, (1.0 - float(ratios.max())) / 10.0)
        dither = np.random.default_rng(0).uniform(-0.5, 0.5, len(ratios))
        values = dependence(np.round(ratios / grain + dither))
        return max(values, dependence((ratios >= 1.0).astype(np.float64)))

    def _fails(self, ratios: Floats, bar: float) -> bool:
        share = 1.0 - self.objective.p
        violations = (ratios >= 1.0).astype(np.float64)
        if len(ratios) >= _FLOOD and violations[-_FLOOD:].mean() > (1.0 + share) / 2.0:
            return True
        if len(ratios) >= _DELUGE and (ratios[-_DELUGE:] >= 3.0).mean() > 0.9:
            return True
        tau = self._tau(ratios)
        return log_evidence_above(violations.sum() / tau, len(violations) / tau, share) >= bar


class ObjectiveJudge:
    """Add the requests of one load in the order of sending; `judgement` tells once it is sure.

    Args:
        objectives: all of them must be kept.
        alpha: the probability with which each side may err.
        again: the load is tested again, and longer.
        fewest: no load passes with fewer requests.
    """

    def __init__(
        self,
        objectives: tuple[Objective, ...],
        alpha: float,
        *,
        again: bool = False,
        fewest: int = FEWEST,
    ) -> None:
        self.judgement: Judgement = "undecided"
        self.seen = 0
        self.views: tuple[View, ...] = ()
        self.sent_share = 1.0
        self._first = 0
        self._bar = -math.log(alpha / len(objectives))
        self._series = tuple(Series(objective) for objective in objectives)
        self._planned: list[int] = []
        self._begun: list[int] = []
        self._served: list[float] = []
        self.least_time = _RAMP + (_SETTLED_AGAIN if again else _SETTLED)
        self._fewest = fewest
        self._next_look = 5

    def add(self, record: Record) -> Judgement:
        """One more request."""
        self.seen += 1
        self._planned.append(record.intended)
        begun = begun_at(record)
        self._begun.append(record.dequeued if begun is None else begun)
        if record.outcome.kind is OutcomeKind.OK:
            self._served.append((record.marks.ended - self._begun[-1]) / NS_PER_S)
        for series in self._series:
            series.add(record)
        if self.judgement == "undecided" and self.seen >= self._next_look:
            self.look()
            # Looking costs more the longer the series is.
            self._next_look = self.seen + max(5, self.seen // 20)
        return self.judgement

    @property
    def service_time(self) -> float:
        """The median duration (s) of the latest successful requests; 0 while there is none."""
        return float(np.median(self._served[-_FLOOD:])) if self._served else 0.0

    @property
    def far(self) -> bool:
        """Whether the judgement is clear: all values below half their limits, or most above."""
        if self.judgement == "pass":
            return all(view.highest < _FAR for view in self.views)
        return any(view.missed > 0.9 * view.requests > 0 for view in self.views)

    def look(self) -> None:
        """Judge what there is."""
        if not self.seen:
            return
        planned = np.array(self._planned, np.int64)
        settled = planned[0] + round(_RAMP * self.service_time * NS_PER_S)
        first = int(np.searchsorted(planned, settled))
        self.views = tuple(s.view(first, min(first, _RAMP_MOST), self._bar) for s in self._series)
        self._first, self.sent_share = first, self._sent_share(first)
        sides = [view.judgement for view in self.views]
        if "fail" in sides:
            self.judgement = "fail"
        elif all(side == "pass" for side in sides) and self.settled and self._load_made:
            self.judgement = "pass"

    @property
    def settled(self) -> bool:
        """Whether the load has lasted long enough, beyond its ramp, for a queue to show."""
        lasted = (self._planned[-1] - self._planned[0]) / NS_PER_S
        enough = lasted >= self.least_time * self.service_time
        return enough and all(view.requests >= self._fewest for view in self.views)

    @property
    def doubt(self) -> Doubt:
        """What keeps an undecided load from passing."""
        if any(view.without and not view.requests for view in self.views):
            return Doubt(reason="metric")
        if not self._load_made:
            return Doubt(reason="slow", severity=1.0 - self.sent_share)
        pairs = zip(self.views, self._series, strict=True)
        open_ = [(view, series) for view, series in pairs if view.judgement != "pass"]
        if not open_:
            return Doubt(reason="short")
        return self._doubt_of(*max(open_, key=lambda pair: pair[0].missed_share))

    def _doubt_of(self, view: View, series: Series) -> Doubt:
        if series.passes_on_time(self._first, self._bar):
            return Doubt(reason="late", view=view, severity=view.missed_share)
        if series.passes_independent(self._first, self._bar):
            return Doubt(reason="correlated", view=view, severity=view.tau)
        return Doubt(reason="near", view=view, severity=view.missed_share)

    @property
    def still_needed(self) -> int | None:
        """About how many more requests decide if they are like the others; None: far too many."""
        failing = [view for view in self.views if view.missed_share > view.allowed]
        if failing:
            needed = min(_needed(view, self._bar, log_evidence_above) for view in failing)
        else:
            passing = (_needed(view, self._bar, log_evidence_below) for view in self.views)
            needed = max(passing, default=math.inf)
        return round(needed) if needed < math.inf else None

    def futile(self, most: int) -> bool:
        """Whether `most` requests will hardly decide, after a quarter of them."""
        if self.seen < max(_FUTILE_SHARE * most, self._fewest) or self.judgement != "undecided":
            return False
        needed = self.still_needed
        return needed is None or needed > _FUTILE * (most - self.seen)

    @property
    def _load_made(self) -> bool:
        return self.sent_share >= 1.0 - _SHORT

    def _sent_share(self, first: int) -> float:
        """At what share of the planned rate requests were sent, whatever the lateness of each."""
        planned = self._planned[-1] - self._planned[min(first, self.seen - 1)]
        sent = self._begun[-1] - self._begun[min(first, self.seen - 1)]
        return planned / sent if sent > planned else 1.0


def _needed(view: View, bar: float, evidence: Callable[[float, float, float], float]) -> float:
    n, share = float(max(view.requests, 1)), view.missed_share
    while n < _MOST_NEEDED:
        if evidence(share * n / view.tau, n / view.tau, view.allowed) >= bar:
            return n - view.requests
        n *= 1.2
    return math.inf


def _delay(objective: Objective, record: Record) -> float:
    """By how much the client began the request late (s), where that would lengthen the metric."""
    begun = begun_at(record)
    if objective.metric.name not in _DELAYED or begun is None:
        return 0.0
    return max(begun - record.intended, 0) / NS_PER_S


def _width(objective: Objective, record: Record, value: float) -> float:
    """By how much the metric may be less than its value (s), as arrivals are known."""
    bounds = objective.metric.bounds(record) if objective.metric.bounds is not None else None
    return 0.0 if bounds is None else max(value - bounds[0], 0.0)


def _finite_quantile(values: Floats, p: float) -> float | None:
    """The quantile, or None where there is none or a failed request lies there."""
    finite = np.sort(values[np.isfinite(values)])
    position = (len(values) - 1) * p
    if not len(finite) or position > len(finite) - 1:
        return None
    # The failed ones lie above: the quantile of all is a lower one of those that succeeded.
    return quantile(finite, position / (len(finite) - 1) if len(finite) > 1 else 0.0)


def _present(values: list[float]) -> Floats:
    found = np.array(values, np.float64)
    return found[~np.isnan(found)]
