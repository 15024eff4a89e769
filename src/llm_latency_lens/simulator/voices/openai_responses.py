"""OpenAI's Responses."""

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
from llm_latency_lens.simulator.told import CREATED, TOOL_NAME, Piece, Told
from llm_latency_lens.simulator.voices.events import sse

STREAM_TYPE = "text/event-stream"
NUMBERED = True
PING = b": ping\n\n"
END = b""
_DELTA = {
    "text": "response.output_text.delta",
    "reasoning": "response.reasoning_summary_text.delta",
    "tool": "response.function_call_arguments.delta",
}
_BEFORE_TOKENS = 2
_A_BLOCK_BEGINS = 2


class _Body(Struct):
    input: str | Messages
    model: str | None = None
    stream: bool = False
    max_output_tokens: int | None = None
    tools: Messages | None = None


def read(body: bytes, at: Address) -> Asked:
    """Read a request."""
    asked = read_body(body, _Body)
    return Asked(
        model=model_of(at.model or asked.model),
        stream=asked.stream,
        limit=limit_of(asked.max_output_tokens),
        prompt_tokens=words_in(asked.input),
        offers_tools=bool(asked.tools),
    )


def opening(told: Told) -> bytes:
    """Created, and in progress."""
    response = _response(told, "in_progress", [], None)
    return _event("response.created", 0, response=response) + _event(
        "response.in_progress", 1, response=response
    )


def piece(told: Told, token: Piece) -> bytes:
    """One token; the item before it, where it is the first of one."""
    index = told.kinds.index(token.kind)
    number = _BEFORE_TOKENS + token.index + _A_BLOCK_BEGINS * (2 * index + 1)
    delta = _event(_DELTA[token.kind], number, **_place(told, token.kind), delta=token.word)
    if not token.begins:
        return delta
    ended = _item_done(told, told.kinds[index - 1], number - 4) if index else b""
    item = _event(
        "response.output_item.added",
        number - 2,
        output_index=index,
        item=_item(told, token.kind, "", "in_progress"),
    )
    if token.kind != "text":
        return ended + item + delta
    part = _event(
        "response.content_part.added", number - 1, **_place(told, "text"), part=_text_part("")
    )
    return ended + item + part + delta


def closing(told: Told, elapsed: int) -> bytes:  # noqa: ARG001 - this language tells no times
    """The items' end and the whole response."""
    number = _BEFORE_TOKENS + told.output_tokens + _A_BLOCK_BEGINS * 2 * len(told.kinds)
    name = "response.incomplete" if told.finish == "length" else "response.completed"
    return _item_done(told, told.kinds[-1], number) + _event(
        name, number + 2, response=document(told, 0)
    )


def document(told: Told, elapsed: int) -> object:  # noqa: ARG001 - this language tells no times
    """The whole answer."""
    items = [_item(told, kind, told.text(kind), "completed") for kind in told.kinds]
    status = "incomplete" if told.finish == "length" else "completed"
    return _response(told, status, items, _usage(told))


def failure(status: int, message: str) -> object:
    """The body of an error status."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def trouble(message: str) -> bytes:
    """An error inside a stream."""
    return _event("error", 99, code="server_error", message=message, param=None)


def _event(name: str, number: int, **fields: object) -> bytes:
    return sse({"type": name, "sequence_number": number, **fields}, name)


def _response(
    told: Told, status: str, items: list[dict[str, Any]], usage: object
) -> dict[str, object]:
    incomplete = {"reason": "max_output_tokens"} if status == "incomplete" else None
    return {
        "id": told.id,
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": incomplete,
        "model": told.asked.model,
        "output": items,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
    }


def _place(told: Told, kind: str) -> dict[str, object]:
    place = {"item_id": _item_id(told, kind), "output_index": told.kinds.index(kind)}
    part = {"text": "content_index", "reasoning": "summary_index"}.get(kind)
    return {**place, part: 0} if part else {**place}


def _item_id(told: Told, kind: str) -> str:
    return f"item-{told.id}-{kind}"


def _text_part(text: str) -> dict[str, object]:
    return {"type": "output_text", "text": text, "annotations": []}


def _item(told: Told, kind: str, text: str, status: str) -> dict[str, Any]:
    common = {"id": _item_id(told, kind), "status": status}
    if kind == "reasoning":
        summary = [{"type": "summary_text", "text": text}] if text else []
        return {**common, "type": "reasoning", "summary": summary}
    if kind == "tool":
        call = {"call_id": f"call_{told.id}", "name": TOOL_NAME, "arguments": text}
        return {**common, "type": "function_call", **call}
    content = [_text_part(text)] if text else []
    return {**common, "type": "message", "role": "assistant", "content": content}


def _item_done(told: Told, kind: str, number: int) -> bytes:
    text, place = told.text(kind), _place(told, kind)
    item = _event(
        "response.output_item.done",
        number + 1,
        output_index=told.kinds.index(kind),
        item=_item(told, kind, text, "completed"),
    )
    if kind == "text":
        return _event("response.output_text.done", number, **place, text=text) + item
    if kind == "tool":
        kind = "response.function_call_arguments.done"
        call = {"name": TOOL_NAME, "arguments": text}
        return sse({"type": kind, "sequence_number": number, **place, **call}, kind) + item
    return item


def _usage(told: Told) -> dict[str, object]:
    prompt, output = told.asked.prompt_tokens, told.output_tokens
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": told.cached},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": told.thinking},
        "total_tokens": prompt + output,
    }
