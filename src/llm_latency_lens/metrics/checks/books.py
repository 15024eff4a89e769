"""Q10: do the books balance? Every planned request has one outcome, and two counts of the work agree."""

from llm_latency_lens.metrics.checks.evidence import SPEED, Evidence, graded
from llm_latency_lens.model.result import Check

_START_UP = 0.002
"""Seconds by which a request may be under way longer, or shorter, than its record says."""


def conservation(e: Evidence) -> Check | None:
    """The outcomes add up to the plan."""
    difference = sum(e.summary.books(e.counts).values()) - e.counts.planned
    words = "every planned request is accounted for"
    if difference:
        words = f"the outcomes differ from the plan by {difference:+d} requests"
    return Check(
        id="Q10", name="books", verdict="INVALID" if difference else "VALID", value=float(difference),
        unit="requests", words=words,
        remedy="report this as a bug; no number of this run may be used" if difference else "",
        metrics=("*",) if difference else (),
    )  # fmt: skip


def lost_worker(e: Evidence) -> Check | None:
    """A measuring process died."""
    if not e.counts.lost:
        return None
    return Check(
        id="Q10", name="lost worker", verdict="INVALID", value=float(e.counts.lost), unit="requests",
        words=f"a measuring process died with {e.counts.lost} requests under way",
        remedy="look for what killed it (memory, a signal) and run again", metrics=("*",),
    )  # fmt: skip


def littles_law(e: Evidence) -> Check | None:
    """L = lambda W: what the engines counted as under way is what the records say was."""
    if not e.vitals or e.counts.lost or e.summary.retries or not e.summary.measured:
        return None
    counted = sum(vitals.area for vitals in e.vitals)
    told = e.summary.time_under_way
    # Starting and ending a task takes its moment for each request: two edge terms.
    allowance = 2.0 * _START_UP * e.summary.measured + 0.01 * told
    error = abs(counted - told)
    verdict = graded(error, allowance, 5.0 * allowance)
    return Check(
        id="Q10", name="Little's law", verdict=verdict, value=error / told if told else 0.0, unit="ratio",
        words=f"the engines had {counted:.4g} request-seconds under way, the records have {told:.4g}",
        remedy="" if verdict == "VALID" else "records and engines disagree: report this as a bug",
        metrics=() if verdict == "VALID" else SPEED,
    )  # fmt: skip
