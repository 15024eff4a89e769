"""Q6: the instrument's own error against a known schedule, and a forecast of the CPU time it needs.

The forecast never condemns a run: what the run really took is judged by the checks of the client.
"""

from llm_latency_lens.metrics.checks.effect import shifts_of
from llm_latency_lens.metrics.checks.evidence import Evidence
from llm_latency_lens.model.calibration import KINDS, Calibration
from llm_latency_lens.model.result import Check
from llm_latency_lens.units import NS_PER_S, format_duration


def instrument(e: Evidence) -> Check | None:
    """By the calibration of this machine; without one the error is unknown, and said to be."""
    calibration = e.calibration
    if calibration is None:
        return Check(
            id="Q6",
            name="instrument error",
            verdict="VALID",
            value=None,
            unit="s",
            words="unknown: this machine has not been calibrated",
            remedy="run: llm-latency-lens calibrate",
        )
    # How late a run was sent is measured in the run itself (Q3): it is no error of a stamp.
    errors = {m: calibration.errors.get(kind) for m, kind in KINDS.items() if kind != "slip"}
    effect = shifts_of(
        e, {metric: error.p99 for metric, error in errors.items() if error is not None}
    )
    error = calibration.errors["ttft"].p99
    words = f"TTFT within {format_duration(error * NS_PER_S)} in 99 % by calibration"
    if effect.metrics:
        names = ", ".join(effect.metrics)
        words = f"up to {format_duration((effect.bound or 0.0) * NS_PER_S)} by calibration: {names}"
    return Check(
        id="Q6",
        name="instrument error",
        verdict=effect.verdict,
        value=error,
        unit="s",
        words=words + _forecast(e, calibration),
        remedy="calibrate again on a quiet machine (--calibrate now)" if effect.metrics else "",
        metrics=effect.metrics,
        bound=effect.bound,
    )


def _forecast(e: Evidence, calibration: Calibration) -> str:
    """What the cost model expected of this run's work, beside what the processes really used."""
    seconds = sum(vitals.seconds for vitals in e.vitals)
    if not seconds:
        return ""
    work = e.summary.timeline.work
    expected = calibration.cost.seconds(work.requests, work.reads, work.events, work.body_bytes)
    busy = [share for vitals in e.vitals for share in vitals.busy]
    used = f", {sum(busy) / len(busy):.0%} used" if busy else ""
    return f"; CPU of each process for this load: {expected / seconds:.0%} by forecast{used}"
