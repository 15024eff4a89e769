"""Q8: what the granularity and the delivery of the stream allow the run to say."""

import numpy as np

from llm_latency_lens.metrics.checks.effect import without
from llm_latency_lens.metrics.checks.evidence import (
    GAPS,
    THROUGHPUT,
    Evidence,
    budget,
    graded,
    worst,
)
from llm_latency_lens.metrics.definitions import COUNTS, resting_on
from llm_latency_lens.metrics.delivery import Deliveries
from llm_latency_lens.model.result import Check
from llm_latency_lens.stats.quantiles import minimum_samples
from llm_latency_lens.units import NS_PER_S, format_duration

_FIRST_TOKEN = ("ttft", "ttft_from_intended", "ttfvt", "ttfe")
_OURS = 0.05
"""A smaller share of the events that share a read is not this client's doing."""
_DIRECT = "send to the server's own port"


def unknown_finish(e: Evidence) -> Check | None:
    """Answers counted as successes though nobody knows what their finish reason means."""
    words = e.summary.unknown_finishes
    ok = e.summary.outcomes["ok"]
    if not words or not ok:
        return None
    count = words.total()
    share = count / ok
    shown = ", ".join(f'"{word}" ({number:,})' for word, number in words.most_common(3))
    effect = without(e, np.frombuffer(e.summary.unknown_finish, np.bool_))
    moved = ""
    if effect.bound is not None:
        moved = f"; without these answers percentiles move by up to {_time(effect.bound)}"
    return Check(
        id="Q8",
        name="finish reasons",
        verdict=worst(["WARN", effect.verdict]),
        value=share,
        unit="ratio",
        words=f"{count:,} of {ok:,} successful answers ended with a finish reason that is not in"
        f" the table of the API: {shown}. If it means a failure, {share:.1%} of the successes are none"
        f"{moved}",
        remedy="ask the provider what it means; `analyze --where` judges the others by themselves",
        metrics=(*effect.metrics, THROUGHPUT, "goodput"),
        bound=effect.bound,
    )


def coalescing(e: Evidence) -> Check | None:
    """Token events that shared a network read, and whether the peer or this client is the cause."""
    share = e.summary.coalesced
    if share is None:
        return None
    verdict = graded(share, 0.05, 0.25)
    deliveries = e.summary.deliveries
    late = deliveries.read_late / max(deliveries.shared, 1)
    return Check(
        id="Q8",
        name="coalesced reads",
        verdict=verdict,
        value=share,
        unit="ratio",
        words=f"{share:.1%} of token events shared a network read with another:"
        f" {share * (1 - late):.1%} were sent together by the peer,"
        f" {share * late:.1%} were read late by this client",
        remedy=""
        if verdict == "VALID"
        else "TPOT, where it is valid, does not depend on single gaps",
        metrics=() if verdict == "VALID" else GAPS if late > _OURS else ("itl",),
    )


def granularity(e: Evidence) -> Check | None:
    """More tokens than events, or fewer."""
    tokens = e.summary.granularity
    if tokens is None or 0.95 <= tokens <= 1.05:
        return None
    words = f"{tokens:.2f} tokens an event: gaps are between events, not tokens"
    remedy = "inter-token percentiles are withheld; TPOT, where it is valid, needs none"
    if tokens < 1.0:
        words = f"{tokens:.2f} tokens an event: the server counts fewer tokens than it sent pieces"
        remedy = "ask the provider what it counts: all numbers per token, and cost, go by its count"
    return Check(
        id="Q8",
        name="stream granularity",
        verdict="WARN" if tokens > 1.0 else graded(1.0 - tokens, 0.05, 0.25),
        value=tokens,
        unit="ratio",
        words=words,
        remedy=remedy,
        metrics=("itl",) if tokens > 1.0 else resting_on(*COUNTS),
    )


def buffered_delivery(e: Evidence) -> Check | None:
    """Answers whose tokens arrived all together: the time of the first one was not seen."""
    d = e.summary.deliveries
    if not d.whole:
        return None
    share = d.whole / d.answers
    return Check(
        id="Q8",
        name="buffered delivery",
        verdict="INVALID" if share > 0.05 else "WARN",
        value=share,
        unit="ratio",
        words=f"{d.whole} of {d.answers} answers were delivered whole: all tokens within"
        f" {_time(d.whole_span)} after {_time(d.whole_ttft)} (medians). Their TTFT is the time of"
        f" the whole answer, and their TPOT says nothing about the server; {_cause(d)}",
        remedy=f"e2e holds; for TTFT {_remedy(d)}",
        metrics=(*_FIRST_TOKEN, "tpot", "decode_speed", *GAPS),
    )


def delayed_first_token(e: Evidence) -> Check | None:
    """First tokens that waited for the next ones: several in one read, sent together."""
    d = e.summary.deliveries
    if not d.held:
        return None
    # A late server's few answers look alike and move p99 alone; what stands between moves p50 or p95.
    known = [p for p in (0.5, 0.95) if len(d.ttft) >= minimum_samples(p)] or [0.5]
    late = {p: (d.ttft.quantile(p) or 0.0) - (d.unheld.quantile(p) or 0.0) for p in known}
    p, seconds = max(late.items(), key=lambda item: item[1])
    verdict = graded(seconds, budget(e.metrics.get("ttft")), 5 * budget(e.metrics.get("ttft")))
    if verdict == "VALID":
        return None
    return Check(
        id="Q8",
        name="delayed first token",
        verdict=verdict,
        value=seconds,
        unit="s",
        words=f"{d.held} of {d.answers} answers began with {d.held_events:.0f} token events sent"
        f" together (median). Either one step of the server makes several tokens, or the first"
        f" token waited for the others: then, at the pace of the rest, the p{100 * p:.3g} of TTFT"
        f" may be late by about {_time(seconds)}; {_cause(d)}",
        remedy=_remedy(d),
        metrics=_FIRST_TOKEN,
    )


def _cause(d: Deliveries) -> str:
    if not d.via:
        return "what holds the tokens is not known: no response header names an intermediary"
    ((who, _),) = d.via.most_common(1)
    return f"{who} stands between and may be buffering"


def _remedy(d: Deliveries) -> str:
    if not d.via:
        return f"{_DIRECT} and compare: if it streams there, what lies between buffers"
    return f"turn off response buffering there (nginx: proxy_buffering off), or {_DIRECT}"


def _time(seconds: float) -> str:
    return format_duration(seconds * NS_PER_S)
