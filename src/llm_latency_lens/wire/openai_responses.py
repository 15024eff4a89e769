"""OpenAI's Responses API, as OpenAI and compatible servers (llama.cpp) speak it.

Source: the provider's API reference. There is no end marker: `response.completed`, `.incomplete` or
`.failed` ends the stream. Events about parts and items beside the deltas hold nothing new.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from llm_latency_lens.model.events import (
    Delta,
    DeltaKind,
    Done,
    Finish,
    Identity,
    Opening,
    Ping,
    ReasoningWithheld,
    ServerError,
    StreamEvent,
    Unknown,
)
from llm_latency_lens.model.request import HttpRequest, Message, Request, Target
from llm_latency_lens.wire.billing import billing_of
from llm_latency_lens.wire.finish import finish_of
from llm_latency_lens.wire.json_object import count_of, object_of, objects_of, text_of
from llm_latency_lens.wire.json_request import (
    Json,
    accept_of,
    merged,
    named_settings,
    post,
    schema,
)
from llm_latency_lens.wire.json_stream import PINGS, decode_body, read_json
from llm_latency_lens.wire.reader import Decoded
from llm_latency_lens.wire.server_error import error_in, explicit_error, read_error_body
from llm_latency_lens.wire.usage import usage_of

streams = True
has_end_marker = True
read_error = read_error_body
settings = {
    "max_tokens": "max_output_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "reasoning": "reasoning.effort",
}


class _Channel(Struct, frozen=True):
    """A kind of text that streams in deltas and comes whole: what it counts as, and its key there."""

    name: str
    kind: DeltaKind
    key: str


_TEXT, _REFUSAL = _Channel("text", "text", "text"), _Channel("refusal", "text", "refusal")
_REASONING = _Channel("reasoning", "reasoning", "text")
_SUMMARY = _Channel("summary", "reasoning", "text")
_NAME = _Channel("name", "tool", "name")
_ARGUMENTS = _Channel("arguments", "tool", "arguments")
_CHANNELS = {
    "response.output_text": _TEXT,
    "response.refusal": _REFUSAL,
    "response.reasoning_text": _REASONING,
    "response.reasoning": _REASONING,
    "response.reasoning_summary_text": _SUMMARY,
    "response.reasoning_summary": _SUMMARY,
    "response.function_call_arguments": _ARGUMENTS,
    "response.mcp_call_arguments": _ARGUMENTS,
    "response.custom_tool_call_input": _Channel("arguments", "tool", "input"),
}
_DELTAS = {f"{name}.delta": channel for name, channel in _CHANNELS.items()}
_DONE = {f"{name}.done": channel for name, channel in _CHANNELS.items()}
_Place = tuple[str, str | None, int | None]


class _DeltaEvent(Struct, gc=False):
    """A delta, for the quick way."""

    type: str = ""
    delta: str | None = None
    item_id: str | None = None
    content_index: int | None = None
    summary_index: int | None = None


_read_delta = msgspec.json.Decoder(_DeltaEvent).decode
_UNDECIDED = frozenset({"queued", "in_progress"})


def encode(request: Request, target: Target) -> HttpRequest:
    """POST `{base_url}/responses`."""
    tools = [{"type": "function", **schema(tool)} for tool in request.tools]
    body = {
        "model": target.model,
        "input": [{"role": m.role, "content": _content(m)} for m in request.messages],
        "stream": request.stream,
        **({"tools": tools} if tools else {}),
    }
    body = merged(body, named_settings(request, settings, target.provider), request.extra)
    return post(target, "/responses", body, accept_of(request))


def _content(message: Message) -> str | list[Json]:
    if not message.images:
        return message.content
    images = [{"type": "input_image", "image_url": i.reference} for i in message.images]
    return [{"type": "input_text", "text": message.content}, *images]


def decode(body: Iterable[bytes], content_type: str, max_event: int) -> Iterator[Decoded]:
    """Read a 2xx body: a stream of events, or one response."""
    return decode_body(body, content_type, max_event, _ResponseReader())


class _ResponseReader:
    """Turns the stream's objects into events; remembers which texts streamed, calls and refusals.

    A text has a place: its channel, item and part. `_open` are places of which deltas came and not
    yet the whole text, `_seen` all of which something came.
    """

    __slots__ = (
        "_called",
        "_newest",
        "_open",
        "_refused",
        "_seen",
        "_summarized",
        "_told",
        "broken",
    )

    def __init__(self) -> None:
        self.broken = False
        self._called = self._refused = self._summarized = self._told = False
        self._newest: tuple[object, ...] | None = None  # where the newest delta belongs, as it came
        self._open: frozenset[_Place] = frozenset()
        self._seen: frozenset[_Place] = frozenset()

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:
        """The events of one object, by its `type`."""
        delta = self._plain_delta(data)
        if delta is not None:
            return (delta,)
        return read_json(self, data, lambda value: self._events(value, kind))

    def _plain_delta(self, data: bytes) -> Delta | None:
        """The quick way: one more delta where the one before belongs."""
        try:
            event = _read_delta(data)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return None
        channel = _DELTAS.get(event.type)
        newest = (channel, event.item_id, event.content_index, event.summary_index)
        if channel is None or not event.delta or newest != self._newest:
            return None
        return Delta(channel.kind, event.delta)

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """The events of a whole response, its own error included."""
        return read_json(self, data, self._whole)

    def _whole(self, value: dict[str, Any]) -> Iterable[StreamEvent]:
        error = None if "output" in value or "status" in value else error_in(value)
        if error is not None:
            return (error,)
        return (_identity(value), *self._unseen(value), *self._end(value, text_of(value, "status")))

    def _events(self, value: dict[str, Any], kind: str) -> Iterable[StreamEvent]:
        name = text_of(value, "type") or kind
        channel = _DELTAS.get(name)
        if channel is not None:
            return self._delta(channel, value)
        channel = _DONE.get(name)
        if channel is not None:
            return self._done(channel, value)
        handler = _HANDLERS.get(name) or _HANDLERS.get(kind)
        if handler is not None:
            return tuple(handler(self, value))
        if name.startswith("response."):
            error = error_in(value) if name == "response.error" else explicit_error(value)
            return () if error is None else (error,)
        return (Ping() if name in PINGS else error_in(value) or Unknown(name),)

    def _delta(self, channel: _Channel, value: dict[str, Any]) -> Iterable[StreamEvent]:
        text = text_of(value, "delta")
        if not text:
            return ()
        get = value.get
        raw = (channel, get("item_id"), get("content_index"), get("summary_index"))
        if raw != self._newest:
            self._newest = raw
            self._take(_place_of(channel, value))
        if channel is _REFUSAL:
            self._refused = True
        elif channel is _SUMMARY and not self._summarized:
            self._summarized = True
            return (ReasoningWithheld(), Delta(channel.kind, text))
        return (Delta(channel.kind, text),)

    def _take(self, place: _Place) -> None:
        if place not in self._open:
            self._open, self._seen = self._open | {place}, self._seen | {place}

    def _done(self, channel: _Channel, value: dict[str, Any]) -> Iterable[StreamEvent]:
        """A whole text: new only if it did not stream before."""
        place = _place_of(channel, value)
        self._newest = None
        # Some gateways name the item differently here than in its deltas.
        open_places = [each for each in self._open if each[0] == channel.name]
        if place in self._seen or open_places:
            closed = place if place in self._open else next(iter(open_places), place)
            self._open -= {closed}
            return ()
        self._seen |= {place}
        return tuple(self._text(channel, text_of(value, channel.key)))

    def _text(self, channel: _Channel, text: str | None) -> Iterator[StreamEvent]:
        if not text:
            return
        self._refused = self._refused or channel is _REFUSAL
        if channel is _SUMMARY and not self._summarized:
            self._summarized = True
            yield ReasoningWithheld()
        yield Delta(channel.kind, text)

    def on_created(self, value: dict[str, Any]) -> Iterable[StreamEvent]:
        """Who answers."""
        self._told = True
        return (_identity(object_of(value, "response")), Opening())

    def on_item(self, value: dict[str, Any]) -> Iterable[StreamEvent]:
        """A tool call's name comes with its item, before its arguments."""
        item = object_of(value, "item")
        name = text_of(item, "name")
        if not name:
            return ()
        self._called = True
        self._seen |= {("name", None, None)}
        return (Delta("tool", name),)

    def on_end(self, value: dict[str, Any], status: str) -> Iterator[StreamEvent]:
        """Completed, incomplete or failed: the response's own account of itself, and the end."""
        response = object_of(value, "response")
        if not self._told:
            yield _identity(response)
        yield from self._unseen(response)
        own = text_of(response, "status")
        status = own if own and status == "completed" and own not in _UNDECIDED else status
        yield from self._end({"usage": value.get("usage"), **response}, status)
        yield Done()

    def _unseen(self, response: dict[str, Any]) -> list[StreamEvent]:
        """What the whole response holds of channels of which nothing came before."""
        seen = {place[0] for place in self._seen}
        return [
            event
            for item in objects_of(response, "output")
            for channel, text in _texts(item)
            if channel.name not in seen
            for event in self._text(channel, text)
        ]

    def _end(self, response: dict[str, Any], status: str | None) -> Iterator[StreamEvent]:
        error = explicit_error(response)
        reason = text_of(object_of(response, "incomplete_details"), "reason")
        called = self._called or any(text_of(i, "name") for i in objects_of(response, "output"))
        if error is not None or status in {"failed", "cancelled"}:
            words = reason or "the server gives no reason"
            yield error or ServerError(status or "error", f"the response is {status}: {words}")
        elif status == "incomplete":
            yield finish_of(reason) or Finish("incomplete", 0, "unknown")
        elif self._refused:
            yield Finish("refusal", 0, "filtered")
        elif status not in _UNDECIDED:
            yield Finish("tool_calls" if called else "stop")
        usage = usage_of(response.get("usage"))
        if usage is not None:
            yield usage
        yield from billing_of(response.get("usage"), text_of(response, "service_tier"))


def _place_of(channel: _Channel, value: dict[str, Any]) -> _Place:
    part = count_of(value, "content_index")
    if part is None:
        part = count_of(value, "summary_index")
    return channel.name, text_of(value, "item_id"), part


def _texts(item: dict[str, Any]) -> Iterator[tuple[_Channel, str | None]]:
    """The texts of an item of a whole response, each with its channel."""
    for part in objects_of(item, "summary"):
        yield _SUMMARY, text_of(part, "text")
    for part in objects_of(item, "content"):
        yield _REFUSAL, text_of(part, "refusal")
        yield (_REASONING if text_of(item, "type") == "reasoning" else _TEXT), text_of(part, "text")
    call = text_of(item, "arguments") or text_of(item, "input") or ""
    yield _NAME, text_of(item, "name")
    yield _ARGUMENTS, call


def _identity(response: dict[str, Any]) -> Identity:
    return Identity(text_of(response, "model"), None, text_of(response, "id"))


_HANDLERS: dict[str, Callable[[_ResponseReader, dict[str, Any]], Iterable[StreamEvent]]] = {
    "response.created": _ResponseReader.on_created,
    "response.output_item.added": _ResponseReader.on_item,
    **{
        f"response.{status}": partial(_ResponseReader.on_end, status=status)
        for status in ("completed", "incomplete", "failed", "cancelled")
    },
}
