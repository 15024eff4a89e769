"""Anthropic's Messages API, as Anthropic and compatible servers (llama.cpp) speak it.

Source: the provider's API reference. Thinking is reasoning, a tool's input is a tool delta, a signature
is no token. Usage is cumulative: input comes with `message_start`, output grows in `message_delta`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from llm_latency_lens.model.events import (
    Billing,
    Delta,
    Done,
    Identity,
    Opening,
    Ping,
    ReasoningWithheld,
    StreamEvent,
    Unknown,
    Usage,
)
from llm_latency_lens.model.request import HttpRequest, Image, Message, Request, Target
from llm_latency_lens.wire.billing import billing_of
from llm_latency_lens.wire.finish import finish_of
from llm_latency_lens.wire.json_object import (
    count_of,
    object_of,
    objects_of,
    text_of,
)
from llm_latency_lens.wire.json_request import (
    Json,
    accept_of,
    merged,
    named_settings,
    post,
    schema,
    system_and_turns,
)
from llm_latency_lens.wire.json_stream import PINGS, decode_body, read_json
from llm_latency_lens.wire.reader import Decoded
from llm_latency_lens.wire.server_error import error_in, explicit_error, read_error_body

_VERSION = "2023-06-01"
_DEFAULT_MAX_TOKENS = 1024
"""The API demands a limit; this one is used where none was asked for."""

streams = True
has_end_marker = True
read_error = read_error_body
settings = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop_sequences",
    "reasoning": "output_config.effort",
    "thinking_budget": "thinking.budget_tokens",
}
_READ, _WRITTEN = "cache_read_input_tokens", "cache_creation_input_tokens"
_COUNTS = ("input_tokens", "output_tokens", "thinking_tokens", _READ, _WRITTEN)
_ENCODE = msgspec.json.Encoder().encode


def encode(request: Request, target: Target) -> HttpRequest:
    """POST `{base_url}/messages`; system messages go to the field of their own."""
    system, conversation = system_and_turns(request)
    tools = [schema(tool, "input_schema") for tool in request.tools]
    body = {
        "model": target.model,
        "max_tokens": _DEFAULT_MAX_TOKENS,
        "messages": [{"role": m.role, "content": _content(m)} for m in conversation],
        "stream": request.stream,
        **({"system": system} if system else {}),
        **({"tools": tools} if tools else {}),
        **({"thinking": {"type": "enabled"}} if request.thinking_budget is not None else {}),
    }
    body = merged(body, named_settings(request, settings, target.provider), request.extra)
    return post(target, "/messages", body, accept_of(request), (("anthropic-version", _VERSION),))


def _content(message: Message) -> str | list[Json]:
    if not message.images:
        return message.content
    images = [{"type": "image", "source": _source(image)} for image in message.images]
    return [*images, {"type": "text", "text": message.content}]


def _source(image: Image) -> Json:
    if image.url is not None:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.media_type, "data": image.data}


def decode(body: Iterable[bytes], content_type: str, max_event: int) -> Iterator[Decoded]:
    """Read a 2xx body: a stream of events, or one message."""
    return decode_body(body, content_type, max_event, _MessageReader())


class _MessageReader:
    """Turns the stream's objects into events; remembers the usage so far."""

    __slots__ = ("_usage", "broken")

    def __init__(self) -> None:
        self.broken = False
        self._usage: dict[str, int] = {}

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:
        """The events of one object, by its `type`."""
        return read_json(self, data, lambda value: self._events(value, kind))

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """The events of a whole message, or of an error in its place."""
        return read_json(self, data, self._whole)

    def _events(self, value: dict[str, Any], kind: str) -> Iterable[StreamEvent]:
        name = text_of(value, "type") or kind
        handler = _HANDLERS.get(name) or _HANDLERS.get(kind)
        if handler is None:
            return (Ping() if name in PINGS else error_in(value) or Unknown(name),)
        events = handler(self, value)
        error = explicit_error(value) if "error" in value else None
        return events if error is None else (*events, error)

    def _whole(self, value: dict[str, Any]) -> Iterable[StreamEvent]:
        error = explicit_error(value) if "content" in value else error_in(value)
        if error is not None:
            return (error,)
        blocks = [event for block in objects_of(value, "content") for event in _block(block)]
        end = self.on_message_delta({"delta": value})
        return (_identity(value), *blocks, *end)

    def on_message_start(self, value: dict[str, Any]) -> tuple[StreamEvent, ...]:
        """Who answers, and what the input counted."""
        usage = _usage_in(value)
        # What is counted here of the output is its first token, whatever follows.
        counts = msgspec.structs.replace(self._count(usage), final=False)
        return (_identity(object_of(value, "message")), Opening(), counts, *_billing(usage))

    def on_message_delta(self, value: dict[str, Any]) -> tuple[StreamEvent, ...]:
        """Why it stopped, and what the output counts so far."""
        finish = finish_of(text_of(object_of(value, "delta"), "stop_reason"))
        usage = _usage_in(value)
        ending = () if finish is None else (finish,)
        return (*ending, self._count(usage), *_billing(usage))

    def on_message_stop(self, value: dict[str, Any]) -> tuple[StreamEvent, ...]:
        """The end; some servers give the usage with it."""
        usage = _usage_in(value)
        return (self._count(usage), *_billing(usage), Done()) if usage else (Done(),)

    def _count(self, usage: dict[str, Any]) -> Usage:
        """Merge a usage object into what is known; the input's three parts are added up.

        A count of 0 stands for none where another was told before, and an input without the cache's
        parts may be the sum of all three.
        """
        known = self._usage
        told = {name: count_of(usage, name) for name in _COUNTS}
        details = usage.get("output_tokens_details")
        told["thinking_tokens"] = count_of(details, "thinking_tokens") or told["thinking_tokens"]
        if _input_of(told) == _input_of(known) and not told[_READ] and not told[_WRITTEN]:
            told["input_tokens"] = None
        news = {k: n for k, n in told.items() if n or (n == 0 and k not in known)}
        self._usage = known = {**known, **news}
        return Usage(
            input=_input_of(known),
            output=known.get("output_tokens"),
            reasoning=known.get("thinking_tokens"),
            cached=known.get(_READ),
            cache_write=known.get(_WRITTEN),
            final=bool(told["output_tokens"]),
        )


def _billing(usage: dict[str, Any]) -> tuple[Billing, ...]:
    return billing_of(usage, "fast" if text_of(usage, "speed") == "fast" else None)


def _usage_in(value: dict[str, Any]) -> dict[str, Any]:
    """The usage of an event, wherever in it that is."""
    places = (value, object_of(value, "message"), object_of(value, "delta"))
    return next((usage for place in places if (usage := object_of(place, "usage"))), {})


def _input_of(counts: Mapping[str, int | None]) -> int | None:
    """All input tokens: those that were neither read from the cache nor written to it, and those that were."""
    fresh = counts.get("input_tokens")
    if fresh is None:
        return None
    return fresh + (counts.get(_READ) or 0) + (counts.get(_WRITTEN) or 0)


def _identity(message: dict[str, Any]) -> Identity:
    return Identity(text_of(message, "model"), None, text_of(message, "id"))


def _block(block: dict[str, Any]) -> list[StreamEvent]:
    """A content block, whole or at its beginning: what it holds already."""
    name = text_of(block, "name") or ""
    tool_input = block.get("input")
    arguments = _ENCODE(tool_input).decode() if tool_input else ""
    parts = (
        Delta("text", text_of(block, "text") or ""),
        Delta("reasoning", text_of(block, "thinking") or ""),
        Delta("tool", name + arguments),
    )
    return [part for part in parts if part.text]


def _on_block_start(_: _MessageReader, value: dict[str, Any]) -> Iterable[StreamEvent]:
    block = object_of(value, "content_block")
    withheld = (ReasoningWithheld(),) if text_of(block, "type") == "redacted_thinking" else ()
    return (*withheld, *(_block(block) or (Opening(),)))


def _on_block_delta(_: _MessageReader, value: dict[str, Any]) -> Iterable[StreamEvent]:
    delta = value.get("delta")
    for key, kind in (("text", "text"), ("thinking", "reasoning"), ("partial_json", "tool")):
        text = text_of(delta, key)
        if text:
            return (Delta(kind, text),)  # type: ignore[arg-type] # the three kinds of the table
    # What is signed is the whole reasoning; what was streamed of it is a summary, or nothing.
    return (ReasoningWithheld(),) if text_of(delta, "signature") else ()


_HANDLERS: dict[str, Callable[[_MessageReader, dict[str, Any]], Iterable[StreamEvent]]] = {
    "content_block_delta": _on_block_delta,
    "content_block_start": _on_block_start,
    "content_block_stop": lambda _, __: (),
    "message_start": _MessageReader.on_message_start,
    "message_delta": _MessageReader.on_message_delta,
    "message_stop": _MessageReader.on_message_stop,
    "ping": lambda _, __: (Ping(),),
}
