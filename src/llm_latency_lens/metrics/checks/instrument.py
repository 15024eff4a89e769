"""Q6: the instrument's own error against a known schedule, and how much of its capacity the run took."""

from llm_latency_lens.metrics.checks.evidence import GAPS, SPEED, Evidence, budget, graded, worst
from llm_latency_lens.model.result import Check
from llm_latency_lens.units import NS_PER_S, format_duration


def instrument(e: Evidence) -> Check | None:
    """By the calibration of this machine; without one the error is unknown, and said to be."""
    calibration = e.calibration
    if calibration is None:
        return Check(
            id="Q6", name="instrument error", verdict="VALID", value=None, unit="s",
            words="unknown: this machine has not been calibrated",
            remedy="run: llm-latency-lens calibrate",
        )  # fmt: skip
    allowed = budget(e.metrics.get("ttft"))
    error = calibration.errors["ttft"].p99
    peak = e.summary.timeline.peak_event_rate()
    used = peak / calibration.roofline if calibration.roofline else 0.0
    verdict = worst([graded(error, allowed, 5.0 * allowed), graded(used, 0.5, 0.8)])
    words = (
        f"TTFT within {format_duration(error * NS_PER_S)} in 99 % by calibration;"
        f" {peak:,.0f} token events/s at most, {used:.0%} of what this machine can take"
    )
    return Check(
        id="Q6", name="instrument error", verdict=verdict, value=error, unit="s", words=words,
        remedy="" if verdict == "VALID" else "fewer streams, more cores (--workers), or calibrate again on a quiet machine",
        metrics=() if verdict == "VALID" else (*SPEED, *GAPS),
    )  # fmt: skip
