"""Q9: did the network lose packets, and were connections alike?"""

from llm_latency_lens.metrics.checks.evidence import (
    FROM_INTENDED,
    GAPS,
    SPEED,
    Evidence,
    graded,
)
from llm_latency_lens.model.result import Check


def retransmits(e: Evidence) -> Check | None:
    """Requests whose connection had to send segments again."""
    column = e.summary.columns["retransmits"].sorted()
    share = float((column > 0).mean()) if len(column) else 0.0
    if share <= 0.01:
        return None
    return Check(
        id="Q9", name="retransmits", verdict=graded(share, 0.01, 0.05), value=share, unit="ratio",
        words=f"{share:.1%} of requests saw TCP retransmissions",
        remedy="the network loses packets: latencies are its, not the server's",
        metrics=(*SPEED, *GAPS),
    )  # fmt: skip


def connections(e: Evidence) -> Check | None:
    """Cold and warm connections in one pot."""
    new, kept = e.summary.new_connections, e.summary.reused_connections
    share = min(new, kept) / (new + kept) if new + kept else 0.0
    if share <= 0.05:
        return None
    return Check(
        id="Q9", name="mixed connections", verdict="WARN", value=share, unit="ratio",
        words=f"{new:,} requests opened a connection, {kept:,} did not: two kinds in one latency from the intended start",
        remedy="open them beforehand (--warmup), or judge by TTFT, which begins when the request is sent",
        metrics=FROM_INTENDED,
    )  # fmt: skip
