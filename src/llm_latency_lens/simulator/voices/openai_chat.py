"""OpenAI's Chat Completions."""

from typing import Any

from msgspec import Struct

from llm_latency_lens.simulator.asked import (
    Address,
    Asked,
    Messages,
    limit_of,
    model_of,
    read_body,
    words_in,
)
from llm_latency_lens.simulator.told import CREATED, FINGERPRINT, TOOL_NAME, Piece, Told
from llm_latency_lens.simulator.voices.events import sse

STREAM_TYPE = "text/event-stream"
NUMBERED = False
PING = b": ping\n\n"
END = b"data: [DONE]\n\n"


class _Body(Struct):
    messages: Messages
    model: str | None = None
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    tools: Messages | None = None


def read(body: bytes, at: Address) -> Asked:
    """Read a chat request."""
    asked = read_body(body, _Body)
    limit = asked.max_completion_tokens if asked.max_tokens is None else asked.max_tokens
    return Asked(
        model=model_of(at.model or asked.model),
        stream=asked.stream,
        limit=limit_of(limit),
        prompt_tokens=words_in(asked.messages),
        # Mistral's streams end with the usage without being asked, and can't be asked.
        include_usage=at.vendor == "mistral" or _wants_usage(asked.stream_options),
        offers_tools=bool(asked.tools),
    )


def _wants_usage(options: dict[str, Any] | None) -> bool:
    return bool((options or {}).get("include_usage"))


def opening(told: Told) -> bytes:
    """The role alone."""
    return _chunk(told, {"role": "assistant", "content": ""})


def piece(told: Told, token: Piece) -> bytes:
    """One token."""
    if token.kind == "tool":
        return _chunk(told, {"tool_calls": [_call(told, token.word, begins=token.begins)]})
    name = "reasoning_content" if token.kind == "reasoning" else "content"
    return _chunk(told, {name: token.word})


def closing(told: Told, elapsed: int) -> bytes:  # noqa: ARG001 - this language tells no times
    """The finish reason, the usage if it was asked for, the end marker."""
    usage = {**_frame(told), "choices": [], "usage": _usage(told)}
    return _chunk(told, {}, told.finish) + (sse(usage) if told.asked.include_usage else b"") + END


def document(told: Told, elapsed: int) -> object:  # noqa: ARG001 - this language tells no times
    """The whole answer."""
    message: dict[str, object] = {"role": "assistant", "content": told.text("text") or None}
    if told.thinking:
        message["reasoning_content"] = told.text("reasoning")
    if told.calls_tool:
        message["tool_calls"] = [_call(told, told.text("tool"), begins=True)]
    choice = {"index": 0, "message": message, "finish_reason": told.finish}
    frame = {**_frame(told), "object": "chat.completion"}
    return {**frame, "choices": [choice], "usage": _usage(told)}


def failure(status: int, message: str) -> object:
    """The body of an error status."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def trouble(message: str) -> bytes:
    """An error inside a stream."""
    return sse(failure(500, message))


def _frame(told: Told) -> dict[str, object]:
    return {
        "id": told.id,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": told.asked.model,
        "system_fingerprint": FINGERPRINT,
    }


def _chunk(told: Told, delta: dict[str, Any], finish: str | None = None) -> bytes:
    return sse({**_frame(told), "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _call(told: Told, arguments: str, *, begins: bool) -> dict[str, object]:
    named: dict[str, object] = {"id": f"call_{told.id}", "type": "function"} if begins else {}
    name = {"name": TOOL_NAME} if begins else {}
    return {"index": 0, **named, "function": {**name, "arguments": arguments}}


def _usage(told: Told) -> dict[str, object]:
    prompt, output = told.asked.prompt_tokens, told.output_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": told.cached},
        "completion_tokens_details": {"reasoning_tokens": told.thinking},
    }
