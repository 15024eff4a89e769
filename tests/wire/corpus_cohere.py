"""Cohere's streams (API version 2) as its documentation describes them, written by hand."""

import json
from typing import Any


def event(name: str, **fields: Any) -> bytes:  # noqa: ANN401 - JSON
    """One named event."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields}, ensure_ascii=False)}\n\n".encode()


def message(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A delta of the message."""
    return {"message": fields}


START = event("message-start", id="c1", delta=message(role="assistant", content=[]))
USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 3},
    "tokens": {"input_tokens": 71, "output_tokens": 3},
    "cached_tokens": 16,
}
END = event("message-end", delta={"finish_reason": "COMPLETE", "usage": USAGE})
TEXT = (
    START
    + event("content-start", index=0, delta=message(content={"type": "text", "text": ""}))
    + event("content-delta", index=0, delta=message(content={"text": "Hel"}))
    + event("content-delta", index=0, delta=message(content={"text": "lo 漢"}))
    + event("content-end", index=0)
    + event("citation-start", index=0, delta=message(citations={"start": 0}))
    + END
)
THINKING = (
    START
    + event("content-delta", index=0, delta=message(content={"thinking": "hm"}))
    + event("content-delta", index=1, delta=message(content={"text": "42"}))
    + event("message-end", delta={"finish_reason": "MAX_TOKENS", "usage": USAGE})
    + b"data: [DONE]\n\n"
)
TOOL = (
    START
    + event("tool-plan-delta", delta=message(tool_plan="I will"))
    + event(
        "tool-call-start",
        index=0,
        delta=message(tool_calls={"id": "t", "function": {"name": "f", "arguments": ""}}),
    )
    + event(
        "tool-call-delta", index=0, delta=message(tool_calls={"function": {"arguments": '{"a":1}'}})
    )
    + event("tool-call-end", index=0)
    + event("message-end", delta={"finish_reason": "TOOL_CALL", "usage": USAGE})
)
FAILED = START + event("message-end", delta={"finish_reason": "ERROR", "error": "boom"})

CORPUS = {
    "text": TEXT,
    "thinking": THINKING,
    "tool": TOOL,
    "failed": FAILED,
    "cut": TEXT[: len(TEXT) // 2],
}
