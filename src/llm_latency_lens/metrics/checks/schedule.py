"""Q3: was the load that was asked for the load that was made?"""

import numpy as np
from numpy.typing import NDArray

from llm_latency_lens.metrics.checks.effect import Effect, shifts_of, values_of
from llm_latency_lens.metrics.checks.evidence import (
    ANSWER,
    FROM_INTENDED,
    QUEUE,
    Evidence,
    graded,
    highest_known,
)
from llm_latency_lens.metrics.column import PERCENTILES
from llm_latency_lens.metrics.definitions import METRICS
from llm_latency_lens.model.result import Check
from llm_latency_lens.stats.quantiles import Weighted, minimum_samples
from llm_latency_lens.units import NS_PER_S, format_duration, format_rate

_STALL_S = 1.0
_STALL_MEDIANS = 10.0
_STARTS = frozenset({"marks.sent", "intended"})
_MOST_WAITS = 200
"""So many waiting times stand for those of all requests that one stall kept from being sent."""
_OMITTED_FROM = tuple(
    m.name
    for m in METRICS
    if m.group == "latency" and _STARTS.intersection(m.needs) and "tokens" not in m.needs
)

Floats = NDArray[np.float64]


def slip(e: Evidence) -> Check | None:
    """How late requests were begun."""
    known = highest_known(e.summary.slip)
    if e.planned_rate is None or known is None:
        return None
    p, late = known
    effect = shifts_of(e, dict.fromkeys(FROM_INTENDED, max(late, 0.0)))
    return Check(
        id="Q3",
        name="schedule slip",
        verdict=effect.verdict,
        value=late,
        unit="s",
        words=f"{p:.0%} of requests were begun within {format_duration(late * NS_PER_S)} of their instant",
        remedy="the client was late: lower the rate, or give it more cores (--workers)"
        if effect.metrics
        else "",
        metrics=(*FROM_INTENDED, QUEUE) if effect.metrics else (),
        bound=effect.bound,
    )


def rate(e: Evidence) -> Check | None:
    """How many were begun."""
    achieved = e.summary.timeline.start_rate()
    if e.planned_rate is None or achieved is None:
        return None
    started = e.counts.planned - e.counts.not_sent
    error = abs(achieved / e.planned_rate - 1.0)
    verdict = graded(error, max(0.02, 3.0 / started**0.5), max(0.05, 5.0 / started**0.5))
    return Check(
        id="Q3",
        name="offered load",
        verdict=verdict,
        value=error,
        unit="ratio",
        words=f"{format_rate(achieved)} were started where the schedule plans"
        f" {format_rate(e.planned_rate)}",
        remedy=""
        if verdict == "VALID"
        else f"the load was {error:.1%} off what was asked for: lower the rate or add workers",
        metrics=() if verdict == "VALID" else ANSWER,
    )


def omission(e: Evidence) -> Check | None:
    """Requests that a closed loop did not send while others stalled (coordinated omission)."""
    silences, cycle = e.summary.timeline.silences(), _cycle(e)
    if e.planned_rate is not None or not len(silences) or not cycle:
        return None
    usual = float(np.median(silences))
    stalls = silences[silences > max(_STALL_S, _STALL_MEDIANS * usual)]
    counts = np.floor(stalls / cycle)
    effect = _effect_of_waits(e, *_waits(stalls, counts, cycle))
    if effect.bound is None:
        return None
    longest, added = (format_duration(v * NS_PER_S) for v in (float(stalls.max()), effect.bound))
    stalled = "1 request" if len(stalls) == 1 else f"{len(stalls):,} requests"
    return Check(
        id="Q3",
        name="coordinated omission",
        verdict="WARN",
        value=float(counts.sum()),
        unit="requests",
        words=f"{stalled} stalled, for up to {longest} (median {format_duration(usual * NS_PER_S)}), and blocked"
        f" slots of this closed loop that would have sent about {counts.sum():,.0f} requests meanwhile:"
        f" with those, percentiles are up to {added} higher",
        remedy="measure in an open loop (--rate), which goes on sending while the server stalls",
        metrics=effect.metrics,
        bound=effect.bound,
    )


def _cycle(e: Evidence) -> float:
    """The median service time (s): how soon a slot that is not blocked sends again."""
    times = e.summary.timeline.service_times()
    return float(np.median(times)) if len(times) else 0.0


def _waits(stalls: Floats, counts: Floats, cycle: float) -> tuple[Floats, Floats]:
    """How long requests sent during the stalls would have waited for their ends, and how many each.

    One is sent every `cycle` from the stall's begin, as HdrHistogram's correction for an expected
    interval has it.
    """
    waits, weights = [np.zeros(0)], [np.zeros(0)]
    for stall, count in zip(stalls.tolist(), counts.tolist(), strict=True):
        shown = int(min(count, _MOST_WAITS))
        waits.append(stall - cycle * np.linspace(1.0, count, shown))
        weights.append(np.full(shown, round(count / max(shown, 1))))
    return np.concatenate(waits), np.concatenate(weights)


def _effect_of_waits(e: Evidence, waits: Floats, weights: Floats) -> Effect:
    """How percentiles rise where requests that would have waited so long are counted too."""
    shifts = {}
    for name in _OMITTED_FROM:
        values = values_of(e, name)
        values = values[~np.isnan(values)]
        supported = [p for p in PERCENTILES.values() if len(values) >= minimum_samples(p)]
        if not supported:
            continue
        both = Weighted(
            np.concatenate([values, waits + np.median(values)]),
            np.concatenate([np.ones(len(values)), weights]),
        )
        before = np.quantile(values, supported)
        shifts[name] = max(both.quantile(p) - b for p, b in zip(supported, before, strict=True))
    return shifts_of(e, shifts)
