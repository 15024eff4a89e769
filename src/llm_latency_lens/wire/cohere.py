"""Cohere's Chat API, version 2.

Source: the provider's API reference. `message-end` has the reason and the usage and ends the stream.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from llm_latency_lens.model.events import (
    Delta,
    Done,
    Identity,
    Opening,
    Ping,
    ServerError,
    StreamEvent,
    Unknown,
    Usage,
)
from llm_latency_lens.model.request import HttpRequest, Request, Target
from llm_latency_lens.wire.finish import finish_of
from llm_latency_lens.wire.json_object import count_of, object_of, objects_of, text_of
from llm_latency_lens.wire.json_request import (
    accept_of,
    function_tools,
    merged,
    named_settings,
    post,
    turns,
)
from llm_latency_lens.wire.json_stream import PINGS, decode_body, read_json
from llm_latency_lens.wire.reader import Decoded
from llm_latency_lens.wire.server_error import error_in, explicit_error, read_error_body

streams = True
has_end_marker = True
read_error = read_error_body
settings = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "p",
    "top_k": "k",
    "sampling_seed": "seed",
    "stop": "stop_sequences",
    "thinking_budget": "thinking.token_budget",
}
_FINISH = {"error_toxic": "content_filter", "error_limit": "error", "user_cancel": "error"}


def encode(request: Request, target: Target) -> HttpRequest:
    """POST `{base_url}/chat`."""
    body = {
        "model": target.model,
        "messages": turns(request),
        "stream": request.stream,
        **function_tools(request.tools),
        **({"thinking": {"type": "enabled"}} if request.thinking_budget is not None else {}),
    }
    body = merged(body, named_settings(request, settings, target.provider), request.extra)
    return post(target, "/chat", body, accept_of(request))


def decode(body: Iterable[bytes], content_type: str, max_event: int) -> Iterator[Decoded]:
    """Read a 2xx body: a stream of events, or one message."""
    return decode_body(body, content_type, max_event, _MessageReader())


class _MessageReader:
    """Turns the stream's objects into events."""

    __slots__ = ("broken",)

    def __init__(self) -> None:
        self.broken = False

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:
        """The events of one object, by its `type`."""
        return read_json(self, data, lambda value: _events(value, kind))

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """The events of a whole message."""
        return read_json(self, data, _whole)


def _events(value: dict[str, Any], kind: str) -> Iterable[StreamEvent]:
    name = text_of(value, "type") or kind
    handler = _HANDLERS.get(name) or _HANDLERS.get(kind)
    if handler is None:
        return (Ping() if name in PINGS else error_in(value) or Unknown(name),)
    return tuple(handler(value))


def _whole(value: dict[str, Any]) -> Iterable[StreamEvent]:
    error = explicit_error(value) if object_of(value, "message") else error_in(value)
    if error is not None:
        return (error,)
    message = object_of(value, "message")
    blocks = [event for block in objects_of(message, "content") for event in _content(block)]
    calls = [event for call in objects_of(message, "tool_calls") for event in _call(call)]
    return (Identity(None, None, text_of(value, "id")), *blocks, *calls, *_end(value))


def _content(block: dict[str, Any]) -> list[StreamEvent]:
    parts = (
        Delta("reasoning", text_of(block, "thinking") or ""),
        Delta("text", text_of(block, "text") or ""),
    )
    return [part for part in parts if part.text]


def _call(call: dict[str, Any]) -> list[StreamEvent]:
    function = object_of(call, "function")
    text = (text_of(function, "name") or "") + (text_of(function, "arguments") or "")
    return [Delta("tool", text)] if text else []


def _message(value: dict[str, Any]) -> dict[str, Any]:
    return object_of(object_of(value, "delta"), "message")


def _on_start(value: dict[str, Any]) -> Iterable[StreamEvent]:
    return (Identity(None, None, text_of(value, "id")), Opening())


def _on_content(value: dict[str, Any]) -> Iterable[StreamEvent]:
    return _content(object_of(_message(value), "content"))


def _on_plan(value: dict[str, Any]) -> Iterable[StreamEvent]:
    plan = text_of(_message(value), "tool_plan")
    return (Delta("reasoning", plan),) if plan else ()


def _on_call(value: dict[str, Any]) -> Iterable[StreamEvent]:
    return _call(object_of(_message(value), "tool_calls"))


def _on_end(value: dict[str, Any]) -> Iterable[StreamEvent]:
    return (*_end(object_of(value, "delta")), Done())


def _end(value: dict[str, Any]) -> Iterator[StreamEvent]:
    finish = finish_of(text_of(value, "finish_reason"), 0, _FINISH)
    words = text_of(value, "error")
    if finish is not None and (words is None or finish.kind != "failure"):
        yield finish
    elif words or finish is not None:
        yield ServerError(finish.reason if finish else "error", words or "")
    usage = object_of(value, "usage")
    tokens = object_of(usage, "tokens") or object_of(usage, "billed_units")
    if tokens:
        yield Usage(
            input=count_of(tokens, "input_tokens"),
            output=count_of(tokens, "output_tokens"),
            cached=count_of(usage, "cached_tokens"),
            billed_input=count_of(object_of(usage, "billed_units"), "input_tokens"),
        )


def _nothing(_: dict[str, Any]) -> Iterable[StreamEvent]:
    return ()


_HANDLERS: dict[str, Callable[[dict[str, Any]], Iterable[StreamEvent]]] = {
    "message-start": _on_start,
    "content-start": _on_content,
    "content-delta": _on_content,
    "content-end": _nothing,
    "tool-plan-delta": _on_plan,
    "tool-call-start": _on_call,
    "tool-call-delta": _on_call,
    "tool-call-end": _nothing,
    "citation-start": _nothing,
    "citation-end": _nothing,
    "message-end": _on_end,
}
