"""Q5: how exactly arrivals are known. A reader that comes late finds segments merged under one stamp."""

from llm_latency_lens.metrics.checks.evidence import (
    ANSWER,
    GAPS,
    QUEUE,
    Evidence,
    graded,
    highest_known,
)
from llm_latency_lens.metrics.column import bias_budget
from llm_latency_lens.model.result import Check, Distribution, Verdict
from llm_latency_lens.units import NS_PER_S, format_duration

_PERCENTILES = ("p50", "p95", "p99")
_REMEDY = (
    "the measuring process was short of CPU: free it, give it more (--workers), lower the load, or use "
    "--stamps packet where it is permitted"
)


def arrivals(e: Evidence) -> tuple[Check, ...]:
    """What the widths of arrival intervals allow to be said of each metric."""
    if not e.summary.stamps:
        return ()
    touched: dict[Verdict, dict[str, tuple[float, str]]] = {"INVALID": {}, "WARN": {}}
    for name in (*ANSWER, QUEUE):
        found = e.metrics.get(name)
        widest = _widest(found) if found is not None and found.unit == "s" else None
        if found is None or widest is None:
            continue
        allowed = bias_budget("s", found.p50 or 0.0)
        verdict = graded(widest[0], allowed, 5.0 * allowed)
        if verdict != "VALID":
            touched[verdict][name] = widest
    found_late = tuple(_late(verdict, names) for verdict, names in touched.items() if names)
    return found_late or (_exact(e),)


def _widest(found: Distribution) -> tuple[float, str] | None:
    """The largest width among the percentiles that are judged, and which it is."""
    known = [(found.width[name], name) for name in _PERCENTILES if name in found.width]
    return max(known, default=None)


def _late(verdict: Verdict, names: dict[str, tuple[float, str]]) -> Check:
    metric, (width, percentile) = max(names.items(), key=lambda item: item[1][0])
    return Check(
        id="Q5",
        name="arrival stamps",
        verdict=verdict,
        value=width,
        unit="s",
        words=f"this client read late and found chunks merged: {metric} {percentile} is only"
        f" known within {format_duration(width * NS_PER_S)}",
        remedy=_REMEDY,
        metrics=_with_rates(tuple(names)),
        bound=width,
    )


def _with_rates(names: tuple[str, ...]) -> tuple[str, ...]:
    """The metrics, and those that are computed from them."""
    rates = {"tpot": "decode_speed", "e2e": "tps_request"}
    return (*names, *(rate for name, rate in rates.items() if name in names))


def _exact(e: Evidence) -> Check:
    known = highest_known(e.summary.lateness)
    sources = set(e.summary.stamps)
    widest = max(
        (width for m in e.metrics.values() if m.unit == "s" for width in m.width.values()),
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
    by = "the kernel" if sources <= {"kernel", "none"} else "this process"
    by = "a packet socket" if sources == {"packet"} else by
    words = (
        f"stamped by {by}; what is reported is known within {format_duration(widest * NS_PER_S)}"
    )
    if known is not None:
        words += (
            f" (reads were late by up to {format_duration(known[1] * NS_PER_S)} in {known[0]:.0%})"
        )
    return Check(
        id="Q5", name="arrival stamps", verdict="VALID", value=widest, unit="s", words=words
    )
