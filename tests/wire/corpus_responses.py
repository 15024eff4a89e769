"""Streams of OpenAI's Responses API as its reference describes them, written by hand."""

import json
from typing import Any

USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 11,
    "output_tokens_details": {"reasoning_tokens": 6},
    "total_tokens": 31,
}


def event(name: str, **fields: Any) -> bytes:  # noqa: ANN401 - JSON
    """One named event."""
    return f"event: {name}\ndata: {json.dumps({'type': name, 'sequence_number': 1, **fields})}\n\n".encode()


def response(status: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The response object."""
    return {
        "id": "resp_1",
        "object": "response",
        "model": "g",
        "status": status,
        "output": [],
        "error": None,
        **fields,
    }


BEGIN = event("response.created", response=response("in_progress")) + event(
    "response.in_progress", response=response("in_progress")
)
TEXT = (
    BEGIN
    + event(
        "response.output_item.added",
        output_index=0,
        item={"type": "message", "role": "assistant", "content": []},
    )
    + event("response.content_part.added", part={"type": "output_text", "text": ""})
    + event("response.output_text.delta", delta="Hel")
    + event("response.output_text.delta", delta="lo")
    + event("response.output_text.done", text="Hello")
    + event(
        "response.output_item.done",
        item={"type": "message", "content": [{"type": "output_text", "text": "Hello"}]},
    )
    + event("response.completed", response=response("completed", usage=USAGE))
)
REASONING = (
    BEGIN
    + event("response.reasoning_summary_text.delta", delta="Think")
    + event("response.reasoning_text.delta", delta="ing")
    + event("response.output_text.delta", delta="42")
    + event(
        "response.incomplete",
        response=response(
            "incomplete", incomplete_details={"reason": "max_output_tokens"}, usage=USAGE
        ),
    )
)
TOOL = (
    BEGIN
    + event(
        "response.output_item.added", item={"type": "function_call", "name": "f", "arguments": ""}
    )
    + event("response.function_call_arguments.delta", delta='{"a"')
    + event("response.function_call_arguments.delta", delta=":1}")
    + event("response.completed", response=response("completed", usage=USAGE))
)
FAILED = (
    BEGIN
    + event("response.output_text.delta", delta="a")
    + event(
        "response.failed",
        response=response("failed", error={"code": "server_error", "message": "boom"}),
    )
)
ERROR = BEGIN + event("error", code="rate_limit_exceeded", message="slow down", param=None)
REFUSED = (
    BEGIN
    + event("response.refusal.delta", delta="I can't")
    + event("response.completed", response=response("completed", usage=USAGE))
)

CORPUS = {
    "text": TEXT,
    "reasoning": REASONING,
    "tool": TOOL,
    "failed": FAILED,
    "error": ERROR,
    "refused": REFUSED,
    "cut": TEXT[: len(TEXT) // 2],
}
