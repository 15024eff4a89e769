"""What it means that a connection was closed before the head of an answer was whole."""

from llm_latency_lens.model.recording import EndKind


def closed_unanswered(
    kind: EndKind, detail: str, *, reused: bool, began: bool
) -> tuple[EndKind, str]:
    """The ending of a connection that was closed before the head of an answer was whole."""
    if kind not in (EndKind.RESET, EndKind.TRUNCATED):
        return kind, detail
    if reused and not began:
        return EndKind.STALE_CONNECTION, detail or "the kept connection was closed"
    where = "within the head of the answer" if began else "without a byte of an answer"
    return kind, f"{detail or 'the connection was closed'} {where}"
