"""Q9: did the network lose packets, and were connections alike?"""

import numpy as np

from llm_latency_lens.metrics.checks.effect import largest_shift, shifts_of, values_of, without
from llm_latency_lens.metrics.checks.evidence import (
    FROM_INTENDED,
    QUEUE,
    THROUGHPUT,
    Evidence,
    graded,
)
from llm_latency_lens.model.result import Check
from llm_latency_lens.units import NS_PER_S, format_duration

_MANY_UNASKED = 0.01
_LEFT_OPEN = 0.1
"""Seconds for which the end of a response is waited for behind that of its stream."""


def retransmits(e: Evidence) -> Check | None:
    """Requests whose connection had to send segments again."""
    again = values_of(e, "retransmits") > 0
    share = float(again.mean()) if len(again) else 0.0
    effect = without(e, again)
    if share <= 0.01 or effect.bound is None:
        return None
    return Check(
        id="Q9",
        name="retransmits",
        verdict=effect.verdict,
        value=share,
        unit="ratio",
        words=f"{share:.1%} of requests saw TCP retransmissions: without them percentiles move by up to"
        f" {format_duration(effect.bound * NS_PER_S)}",
        remedy="the network between here and the server loses packets: measure from nearer by",
        metrics=effect.metrics,
        bound=effect.bound,
    )


def connections(e: Evidence) -> Check | None:
    """New and reused connections in one distribution of times that include connecting."""
    new, reused = e.summary.connections.new, e.summary.connections.reused
    if not new or not reused:
        return None
    connecting = np.nan_to_num(values_of(e, "connect"))
    shifts = {
        name: largest_shift(values, values - connecting)
        for name in (*FROM_INTENDED, QUEUE)
        for values in (values_of(e, name),)
    }
    effect = shifts_of(e, shifts)
    if effect.bound is None:
        return None
    return Check(
        id="Q9",
        name="mixed connections",
        verdict="WARN",
        value=min(new, reused) / (new + reused),
        unit="ratio",
        words=f"{new:,} requests opened a connection, {reused:,} reused one: connecting moves percentiles"
        f" from the intended start by up to {format_duration(effect.bound * NS_PER_S)}",
        remedy="open connections beforehand (--warmup), or judge by TTFT and e2e, which begin when the"
        " request is sent",
        metrics=effect.metrics,
        bound=effect.bound,
    )


def unasked(e: Evidence) -> Check | None:
    """Answers that nobody asked for: which of two was the right one is not known."""
    count, ok = e.summary.connections.unasked, e.summary.outcomes["ok"]
    if not count or not ok:
        return None
    share = min(count / ok, 1.0)
    return Check(
        id="Q9",
        name="unasked answers",
        verdict="INVALID" if share > _MANY_UNASKED else "WARN",
        value=share,
        unit="ratio",
        words=f"{count:,} answers came that nobody asked for: as many of the {ok:,} successful ones"
        f" ({share:.1%}) may be answers to other requests",
        remedy="a server or gateway answers out of order or twice: report it to its makers",
        metrics=("*",),
        size="unknown",
    )


def left_open(e: Evidence) -> Check | None:
    """A slot of a closed loop waits a tenth of a second where an answer's connection is left open."""
    count, busy = e.summary.flags["left_open"], e.summary.time_under_way
    if not count or not busy or e.planned_rate is not None:
        return None
    share = count * _LEFT_OPEN / busy
    verdict = graded(share, 0.01, 0.25)
    output = e.summary.timeline.throughput().output_tokens
    if verdict == "VALID":
        return None
    return Check(
        id="Q9",
        name="connections left open",
        verdict=verdict,
        value=share,
        unit="ratio",
        words=f"{count:,} answers left their connection open after the stream's end: the next request"
        f" waited {format_duration(_LEFT_OPEN * NS_PER_S)} for it, which takes {share:.1%} of the"
        " slots' time from the throughput",
        remedy="have the server or gateway end its responses; or send at a rate (--rate)",
        metrics=(THROUGHPUT,),
        bound=None if output is None else output * share / max(1.0 - share, 1e-9),
    )
