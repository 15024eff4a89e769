"""Q8: what the stream's granularity allows to be said."""

from llm_latency_lens.metrics.checks.evidence import GAPS, Evidence, graded
from llm_latency_lens.model.result import Check


def coalescing(e: Evidence) -> Check | None:
    """Token events that shared a network read."""
    share = e.summary.coalesced
    if share is None:
        return None
    verdict = graded(share, 0.05, 0.25)
    return Check(
        id="Q8", name="coalesced reads", verdict=verdict, value=share, unit="ratio",
        words=f"{share:.1%} of token events shared a network read with another",
        remedy="" if verdict == "VALID" else "their own arrival is only bounded: judge by TPOT, not by gaps",
        metrics=() if verdict == "VALID" else GAPS,
    )  # fmt: skip


def granularity(e: Evidence) -> Check | None:
    """More tokens than events, or fewer."""
    tokens = e.summary.granularity
    if tokens is None or 0.95 <= tokens <= 1.05:
        return None
    words = f"{tokens:.2f} tokens an event: gaps are between events, not tokens"
    remedy = "inter-token percentiles are withheld; use TPOT"
    if tokens < 1.0:
        words = f"{tokens:.2f} tokens an event: the server counts fewer tokens than it sent pieces"
        remedy = "ask the provider what it counts; TPOT and cost go by its count"
    return Check(
        id="Q8", name="stream granularity", verdict="WARN", value=tokens, unit="ratio", words=words,
        remedy=remedy, metrics=GAPS if tokens > 1.0 else (*GAPS, "tpot", "decode_speed"),
    )  # fmt: skip


def not_streamed(e: Evidence) -> Check | None:
    """Answers that came in one burst at their end."""
    n = e.summary.outcomes["ok"]
    if not n or e.summary.bursts / n <= 0.05:
        return None
    return Check(
        id="Q8", name="not streamed", verdict="INVALID", value=e.summary.bursts / n, unit="ratio",
        words=f"{e.summary.bursts} of {n} answers came in one burst: TTFT is then the time of the whole answer",
        remedy="a proxy or the server buffers the stream; measure with --no-stream if that is intended",
        metrics=("ttft", "ttfvt", "tpot", "decode_speed", *GAPS),
    )  # fmt: skip
