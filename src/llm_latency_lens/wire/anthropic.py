"""Anthropic's Messages API, as Anthropic and compatible servers (llama.cpp) speak it.

Source: the provider's API reference. Thinking is reasoning, a tool's input is a tool delta, a signature
is no token. Usage is cumulative: input comes with `message_start`, output grows in `message_delta`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from llm_latency_lens.model.events import (
    Billing,
    Delta,
    Done,
    Finish,
    Identity,
    Opening,
    Ping,
    ReasoningWithheld,
    ServerError,
    StreamEvent,
    Unknown,
    Usage,
)
from llm_latency_lens.model.request import HttpRequest, Image, Message, Request, Target
from llm_latency_lens.wire.billing import billing_of
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
    post,
    schema,
    settings,
    system_and_turns,
)
from llm_latency_lens.wire.json_stream import decode_body, nested_error, read_error_body, read_json
from llm_latency_lens.wire.reader import Decoded

_VERSION = "2023-06-01"
_DEFAULT_MAX_TOKENS = 1024
"""The API demands a limit; this one is used where none was asked for."""

SETTINGS = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop_sequences",
    "reasoning": "output_config.effort",
    "thinking_budget": "thinking.budget_tokens",
}
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
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
    body = merged(body, settings(request, SETTINGS, target.provider), request.extra)
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


def read_error(body: bytes) -> ServerError:
    """The error object of a response with an error status."""
    return read_error_body(body)


class _MessageReader:
    """Turns the stream's objects into events; remembers the usage so far."""

    __slots__ = ("_usage", "broken")

    def __init__(self) -> None:
        self.broken = False
        self._usage = Usage()

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:
        """The events of one object, by its `type`."""
        return read_json(
            self, data, lambda value: self._events(text_of(value, "type") or kind, value)
        )

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """The events of a whole message, or of an error in its place."""
        return read_json(self, data, self._whole)

    def _events(self, name: str, value: dict[str, Any]) -> Iterable[StreamEvent]:
        handler = _HANDLERS.get(name)
        return handler(self, value) if handler is not None else (Unknown(name),)

    def _whole(self, value: dict[str, Any]) -> Iterable[StreamEvent]:
        if text_of(value, "type") == "error":
            return (nested_error(value),)
        blocks = [event for block in objects_of(value, "content") for event in _block(block)]
        end = self.on_message_delta({"delta": value, "usage": object_of(value, "usage")})
        return (_identity(value), *blocks, *end)

    def on_message_start(self, value: dict[str, Any]) -> tuple[StreamEvent, ...]:
        """Who answers, and what the input counted."""
        message = object_of(value, "message")
        # What is counted here of the output is its first token, whatever follows.
        usage = object_of(message, "usage")
        counts = msgspec.structs.replace(self._count(usage), final=False)
        return (_identity(message), Opening(), counts, *_billing(usage))

    def on_message_delta(self, value: dict[str, Any]) -> tuple[StreamEvent, ...]:
        """Why it stopped, and what the output counts so far."""
        reason = text_of(object_of(value, "delta"), "stop_reason")
        finish = (Finish(_FINISH.get(reason, reason)),) if reason else ()
        usage = object_of(value, "usage")
        return (*finish, self._count(usage), *_billing(usage))

    def _count(self, usage: dict[str, Any]) -> Usage:
        """Merge a usage object into what is known; the input's three parts are added up."""
        before = self._usage
        read, write = (
            count_of(usage, "cache_read_input_tokens"),
            count_of(usage, "cache_creation_input_tokens"),
        )
        fresh = count_of(usage, "input_tokens")
        self._usage = Usage(
            input=before.input if fresh is None else fresh + (read or 0) + (write or 0),
            output=_known(count_of(usage, "output_tokens"), before.output),
            reasoning=_known(
                count_of(usage.get("output_tokens_details"), "thinking_tokens"), before.reasoning
            ),
            cached=_known(read, before.cached),
            cache_write=_known(write, before.cache_write),
        )
        return self._usage


def _billing(usage: dict[str, Any]) -> tuple[Billing, ...]:
    return billing_of(usage, "fast" if text_of(usage, "speed") == "fast" else None)


def _known(new: int | None, old: int | None) -> int | None:
    return old if new is None else new


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
    "message_stop": lambda _, __: (Done(),),
    "ping": lambda _, __: (Ping(),),
    "error": lambda _, value: (nested_error(value),),
}
