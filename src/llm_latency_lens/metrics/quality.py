"""The run judges itself: a table of checks, each with its number, its words and its remedy.

A check may find a metric VALID, WARN, INSUFFICIENT or INVALID; the metric's verdict is the worst of
them. Adding a check is adding a row.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.result import Check, Distribution, Verdict
from llm_latency_lens.units import NS_PER_S, format_duration

HEADLINE = ("ttft", "tpot", "e2e")
"""The metrics whose worst verdict is the run's, where nobody asks for others."""

SEVERITY: tuple[Verdict, ...] = ("VALID", "WARN", "INSUFFICIENT", "INVALID")
_GAPS = ("icl", "itl")
_SPEED = ("ttft", "ttfvt", "tpot", "e2e", "tps_request", "decode_speed", "ntpot")
_FROM_INTENDED = ("ttft_from_intended", "e2e_from_intended", "queue")


class Evidence(Struct, frozen=True, kw_only=True):
    """What the checks look at; `planned_rate` is None in a closed loop."""

    summary: Summary
    counts: Counts
    metrics: Mapping[str, Distribution]
    planned_rate: float | None


def worst(verdicts: "list[Verdict] | tuple[Verdict, ...]") -> Verdict:
    """The most severe of them; VALID where there is none."""
    return max(verdicts, key=SEVERITY.index, default="VALID")


def budget(distribution: Distribution | None) -> float:
    """The bias a metric bears, in seconds: half a millisecond, or 1 % of its median."""
    median = distribution.p50 if distribution is not None else None
    return max(0.0005, 0.01 * (median or 0.0))


def run_checks(evidence: Evidence) -> tuple[Check, ...]:
    """Every check that has something to say."""
    found = (check(evidence) for check in CHECKS)
    return tuple(check for check in found if check is not None)


def _graded(value: float, warn: float, invalid: float) -> Verdict:
    if value > invalid:
        return "INVALID"
    return "WARN" if value > warn else "VALID"


def _books(e: Evidence) -> Check | None:
    difference = sum(e.summary.books(e.counts).values()) - e.counts.planned
    return Check(
        name="books",
        verdict="INVALID" if difference else "VALID",
        value=float(difference),
        unit="requests",
        words="every planned request is accounted for"
        if not difference
        else f"the outcomes differ from the plan by {difference:+d} requests",
        remedy="" if not difference else "report this as a bug; no number of this run may be used",
        metrics=() if not difference else ("*",),
    )


def _lost_worker(e: Evidence) -> Check | None:
    if not e.counts.lost:
        return None
    return Check(
        name="lost worker",
        verdict="INVALID",
        value=float(e.counts.lost),
        unit="requests",
        words=f"a measuring process died with {e.counts.lost} requests under way",
        remedy="look for what killed it (memory, a signal) and run again",
        metrics=("*",),
    )


def _sample_size(e: Evidence) -> Check | None:
    ttft = e.metrics.get("ttft")
    n = ttft.n if ttft else 0
    missing = ttft.needs if ttft else {}
    if n == 0:
        return Check(
            name="sample size", verdict="INSUFFICIENT", value=0.0, unit="requests", metrics=("*",),
            words="no request succeeded", remedy="see the failures for what to do",
        )  # fmt: skip
    if "p50" in missing:
        return Check(
            name="sample size", verdict="INSUFFICIENT", value=float(n), unit="requests", metrics=_SPEED,
            words=f"{n} successful requests support no percentile", remedy=f"run at least {missing['p50']} requests",
        )  # fmt: skip
    wanting = ", ".join(
        f"{name.replace('_', '.')} needs {count:,}" for name, count in missing.items()
    )
    words = f"{n:,} successful requests" + (
        f"; {wanting}" if wanting else " support every percentile"
    )
    return Check(name="sample size", verdict="VALID", value=float(n), unit="requests", words=words)


def _slip(e: Evidence) -> Check | None:
    late = e.summary.slip.quantile(0.99)
    if e.planned_rate is None or late is None:
        return None
    allowed = budget(e.metrics.get("ttft"))
    verdict = _graded(late, allowed, 5 * allowed)
    return Check(
        name="schedule slip",
        verdict=verdict,
        value=late,
        unit="s",
        words=f"99 % of requests were begun within {format_duration(late * NS_PER_S)} of their instant",
        remedy=""
        if verdict == "VALID"
        else "the client was late: lower the rate, or give it more cores (--workers)",
        metrics=() if verdict == "VALID" else _FROM_INTENDED,
    )


def _rate(e: Evidence) -> Check | None:
    achieved = e.summary.timeline.start_rate()
    if e.planned_rate is None or achieved is None:
        return None
    started = e.counts.planned - e.counts.not_sent
    error = abs(achieved / e.planned_rate - 1.0)
    verdict = _graded(error, max(0.02, 3.0 / started**0.5), max(0.05, 5.0 / started**0.5))
    return Check(
        name="offered load",
        verdict=verdict,
        value=error,
        unit="ratio",
        words=f"{achieved:.3g}/s were started where {e.planned_rate:.3g}/s were asked for",
        remedy=""
        if verdict == "VALID"
        else "this is not the load you asked for: lower the rate or add workers",
        metrics=() if verdict == "VALID" else _SPEED,
    )


def _lateness(e: Evidence) -> Check | None:
    late = e.summary.lateness.quantile(0.99)
    if not e.summary.stamps:
        return None
    if late is None:
        return Check(
            name="arrival stamps", verdict="WARN", value=None, unit="s", metrics=_GAPS,
            words="stamped by this process after each read: its own lateness is in the gaps and can't be told",
            remedy="measure on Linux, where the kernel stamps arrivals",
        )  # fmt: skip
    return Check(
        name="arrival stamps",
        verdict="VALID",
        value=late,
        unit="s",
        words="stamped by the kernel; this process took 99 % of requests' reads within"
        f" {format_duration(late * NS_PER_S)} of arrival, which moves no stamp",
    )


def _coalescing(e: Evidence) -> Check | None:
    share = e.summary.coalesced
    if share is None:
        return None
    verdict = _graded(share, 0.05, 0.25)
    return Check(
        name="coalesced reads",
        verdict=verdict,
        value=share,
        unit="ratio",
        words=f"{share:.1%} of token events shared a network read with another",
        remedy=""
        if verdict == "VALID"
        else "their own arrival is only bounded: judge by TPOT, not by gaps",
        metrics=() if verdict == "VALID" else _GAPS,
    )


def _granularity(e: Evidence) -> Check | None:
    tokens = e.summary.granularity
    if tokens is None or tokens <= 1.05:
        return None
    return Check(
        name="stream granularity",
        verdict="WARN",
        value=tokens,
        unit="ratio",
        words=f"{tokens:.2f} tokens an event: gaps are between events, not tokens",
        remedy="inter-token percentiles are withheld; use TPOT",
        metrics=_GAPS,
    )


def _not_streamed(e: Evidence) -> Check | None:
    n = e.summary.outcomes["ok"]
    if not n or e.summary.bursts / n <= 0.05:
        return None
    return Check(
        name="not streamed",
        verdict="INVALID",
        value=e.summary.bursts / n,
        unit="ratio",
        words=f"{e.summary.bursts} of {n} answers came in one burst: TTFT is then the time of the whole answer",
        remedy="a proxy or the server buffers the stream; measure with --no-stream if that is intended",
        metrics=("ttft", "ttfvt", "tpot", "decode_speed", *_GAPS),
    )


def _censoring(e: Evidence) -> Check | None:
    planned = e.counts.planned - e.counts.withheld
    cut = 1.0 - e.summary.outcomes["ok"] / planned if planned else 0.0
    if cut <= 0:
        return None
    verdict = _graded(cut, 0.01, 0.05)
    return Check(
        name="failed or unsent",
        verdict=verdict,
        value=cut,
        unit="ratio",
        words=f"{cut:.1%} of the planned requests did not succeed and are in no latency",
        remedy=""
        if verdict == "VALID"
        else "latency of the rest only flatters: read it beside the failures",
        metrics=() if verdict == "VALID" else _SPEED,
    )


def _retransmits(e: Evidence) -> Check | None:
    column = e.summary.columns["retransmits"].sorted()
    share = float((column > 0).mean()) if len(column) else 0.0
    if share <= 0.01:
        return None
    return Check(
        name="retransmits",
        verdict=_graded(share, 0.01, 0.05),
        value=share,
        unit="ratio",
        words=f"{share:.1%} of requests saw TCP retransmissions",
        remedy="the network loses packets: latencies are its, not the server's",
        metrics=(*_SPEED, *_GAPS),
    )


CHECKS: tuple[Callable[[Evidence], Check | None], ...] = (
    _books,
    _lost_worker,
    _sample_size,
    _slip,
    _rate,
    _lateness,
    _coalescing,
    _granularity,
    _not_streamed,
    _censoring,
    _retransmits,
)


def verdict_of(metric: str, checks: tuple[Check, ...]) -> tuple[Verdict, tuple[str, ...]]:
    """A metric's verdict, and the words of the checks that made it."""
    touching = [
        c for c in checks if c.verdict != "VALID" and (metric in c.metrics or "*" in c.metrics)
    ]
    return worst([c.verdict for c in touching]), tuple(c.words for c in touching)
