"""Q3: was the load that was asked for the load that was made?"""

from llm_latency_lens.metrics.checks.evidence import (
    FROM_INTENDED,
    SPEED,
    Evidence,
    budget,
    graded,
    highest_known,
)
from llm_latency_lens.model.result import Check
from llm_latency_lens.units import NS_PER_S, format_duration


def slip(e: Evidence) -> Check | None:
    """How late requests were begun."""
    known = highest_known(e.summary.slip)
    if e.planned_rate is None or known is None:
        return None
    p, late = known
    allowed = budget(e.metrics.get("ttft"))
    verdict = graded(late, allowed, 5 * allowed)
    return Check(
        id="Q3", name="schedule slip", verdict=verdict, value=late, unit="s",
        words=f"{p:.0%} of requests were begun within {format_duration(late * NS_PER_S)} of their instant",
        remedy="" if verdict == "VALID" else "the client was late: lower the rate, or give it more cores (--workers)",
        metrics=() if verdict == "VALID" else FROM_INTENDED,
    )  # fmt: skip


def rate(e: Evidence) -> Check | None:
    """How many were begun."""
    achieved = e.summary.timeline.start_rate()
    if e.planned_rate is None or achieved is None:
        return None
    started = e.counts.planned - e.counts.not_sent
    error = abs(achieved / e.planned_rate - 1.0)
    verdict = graded(error, max(0.02, 3.0 / started**0.5), max(0.05, 5.0 / started**0.5))
    return Check(
        id="Q3", name="offered load", verdict=verdict, value=error, unit="ratio",
        words=f"{achieved:.3g}/s were started where the schedule plans {e.planned_rate:.3g}/s",
        remedy="" if verdict == "VALID" else "this is not the load you asked for: lower the rate or add workers",
        metrics=() if verdict == "VALID" else SPEED,
    )  # fmt: skip
