"""Anthropic's streams as its documentation describes them, written by hand."""

import json
from typing import Any


def event(name: str, **fields: Any) -> bytes:  # noqa: ANN401 - JSON
    """One named event."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields}, ensure_ascii=False)}\n\n".encode()


def start(**usage: int) -> bytes:
    """The beginning of a message."""
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [],
        "stop_reason": None,
        "usage": usage,
    }
    return event("message_start", message=message)


def delta(kind: str, key: str, text: str, index: int = 0) -> bytes:
    """A piece of a content block."""
    return event("content_block_delta", index=index, delta={"type": kind, key: text})


def block(kind: str, index: int = 0, **fields: Any) -> bytes:  # noqa: ANN401 - JSON
    """The beginning of a content block."""
    return event("content_block_start", index=index, content_block={"type": kind, **fields})


def end(reason: str, **usage: int) -> bytes:
    """The end of a message."""
    return event(
        "message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage
    ) + event("message_stop")


TEXT = (
    start(
        input_tokens=25, cache_read_input_tokens=10, cache_creation_input_tokens=5, output_tokens=1
    )
    + block("text", text="")
    + event("ping")
    + delta("text_delta", "text", "Hel")
    + delta("text_delta", "text", "lo 漢")
    + event("content_block_stop", index=0)
    + end("end_turn", output_tokens=15)
)
THINKING = (
    start(input_tokens=7, output_tokens=1)
    + block("thinking", thinking="", signature="")
    + delta("thinking_delta", "thinking", "Let me")
    + delta("signature_delta", "signature", "EqQBCgIYAhIM")
    + event("content_block_stop", index=0)
    + block("text", 1, text="")
    + delta("text_delta", "text", "42", 1)
    + event("content_block_stop", index=1)
    + end("max_tokens", output_tokens=9)
)
TOOL = (
    start(input_tokens=7, output_tokens=1)
    + block("tool_use", id="toolu_1", name="get_weather", input={})
    + delta("input_json_delta", "partial_json", "")
    + delta("input_json_delta", "partial_json", '{"location"')
    + delta("input_json_delta", "partial_json", ': "Paris"}')
    + event("content_block_stop", index=0)
    + end("tool_use", output_tokens=20)
)
OVERLOADED = (
    start(input_tokens=7, output_tokens=1)
    + delta("text_delta", "text", "a")
    + event("error", error={"type": "overloaded_error", "message": "Overloaded"})
)
REFUSED = (
    start(input_tokens=7)
    + block("text", text="")
    + delta("text_delta", "text", "I")
    + end("refusal", output_tokens=1)
)
CUT = TEXT[: len(TEXT) * 2 // 3]

CORPUS = {
    "text": TEXT,
    "thinking": THINKING,
    "tool": TOOL,
    "overloaded": OVERLOADED,
    "refused": REFUSED,
    "cut": CUT,
}
