"""Q11: was there one state to measure, or a warm-up, a drift, an overload?"""

from llm_latency_lens.metrics.checks.evidence import FROM_INTENDED, SPEED, Evidence
from llm_latency_lens.model.result import Check, Verdict
from llm_latency_lens.stats.compare import unpaired_location
from llm_latency_lens.stats.quantiles import Floats
from llm_latency_lens.stats.series import steady_from, trend

_FEWEST = 100
_LIKELY, _SURE = 0.99, 0.999
"""Noise may look like a trend in one run of a hundred; to condemn a run takes one in a thousand."""


def warm_up(e: Evidence) -> Check | None:
    """Where MSER-5 would cut."""
    series = e.summary.columns["ttft"].series(e.summary.order)
    if len(series) < _FEWEST:
        return None
    cut = steady_from(series)
    share = 0.5 if cut is None else cut / len(series)
    if share <= 0.25 or not _unlike(series, round(share * len(series))):
        return None
    words = f"the first {share:.0%} of requests are unlike the rest"
    if cut is None:
        words = "no part of the run is steady: its first half differs from its second"
    return Check(
        id="Q11", name="warm-up", verdict="WARN", value=share, unit="ratio", words=words,
        remedy="warm up longer (--warmup), or measure longer", metrics=SPEED,
    )  # fmt: skip


def _unlike(series: Floats, cut: int) -> bool:
    """Whether what would be cut surely differs: noise has its cuts too."""
    found = unpaired_location(series[cut:], series[:cut], _SURE)
    if found is None:
        return False
    low, high = found.interval
    return abs(found.ratio - 1.0) > 0.05 and not low <= 1.0 <= high


def drift(e: Evidence) -> Check | None:
    """A trend of TTFT over the run."""
    series = e.summary.columns["ttft"].series(e.summary.order)
    found = trend(series, _LIKELY) if len(series) >= _FEWEST else None
    if found is None or abs(found.change) <= 0.05 or found.interval[0] <= 0.0 <= found.interval[1]:
        return None
    sure = trend(series, _SURE)
    clear = sure is not None and not sure.interval[0] <= 0.0 <= sure.interval[1]
    verdict: Verdict = "INVALID" if clear and abs(found.change) > 0.2 else "WARN"
    return Check(
        id="Q11", name="trend", verdict=verdict, value=found.change, unit="ratio",
        words=f"TTFT changed by {found.change:+.0%} over the run"
        f" (99 %: {found.interval[0]:+.0%} .. {found.interval[1]:+.0%}): its percentiles are of no one state",
        remedy="find what changes (a growing queue, a cache that fills, a neighbour), or measure longer",
        metrics=SPEED,
    )  # fmt: skip


def backlog(e: Evidence) -> Check | None:
    """An open loop whose requests in flight keep growing: more is offered than served."""
    if e.planned_rate is None:
        return None
    in_flight = e.summary.timeline.in_flight_at_starts()
    found = trend(in_flight, _SURE) if len(in_flight) >= _FEWEST else None
    # Twice as many at the end as in the middle, and surely growing: a queue, not chance.
    if found is None or found.change < 1.0 or found.interval[0] <= 0.5:
        return None
    return Check(
        id="Q11", name="backlog", verdict="INVALID", value=found.change, unit="ratio",
        words="overload: requests in flight kept growing, there was no steady state to measure",
        remedy="offer less (--rate), or look for the highest load that holds (--find-capacity)",
        metrics=(*SPEED, *FROM_INTENDED),
    )  # fmt: skip
