"""Anthropic's Messages."""

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
from llm_latency_lens.simulator.told import TOOL_NAME, Piece, Told
from llm_latency_lens.simulator.voices.events import sse

STREAM_TYPE = "text/event-stream"
NUMBERED = False
PING = sse({"type": "ping"}, "ping")
END = sse({"type": "message_stop"}, "message_stop")
_FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_DELTA = {
    "text": ("text_delta", "text"),
    "reasoning": ("thinking_delta", "thinking"),
    "tool": ("input_json_delta", "partial_json"),
}
_SIGNATURE = "c2lnbmF0dXJl"


class _Body(Struct):
    messages: Messages
    max_tokens: int
    model: str | None = None
    stream: bool = False
    system: str | Messages = ""
    tools: Messages | None = None


def read(body: bytes, at: Address) -> Asked:
    """Read a request."""
    asked = read_body(body, _Body)
    system = words_in(asked.system) if asked.system else 0
    return Asked(
        model=model_of(at.model or asked.model),
        stream=asked.stream,
        limit=limit_of(asked.max_tokens),
        prompt_tokens=system + words_in(asked.messages),
        offers_tools=bool(asked.tools),
    )


def opening(told: Told) -> bytes:
    """The message's beginning, with the input's usage."""
    message = {**_message(told), "content": [], "stop_reason": None, "usage": _usage(told, 1)}
    return _event("message_start", message=message)


def piece(told: Told, token: Piece) -> bytes:
    """One token; its block's beginning, and the end of the block before, where it is the first of one."""
    index = told.kinds.index(token.kind)
    name, field = _DELTA[token.kind]
    delta = _event("content_block_delta", index=index, delta={"type": name, field: token.word})
    if not token.begins:
        return delta
    before = _block_end(told, index - 1) if index else b""
    block = _block(told, token.kind, "")
    begin = _event("content_block_start", index=index, content_block=block)
    return before + begin + (b"" if index else PING) + delta


def closing(told: Told, elapsed: int) -> bytes:  # noqa: ARG001 - this language tells no times
    """The last block's end, why it stopped, what it counted, the end."""
    delta = {"stop_reason": _FINISH[told.finish], "stop_sequence": None}
    usage = {"output_tokens": told.output_tokens}
    end = _event("message_delta", delta=delta, usage=usage)
    return _block_end(told, len(told.kinds) - 1) + end + END


def document(told: Told, elapsed: int) -> object:  # noqa: ARG001 - this language tells no times
    """The whole message."""
    return {
        **_message(told),
        "content": [_block(told, kind, told.text(kind)) for kind in told.kinds],
        "stop_reason": _FINISH[told.finish],
        "usage": _usage(told, told.output_tokens),
    }


def failure(status: int, message: str) -> object:
    """The body of an error status."""
    kinds = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


def trouble(message: str) -> bytes:
    """An error inside a stream."""
    return sse(
        {"type": "error", "error": {"type": "overloaded_error", "message": message}}, "error"
    )


def _event(name: str, **fields: object) -> bytes:
    return sse({"type": name, **fields}, name)


def _message(told: Told) -> dict[str, object]:
    return {
        "id": told.id,
        "type": "message",
        "role": "assistant",
        "model": told.asked.model,
        "stop_sequence": None,
    }


def _block(told: Told, kind: str, text: str) -> dict[str, object]:
    if kind == "reasoning":
        return {"type": "thinking", "thinking": text, "signature": _SIGNATURE if text else ""}
    if kind == "tool":
        found = {"words": text.removeprefix('{"words": "').removesuffix('"}')}
        held = found if text and text != "{}" else {}
        return {"type": "tool_use", "id": f"toolu_{told.id}", "name": TOOL_NAME, "input": held}
    return {"type": "text", "text": text}


def _block_end(told: Told, index: int) -> bytes:
    signature = {"type": "signature_delta", "signature": _SIGNATURE}
    signed = (
        _event("content_block_delta", index=index, delta=signature)
        if told.kinds[index] == "reasoning"
        else b""
    )
    return signed + _event("content_block_stop", index=index)


def _usage(told: Told, output: int) -> dict[str, object]:
    return {
        "input_tokens": told.asked.prompt_tokens - told.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": told.cached,
        "output_tokens": output,
    }
