"""Q5: how exactly arrivals are known. A reader that comes late finds segments merged under one stamp."""

from enum import StrEnum

from msgspec import Struct

from llm_latency_lens.metrics.checks.evidence import (
    ANSWER,
    GAPS,
    QUEUE,
    Evidence,
    graded,
    highest_known,
)
from llm_latency_lens.metrics.column import PERCENTILES, bias_budget
from llm_latency_lens.model.result import Check, Distribution, Verdict
from llm_latency_lens.units import NS_PER_S, format_duration

_JUDGED = ("p50", "p95", "p99")
_REMEDY = (
    "the measuring process was short of CPU: free it, give it more (--workers), lower the load, or use "
    "--stamps packet where it is permitted"
)


class Cause(StrEnum):
    """Why a value lies in an interval."""

    LATENESS = "lateness"
    COUNT = "count"


class Doubt(Struct, frozen=True):
    """The widest percentile of a metric among those that are judged, and what follows."""

    width: float
    percentile: str
    verdict: Verdict


def doubted(e: Evidence, cause: Cause) -> dict[str, Doubt]:
    """The metrics of which too little is known, where this is the greater part of the cause."""
    found: dict[str, Doubt] = {}
    for name in (*ANSWER, QUEUE):
        metric = e.metrics.get(name)
        widest = _widest(metric) if metric is not None and metric.unit == "s" else None
        if metric is None or widest is None:
            continue
        width, percentile = widest
        allowed = bias_budget("s", metric.p50 or 0.0)
        verdict = graded(width, allowed, 5.0 * allowed)
        if verdict != "VALID" and cause is _cause(e, name, width, percentile):
            found[name] = Doubt(width, percentile, verdict)
    return found


def _cause(e: Evidence, name: str, width: float, percentile: str) -> Cause:
    counted = e.summary.token_doubt.columns.get(name)
    if counted is None:
        return Cause.LATENESS
    low, high = counted.bounds({percentile: PERCENTILES[percentile]}).get(percentile, (0.0, 0.0))
    by_count = high - low
    return Cause.COUNT if by_count > width / 2.0 else Cause.LATENESS


def arrivals(e: Evidence) -> tuple[Check, ...]:
    """What the widths of arrival intervals allow to be said of each metric."""
    if not e.summary.stamps:
        return ()
    late = doubted(e, Cause.LATENESS)
    verdicts: tuple[Verdict, ...] = ("INVALID", "WARN")
    found = tuple(
        _late(e, verdict, names)
        for verdict in verdicts
        if (names := {name: d for name, d in late.items() if d.verdict == verdict})
    )
    return found or (_exact(e),)


def _widest(found: Distribution) -> tuple[float, str] | None:
    """The largest width among the percentiles that are judged, and which it is."""
    known = [(found.width[name], name) for name in _JUDGED if name in found.width]
    return max(known, default=None)


def _late(e: Evidence, verdict: Verdict, names: dict[str, Doubt]) -> Check:
    metric, doubt = max(names.items(), key=lambda item: item[1].width)
    merged = bool(e.summary.deliveries.read_late)
    what = "read late and found chunks merged" if merged else "read late, or sent late"
    return Check(
        id="Q5",
        name="arrival stamps",
        verdict=verdict,
        value=doubt.width,
        unit="s",
        words=f"this client {what}: {metric} {doubt.percentile} is only"
        f" known within {format_duration(doubt.width * NS_PER_S)}",
        remedy=_REMEDY,
        metrics=_with_rates(tuple(names)),
        bound=doubt.width,
        size="in_bounds",
    )


def _with_rates(names: tuple[str, ...]) -> tuple[str, ...]:
    """The metrics, and those that are computed from them."""
    rates = {"tpot": "decode_speed", "e2e": "tps_request"}
    return (*names, *(rate for name, rate in rates.items() if name in names))


_SOURCES = {
    "kernel": "the kernel",
    "packet": "a packet socket",
    "user": "this process",
    "mixed": "the kernel, some reads by this process",
}


def _stamped_by(e: Evidence) -> str:
    """Whose clock stamped the reads, with the number of answers where it was not one for all."""
    stamps = {_SOURCES[name]: count for name, count in e.summary.stamps.items() if name != "none"}
    if len(stamps) < 2:
        return next(iter(stamps), "the kernel")
    return ", ".join(f"{who} ({count:,} answers)" for who, count in stamps.items())


def _exact(e: Evidence) -> Check:
    known = highest_known(e.summary.lateness)
    sources = set(e.summary.stamps)
    widest = max(
        (
            width
            for name, m in e.metrics.items()
            if m.unit == "s" and name not in e.summary.token_doubt.columns
            for width in m.width.values()
        ),
        default=0.0,
    )
    if known is None and sources & {"user", "mixed"} and not widest:
        return Check(
            id="Q5",
            name="arrival stamps",
            verdict="WARN",
            value=None,
            unit="s",
            words="stamped by this process after each read: how late it read is unknown here",
            remedy="measure on Linux, where the kernel stamps arrivals",
            metrics=GAPS,
        )
    words = (
        f"stamped by {_stamped_by(e)}; what is reported is known within"
        f" {format_duration(widest * NS_PER_S)}"
    )
    if known is not None:
        words += (
            f" (reads were late by up to {format_duration(known[1] * NS_PER_S)} in {known[0]:.0%})"
        )
    return Check(
        id="Q5", name="arrival stamps", verdict="VALID", value=widest, unit="s", words=words
    )
