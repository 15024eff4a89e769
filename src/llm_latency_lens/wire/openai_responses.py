"""OpenAI's Responses API, as OpenAI and compatible servers (llama.cpp) speak it.

Source: the provider's API reference. There is no end marker: `response.completed`, `.incomplete` or
`.failed` ends the stream. Events about parts and items beside the deltas hold nothing new.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from llm_latency_lens.model.events import (
    Delta,
    DeltaKind,
    Done,
    Finish,
    Identity,
    Opening,
    ReasoningWithheld,
    ServerError,
    StreamEvent,
    Unknown,
    Usage,
)
from llm_latency_lens.model.request import HttpRequest, Message, Request, Target
from llm_latency_lens.wire.billing import billing_of
from llm_latency_lens.wire.json_object import (
    count_of,
    object_of,
    objects_of,
    output_count,
    text_of,
)
from llm_latency_lens.wire.json_request import (
    Json,
    accept_of,
    merged,
    post,
    schema,
    settings,
)
from llm_latency_lens.wire.json_stream import (
    decode_body,
    error_of,
    nested_error,
    read_error_body,
    read_json,
)
from llm_latency_lens.wire.reader import Decoded

_INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}
SETTINGS = {
    "max_tokens": "max_output_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "reasoning": "reasoning.effort",
}
_DELTAS: dict[str, DeltaKind] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "text",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning.delta": "reasoning",
    "response.reasoning_summary.delta": "reasoning",
    "response.function_call_arguments.delta": "tool",
    "response.custom_tool_call_input.delta": "tool",
    "response.mcp_call_arguments.delta": "tool",
}
_SUMMARIES = frozenset(
    {"response.reasoning_summary_text.delta", "response.reasoning_summary.delta"}
)


def encode(request: Request, target: Target) -> HttpRequest:
    """POST `{base_url}/responses`."""
    tools = [{"type": "function", **schema(tool)} for tool in request.tools]
    body = {
        "model": target.model,
        "input": [{"role": m.role, "content": _content(m)} for m in request.messages],
        "stream": request.stream,
        **({"tools": tools} if tools else {}),
    }
    body = merged(body, settings(request, SETTINGS, target.provider), request.extra)
    return post(target, "/responses", body, accept_of(request))


def _content(message: Message) -> str | list[Json]:
    if not message.images:
        return message.content
    images = [{"type": "input_image", "image_url": i.reference} for i in message.images]
    return [{"type": "input_text", "text": message.content}, *images]


def decode(body: Iterable[bytes], content_type: str, max_event: int) -> Iterator[Decoded]:
    """Read a 2xx body: a stream of events, or one response."""
    return decode_body(body, content_type, max_event, _ResponseReader())


def read_error(body: bytes) -> ServerError:
    """The error object of a response with an error status."""
    return read_error_body(body)


class _ResponseReader:
    """Turns the stream's objects into events; remembers tool calls, refusals and summaries."""

    __slots__ = ("_called", "_refused", "_summarized", "broken")

    def __init__(self) -> None:
        self.broken = False
        self._called = False
        self._refused = False
        self._summarized = False

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:
        """The events of one object, by its `type`."""
        if data == b"[DONE]":
            return ()
        return read_json(
            self, data, lambda value: self._events(text_of(value, "type") or kind, value)
        )

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """The events of a whole response, its own error included."""
        return read_json(self, data, self._whole)

    def _whole(self, value: dict[str, Any]) -> Iterable[StreamEvent]:
        items = [event for item in objects_of(value, "output") for event in self._item(item)]
        return (_identity(value), *items, *self._end(value))

    def _events(self, name: str, value: dict[str, Any]) -> Iterable[StreamEvent]:
        kind = _DELTAS.get(name)
        if kind is not None:
            self._refused = self._refused or name == "response.refusal.delta"
            text = text_of(value, "delta")
            if not text:
                return ()
            if name in _SUMMARIES and not self._summarized:
                self._summarized = True
                return (ReasoningWithheld(), Delta(kind, text))
            return (Delta(kind, text),)
        handler = _HANDLERS.get(name)
        if handler is not None:
            return handler(self, value)
        return () if name.startswith("response.") else (Unknown(name),)

    def on_created(self, value: dict[str, Any]) -> Iterable[StreamEvent]:
        """Who answers."""
        return (_identity(object_of(value, "response")), Opening())

    def on_item(self, value: dict[str, Any]) -> Iterable[StreamEvent]:
        """A tool call's name comes with its item, before its arguments."""
        item = object_of(value, "item")
        name = text_of(item, "name")
        if not name:
            return ()
        self._called = True
        return (Delta("tool", name),)

    def on_end(self, value: dict[str, Any]) -> Iterable[StreamEvent]:
        """Completed, incomplete or failed: the response's own account of itself, and the end."""
        return (*self._end(object_of(value, "response")), Done())

    def _item(self, item: dict[str, Any]) -> Iterator[StreamEvent]:
        for part in objects_of(item, "content") + objects_of(item, "summary"):
            refusal = text_of(part, "refusal")
            self._refused = self._refused or bool(refusal)
            kind: DeltaKind = "reasoning" if text_of(item, "type") == "reasoning" else "text"
            text = refusal or text_of(part, "text")
            if text:
                yield Delta(kind, text)
        call = (text_of(item, "name") or "") + (text_of(item, "arguments") or "")
        if call:
            self._called = True
            yield Delta("tool", call)

    def _end(self, response: dict[str, Any]) -> Iterator[StreamEvent]:
        if response.get("error"):
            yield error_of(response["error"])
            return
        if text_of(response, "status") == "incomplete":
            reason = text_of(object_of(response, "incomplete_details"), "reason") or "incomplete"
            yield Finish(_INCOMPLETE.get(reason, reason))
        else:
            yield Finish("refusal" if self._refused else "tool_calls" if self._called else "stop")
        usage = object_of(response, "usage")
        if usage:
            yield _usage(usage)
        yield from billing_of(usage, text_of(response, "service_tier"))


def _identity(response: dict[str, Any]) -> Identity:
    return Identity(text_of(response, "model"), None, text_of(response, "id"))


def _usage(usage: dict[str, Any]) -> Usage:
    given = count_of(usage, "input_tokens")
    reasoning = count_of(usage.get("output_tokens_details"), "reasoning_tokens")
    output, total = count_of(usage, "output_tokens"), count_of(usage, "total_tokens")
    return Usage(
        input=given,
        output=output_count(output, reasoning, given, total),
        reasoning=reasoning,
        cached=count_of(usage.get("input_tokens_details"), "cached_tokens"),
        audio_input=count_of(usage.get("input_tokens_details"), "audio_tokens"),
        audio_output=count_of(usage.get("output_tokens_details"), "audio_tokens"),
    )


_HANDLERS: dict[str, Callable[[_ResponseReader, dict[str, Any]], Iterable[StreamEvent]]] = {
    "response.created": _ResponseReader.on_created,
    "response.output_item.added": _ResponseReader.on_item,
    "response.completed": _ResponseReader.on_end,
    "response.incomplete": _ResponseReader.on_end,
    "response.failed": _ResponseReader.on_end,
    "error": lambda _, value: (nested_error(value),),
}
