"""Q10: do the books balance? Every planned request has one outcome, and two counts of the work agree."""

import numpy as np

from llm_latency_lens.metrics.checks.effect import shifts_of
from llm_latency_lens.metrics.checks.evidence import Evidence
from llm_latency_lens.model.result import Check
from llm_latency_lens.model.vitals import Vitals
from llm_latency_lens.units import NS_PER_S, format_duration

_HANDLING = 0.001
"""Seconds that may pass between an instant in a record and the engine's count of it."""
_RELATIVE = 0.01


def conservation(e: Evidence) -> Check | None:
    """The outcomes add up to the plan."""
    difference = sum(e.summary.books(e.counts).values()) - e.counts.planned
    words = "every planned request is accounted for"
    if difference:
        words = f"the outcomes differ from the plan by {difference:+d} requests"
    return Check(
        id="Q10",
        name="books",
        verdict="INVALID" if difference else "VALID",
        value=float(difference),
        unit="requests",
        words=words,
        remedy="report this as a bug; no number of this run may be used" if difference else "",
        metrics=("*",) if difference else (),
    )


def lost_worker(e: Evidence) -> Check | None:
    """A measuring process died."""
    if not e.counts.lost:
        return None
    return Check(
        id="Q10",
        name="lost worker",
        verdict="INVALID",
        value=float(e.counts.lost),
        unit="requests",
        words=f"a measuring process died with {e.counts.lost} requests in flight",
        remedy="look for what killed it (memory, a signal) and run again",
        metrics=("*",),
    )


def littles_law(e: Evidence) -> Check | None:
    """L = lambda W: the engines' integral of requests in flight is the sum of the records' times."""
    summary = e.summary
    attempts = summary.measured + summary.retries
    if not e.vitals or e.counts.lost or not attempts:
        return None
    counted, recorded = sum(vitals.area for vitals in e.vitals), summary.time_under_way
    late = sum(_lateness(e, vitals) for vitals in e.vitals)
    allowed = late + _HANDLING * attempts + _RELATIVE * recorded
    unexplained = max(abs(counted - recorded) - allowed, 0.0) / attempts
    effect = shifts_of(e, {"e2e": unexplained, "e2e_from_intended": unexplained})
    words = (
        f"the engines counted {counted:.4g} request-seconds in flight, the records {recorded:.4g};"
        f" this client's delays explain up to {allowed:.2g}"
    )
    if effect.metrics:
        apart = format_duration(unexplained * NS_PER_S)
        words += f", which leaves {apart} a request unexplained"
    return Check(
        id="Q10",
        name="Little's law",
        verdict=effect.verdict,
        value=abs(counted - recorded) / recorded if recorded else 0.0,
        unit="ratio",
        words=words,
        remedy="records and engines disagree: report this as a bug" if effect.metrics else "",
        metrics=effect.metrics,
        bound=effect.bound,
    )


def _lateness(e: Evidence, vitals: Vitals) -> float:
    """Seconds by which a late loop may have counted the requests of one worker too early or too late."""
    spans = e.summary.timeline.of_worker(vitals.worker)
    late = 2.0 * vitals.added_delay * len(spans)
    if not vitals.blocked or not len(spans):
        return late
    begins, lengths = np.array(vitals.blocked, np.int64).T
    for instants in spans.T:
        block = np.searchsorted(begins, instants, side="right") - 1
        inside = (block >= 0) & (instants <= begins[block] + lengths[block])
        late += float(lengths[block][inside].sum()) / NS_PER_S
    return late
