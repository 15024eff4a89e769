"""Q9: did the network lose packets, and were connections alike?"""

import numpy as np

from llm_latency_lens.metrics.checks.effect import largest_shift, shifts_of, values_of, without
from llm_latency_lens.metrics.checks.evidence import FROM_INTENDED, QUEUE, Evidence
from llm_latency_lens.model.result import Check
from llm_latency_lens.units import NS_PER_S, format_duration


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
    new, reused = e.summary.new_connections, e.summary.reused_connections
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
