"""Q11: was there one state to measure, or a warm-up, a drift, an overload?"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from llm_latency_lens.metrics.checks.effect import (
    Effect,
    shifts_of,
    values_of,
    without,
)
from llm_latency_lens.metrics.checks.evidence import LATENCIES, QUEUE, THROUGHPUT, Evidence
from llm_latency_lens.model.result import Check, Verdict
from llm_latency_lens.stats.compare import unpaired_location
from llm_latency_lens.stats.dependence import rank_autocorrelation
from llm_latency_lens.stats.quantiles import Floats
from llm_latency_lens.stats.series import steady_from, trend
from llm_latency_lens.units import NS_PER_S, format_duration, format_number

_FEWEST = 100
_SURE = 0.999
"""Noise may look like a trend in one run of a thousand."""
_TRENDS = {
    "ttft": ("ttft", "ttft_from_intended", "ttfvt", "ttfe", "ttfb"),
    "tpot": ("tpot",),
    "e2e": ("e2e", "e2e_from_intended", "e2e_stream", "ntpot"),
}
"""The series that are judged, and the metrics whose percentiles move with each."""
_NAMES = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "e2e"}
_DRIFTED, _CHANGED = 0.05, 0.2
_FEW_IN_WINDOW = 6.0
_WIDE = 0.25
_TIMES_SLOTS = 200
"""Half a percent of the requests move no percentile below p99 by much."""


class _Sent(Struct, frozen=True):
    """The successful requests in the order in which they were sent, and the judged values."""

    order: NDArray[np.int64]
    series: Floats


def beginning(e: Evidence) -> Check | None:
    """Requests at the beginning that are unlike the rest: a closed loop's first, or a warm-up."""
    values = values_of(e, "ttft" if "ttft" in e.metrics else "e2e")
    order = e.summary.order
    order = order[~np.isnan(values[order])]
    sent = _Sent(order, values[order])
    return _opening_burst(e, sent) or _warm_up(e, sent)


def _opening_burst(e: Evidence, sent: _Sent) -> Check | None:
    opening = len(e.summary.opening)
    if e.planned_rate is not None or opening > len(sent.order) / 2:
        return None
    effect = _effect_of(e, sent, opening)
    if effect.bound is None:
        return None
    return Check(
        id="Q11",
        name="opening burst",
        verdict="WARN",
        value=opening / len(sent.order),
        unit="ratio",
        words=f"all {opening:,} slots began at once, and those requests are unlike the rest:"
        f" without them percentiles move by up to {_time(effect.bound)}",
        remedy=f"measure longer (-n {_TIMES_SLOTS * opening:,}), so that they are few, or send at a"
        " rate (--rate); a longer warm-up ends before all slots begin at once",
        metrics=effect.metrics,
        bound=effect.bound,
    )


def _warm_up(e: Evidence, sent: _Sent) -> Check | None:
    """Where MSER-5 would cut."""
    if len(sent.order) < _FEWEST:
        return None
    cut, count = steady_from(sent.series), len(sent.order)
    first = count // 2 if cut is None else cut
    effect = _effect_of(e, sent, first)
    if effect.bound is None:
        return None
    words = f"the first {first / count:.0%} of requests are unlike the rest"
    if cut is None:
        words = "no part of the run is steady: its first half differs from its second"
    return Check(
        id="Q11",
        name="warm-up",
        verdict="WARN",
        value=first / count,
        unit="ratio",
        words=f"{words}; without it percentiles move by up to {_time(effect.bound)}",
        remedy="warm up longer (--warmup), or measure longer",
        metrics=effect.metrics,
        bound=effect.bound,
    )


def _effect_of(e: Evidence, sent: _Sent, first: int) -> Effect:
    """How percentiles move without the first requests, where those surely differ from the rest."""
    if not _unlike(sent.series, first):
        return Effect()
    left_out = np.zeros(len(e.summary.order), np.bool_)
    left_out[sent.order[:first]] = True
    return without(e, left_out)


def _unlike(series: Floats, cut: int) -> bool:
    """Whether what would be cut surely differs: noise has its cuts too, and so have queues.

    How alike neighbours are is read from the rest, which a warm-up has left.
    """
    rest = rank_autocorrelation(series[cut:])
    if not rest.is_known():
        return False
    found = unpaired_location(series[cut:], series[:cut], _SURE, rest.cautious_tau)
    if found is None:
        return False
    low, high = found.interval
    return abs(found.ratio - 1.0) > 0.05 and not low <= 1.0 <= high


def drift(e: Evidence) -> Check | None:
    """A trend over the run of TTFT, TPOT or e2e."""
    changes = {name: change for name in _TRENDS if (change := _change(e, name)) is not None}
    shifts = {
        metric: change * (found.p50 or 0.0)
        for name, change in changes.items()
        for metric in _TRENDS[name]
        if (found := e.metrics.get(metric)) is not None
    }
    effect = shifts_of(e, shifts)
    if effect.bound is None:
        return None
    strongest = max(changes, key=lambda name: abs(changes[name]))
    change = changes[strongest]
    verdict: Verdict = "INVALID" if abs(change) > _CHANGED else "WARN"
    return Check(
        id="Q11",
        name="trend",
        verdict=verdict,
        value=change,
        unit="ratio",
        words=f"{_NAMES[strongest]} changed by {change:+.0%} over the run: its percentiles describe no one state, and"
        f" its first and last requests are up to {_time(effect.bound)} apart",
        remedy="find what changes (a growing queue, a cache that fills, a neighbour), or measure longer",
        metrics=effect.metrics,
        bound=effect.bound,
    )


def _change(e: Evidence, name: str) -> float | None:
    """By how much of its median a metric surely changed over the run; None where it did not."""
    series = e.summary.columns[name].series(e.summary.order)
    found = trend(series, _SURE) if len(series) >= _FEWEST else None
    if found is None or found.interval[0] <= 0.0 <= found.interval[1]:
        return None
    return found.change if abs(found.change) > _DRIFTED else None


def backlog(e: Evidence) -> Check | None:
    """An open loop whose requests in flight keep growing: more is offered than served."""
    if e.planned_rate is None:
        return None
    in_flight = e.summary.timeline.in_flight_at_starts()
    found = trend(in_flight, _SURE) if len(in_flight) >= _FEWEST else None
    # Twice as many at the end as in the middle, and surely growing: a queue, not chance.
    if found is None or found.change < 1.0 or found.interval[0] <= 0.5:
        return None
    effect = _growth(e)
    if effect.bound is None:
        return None
    return Check(
        id="Q11",
        name="backlog",
        verdict="INVALID",
        value=found.change,
        unit="ratio",
        words="overload: requests in flight kept growing, so there was no steady state to measure;"
        f" medians of the run's halves are up to {_time(effect.bound)} apart",
        remedy="offer less (--rate), or look for the highest load that holds (--find-capacity)",
        metrics=effect.metrics,
        bound=effect.bound,
    )


def _growth(e: Evidence) -> Effect:
    """How far apart the medians of the first and the second half of the run are."""
    shifts, order = {}, e.summary.order
    for name in (*LATENCIES, QUEUE):
        values = values_of(e, name)[order]
        halves = [half[~np.isnan(half)] for half in np.array_split(values, 2)]
        if all(len(half) for half in halves):
            shifts[name] = float(np.median(halves[1]) - np.median(halves[0]))
    return shifts_of(e, shifts)


def window(e: Evidence) -> Check | None:
    """The steady window of the throughput: how much of the run it is, and what it holds."""
    timeline = e.summary.timeline
    whole, steady = timeline.whole, timeline.steady()
    if whole is None or not e.summary.outcomes["ok"]:
        return None
    if steady is None:
        return Check(
            id="Q11",
            name="steady window",
            verdict="INSUFFICIENT",
            value=None,
            unit="ratio",
            words="the run is ramp-up and drain: no steady window to take a throughput from",
            remedy="run several times as many requests as are in flight at once",
            metrics=(THROUGHPUT,),
        )
    served, share = timeline.served(steady, ok_only=True), steady.seconds / whole.seconds
    times = timeline.service_times()
    width = 1.96 * float(times.std() / times.mean()) / max(served, 1.0) ** 0.5
    verdict: Verdict = "WARN" if served < _FEW_IN_WINDOW or width > _WIDE else "VALID"
    words = (
        f"{share:.0%} of the run, {format_number(served)} requests: throughput within {width:.0%}"
    )
    if served < _FEW_IN_WINDOW:
        words = f"{share:.0%} of the run, only {served:.2g} requests: throughput is a rough figure"
    return Check(
        id="Q11",
        name="steady window",
        verdict=verdict,
        value=share,
        unit="ratio",
        words=words,
        remedy="" if verdict == "VALID" else "measure longer",
        metrics=() if verdict == "VALID" else (THROUGHPUT,),
        bound=None if verdict == "VALID" else width * served / steady.seconds,
    )


def _time(seconds: float) -> str:
    return format_duration(seconds * NS_PER_S)
