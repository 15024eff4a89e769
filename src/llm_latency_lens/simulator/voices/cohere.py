"""Cohere's Chat, version 2."""

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
PING = b": ping\n\n"
END = b""
_FINISH = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}
_FIELD = {"text": "text", "reasoning": "thinking"}


class _Body(Struct):
    messages: Messages
    model: str | None = None
    stream: bool = False
    max_tokens: int | None = None
    tools: Messages | None = None


def read(body: bytes, at: Address) -> Asked:
    """Read a request."""
    asked = read_body(body, _Body)
    return Asked(
        model=model_of(at.model or asked.model),
        stream=asked.stream,
        limit=limit_of(asked.max_tokens),
        prompt_tokens=words_in(asked.messages),
        offers_tools=bool(asked.tools),
    )


def opening(told: Told) -> bytes:
    """The role alone."""
    message: dict[str, object] = {"role": "assistant", "content": [], "tool_plan": ""}
    lists: dict[str, object] = {"tool_calls": [], "citations": []}
    delta = {"message": {**message, **lists}}
    return sse({"id": told.id, "type": "message-start", "delta": delta}, "message-start")


def piece(told: Told, token: Piece) -> bytes:
    """One token; its block's beginning, and the end of the block before, where it is the first of one."""
    index = told.kinds.index(token.kind)
    before = _block_end(told, index - 1) if token.begins and index else b""
    if token.kind == "tool":
        call = {"function": {"arguments": token.word}}
        begin = _event("tool-call-start", index, tool_calls=_call(told, ""))
        return (
            before
            + (begin if token.begins else b"")
            + _event("tool-call-delta", index, tool_calls=call)
        )
    field = _FIELD[token.kind]
    begin = _event("content-start", index, content={"type": field, field: ""})
    delta = _event("content-delta", index, content={field: token.word})
    return before + (begin if token.begins else b"") + delta


def closing(told: Told, elapsed: int) -> bytes:  # noqa: ARG001 - this language tells no times
    """The last block's end, the finish reason and the usage."""
    delta = {"finish_reason": _FINISH[told.finish], "usage": _usage(told)}
    end = sse({"type": "message-end", "id": told.id, "delta": delta}, "message-end")
    return _block_end(told, len(told.kinds) - 1) + end


def document(told: Told, elapsed: int) -> object:  # noqa: ARG001 - this language tells no times
    """The whole answer."""
    content = [
        {"type": _FIELD[kind], _FIELD[kind]: told.text(kind)}
        for kind in told.kinds
        if kind != "tool"
    ]
    calls = [_call(told, told.text("tool"))] if told.calls_tool else None
    return {
        "id": told.id,
        "finish_reason": _FINISH[told.finish],
        "message": {"role": "assistant", "content": content, "tool_calls": calls},
        "usage": _usage(told),
    }


def failure(status: int, message: str) -> object:  # noqa: ARG001 - no status in it
    """The body of an error status."""
    return {"id": "sim-error", "message": message}


def trouble(message: str) -> bytes:
    """An error inside a stream."""
    delta = {"finish_reason": "ERROR", "error": message}
    return sse({"type": "message-end", "id": "sim-error", "delta": delta}, "message-end")


def _event(name: str, index: int, **message: object) -> bytes:
    return sse({"type": name, "index": index, "delta": {"message": message}}, name)


def _block_end(told: Told, index: int) -> bytes:
    name = "tool-call-end" if told.kinds[index] == "tool" else "content-end"
    return sse({"type": name, "index": index}, name)


def _call(told: Told, arguments: str) -> dict[str, object]:
    function = {"name": TOOL_NAME, "arguments": arguments}
    return {"id": f"call_{told.id}", "type": "function", "function": function}


def _usage(told: Told) -> dict[str, object]:
    counted = {"input_tokens": told.asked.prompt_tokens, "output_tokens": told.output_tokens}
    return {"billed_units": counted, "tokens": counted, "cached_tokens": told.cached}
