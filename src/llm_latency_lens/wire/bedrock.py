"""Amazon Bedrock's Converse, streamed as binary messages with checksums.

Source: the provider's API reference. `inputTokens` leaves out what was read from or written to the
prompt cache. There is no end marker: `messageStop` says why it ended, `metadata` follows it. The
signature is added when the request is sent.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from llm_latency_lens.model.events import (
    Delta,
    DeltaKind,
    Malformed,
    Noted,
    Opening,
    ReasoningWithheld,
    ServerError,
    ServerTimings,
    StreamEvent,
    Unknown,
    Unterminated,
    Usage,
)
from llm_latency_lens.model.request import HttpRequest, Message, Request, Target
from llm_latency_lens.wire import aws_eventstream
from llm_latency_lens.wire.billing import billing_of
from llm_latency_lens.wire.body_shape import shape_of
from llm_latency_lens.wire.finish import finish_of
from llm_latency_lens.wire.json_object import (
    BadJsonError,
    count_of,
    object_of,
    objects_of,
    read_object,
    seconds_of,
    text_of,
)
from llm_latency_lens.wire.json_request import (
    Json,
    accept_of,
    data_of,
    merged,
    named_settings,
    post,
    system_and_turns,
)
from llm_latency_lens.wire.json_stream import MISLABELLED, decode_body, read_json
from llm_latency_lens.wire.reader import Decoded
from llm_latency_lens.wire.server_error import error_in, explicit_error, is_page, read_error_body

_STREAM_TYPE = "application/vnd.amazon.eventstream"
streams = True
has_end_marker = False
read_error = read_error_body
settings = {
    "max_tokens": "inferenceConfig.maxTokens",
    "temperature": "inferenceConfig.temperature",
    "top_p": "inferenceConfig.topP",
    "stop": "inferenceConfig.stopSequences",
    "top_k": "additionalModelRequestFields.top_k",
    "thinking_budget": "additionalModelRequestFields.thinking.budget_tokens",
}
_ENCODE = msgspec.json.Encoder().encode


def encode(request: Request, target: Target) -> HttpRequest:
    """POST `{base_url}/model/{model}/converse-stream`, or `/converse`; unsigned."""
    system, conversation = system_and_turns(request)
    tools = [
        {"toolSpec": {"name": t.name, "description": t.description, "inputSchema": {"json": t.parameters}}}
        for t in request.tools
    ]  # fmt: skip
    thinking = {"additionalModelRequestFields": {"thinking": {"type": "enabled"}}}
    body: Json = {
        "messages": [{"role": m.role, "content": _content(m)} for m in conversation],
        **({"system": [{"text": system}]} if system else {}),
        **({"toolConfig": {"tools": tools}} if tools else {}),
        **(thinking if request.thinking_budget is not None else {}),
    }
    body = merged(body, named_settings(request, settings, target.provider), request.extra)
    verb = "converse-stream" if request.stream else "converse"
    path = f"/model/{quote(target.model, safe='-._~')}/{verb}"
    return post(target, path, body, accept_of(request, _STREAM_TYPE))


def _content(message: Message) -> list[Json]:
    pictures = (data_of(image, "bedrock") for image in message.images)
    images = [
        {"image": {"format": kind.removeprefix("image/"), "source": {"bytes": data}}}
        for kind, data in pictures
    ]
    return [*images, {"text": message.content}]


def decode(body: Iterable[bytes], content_type: str, max_event: int) -> Iterator[Decoded]:
    """Read a 2xx body: an event stream, or one answer."""
    whole = b"".join(body)
    if not _is_binary(whole, content_type):
        return decode_body((whole,), content_type, max_event, _AnswerReader())
    return _decode_stream(whole, max_event, mislabelled=content_type not in {_STREAM_TYPE, ""})


def _is_binary(body: bytes, content_type: str) -> bool:
    """Whether a body is a stream of binary messages, by its first byte; by its label, where that is no text."""
    if aws_eventstream.begins(body):
        return True
    text = shape_of(body[:4096], content_type) != "text" or is_page(body)
    return content_type == _STREAM_TYPE and not text


class _Piece(Struct, gc=False):
    text: str | None = None


class _TextDelta(Struct, gc=False):
    """The usual message, for the quick way; any other shape has no text here."""

    delta: _Piece | None = None


_read_text = msgspec.json.Decoder(_TextDelta).decode


def _decode_stream(whole: bytes, max_event: int, *, mislabelled: bool) -> Iterator[Decoded]:
    if mislabelled:
        yield 0, Noted(MISLABELLED)
    for offset, found in aws_eventstream.messages((whole,), max_event):
        if isinstance(found, aws_eventstream.Broken):
            yield offset, Malformed(found.words)
            return
        if isinstance(found, aws_eventstream.Incomplete):
            yield offset, Unterminated()
            return
        text = _plain_text(found)
        if text:
            yield offset, Delta("text", text)
            continue
        for event in _events(found):
            yield offset, event
            if isinstance(event, Malformed):
                return


def _plain_text(message: aws_eventstream.Message) -> str | None:
    headers = message.headers
    if headers.get(":event-type") != "contentBlockDelta" or headers.get(":message-type") != "event":
        return None
    try:
        delta = _read_text(message.payload).delta
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    return delta.text if delta is not None else None


def _events(message: aws_eventstream.Message) -> Iterable[StreamEvent]:
    headers = message.headers
    kind = headers.get(":message-type", "event")
    if kind == "error":
        return (
            ServerError(headers.get(":error-code", "error"), headers.get(":error-message", "")),
        )
    try:
        value, _ = read_object(message.payload)
    except BadJsonError as error:
        return (Malformed(f"invalid_json: {error}, in {message.payload[:80]!r}"),)
    if kind == "exception":
        words = text_of(value, "message") or text_of(value, "Message") or ""
        return (ServerError(headers.get(":exception-type", "exception"), words),)
    name = headers.get(":event-type", "")
    handler = _HANDLERS.get(name)
    return tuple(handler(value)) if handler is not None else (Unknown(name),)


def _block(block: Json) -> Iterator[StreamEvent]:
    """A content block's delta: text, thought, or a tool's input; what is signed is a summary."""
    thought = object_of(block, "reasoningContent")
    call = object_of(block, "toolUse")
    arguments = call.get("input")
    inner = object_of(thought, "reasoningText") or thought
    parts: tuple[tuple[DeltaKind, str | None], ...] = (
        ("reasoning", text_of(inner, "text")),
        ("text", text_of(block, "text")),
        ("tool", text_of(call, "name")),
        ("tool", arguments if isinstance(arguments, str) else _encoded(arguments)),
    )
    for kind, text in parts:
        if text:
            yield Delta(kind, text)
    if text_of(inner, "signature") or thought.get("redactedContent"):
        yield ReasoningWithheld()


def _encoded(arguments: object) -> str:
    return _ENCODE(arguments).decode() if arguments else ""


def _on_start(value: Json) -> Iterable[StreamEvent]:
    found = tuple(_block(object_of(value, "start")))
    return found or (Opening(),)


def _on_stop(value: Json) -> Iterable[StreamEvent]:
    finish = finish_of(text_of(value, "stopReason"))
    return () if finish is None else (finish,)


def _on_metadata(value: Json) -> Iterator[StreamEvent]:
    usage = object_of(value, "usage")
    if usage:
        yield _usage(usage)
    yield from billing_of(usage, text_of(object_of(value, "serviceTier"), "type"))
    latency = seconds_of(object_of(value, "metrics"), "latencyMs", 1e-3)
    if latency is not None:
        yield ServerTimings(total=latency)


def _usage(usage: dict[str, Any]) -> Usage:
    read = count_of(usage, "cacheReadInputTokens")
    write = count_of(usage, "cacheWriteInputTokens")
    fresh = count_of(usage, "inputTokens")
    return Usage(
        input=None if fresh is None else fresh + (read or 0) + (write or 0),
        output=count_of(usage, "outputTokens"),
        cached=read,
        cache_write=write,
    )


_HANDLERS: dict[str, Callable[[Json], Iterable[StreamEvent]]] = {
    "messageStart": lambda _: (Opening(),),
    "contentBlockStart": _on_start,
    "contentBlockDelta": lambda value: _block(object_of(value, "delta")),
    "contentBlockStop": lambda _: (),
    "messageStop": _on_stop,
    "metadata": _on_metadata,
}


class _AnswerReader:
    """Reads an answer that was not streamed."""

    __slots__ = ("broken",)

    def __init__(self) -> None:
        self.broken = False

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:  # noqa: ARG002 - no names here
        """The events of the one document."""
        return read_json(self, data, lambda value: tuple(_whole(value)))

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """The events of the one document."""
        return self.read(data, "")


def _whole(value: Json) -> Iterator[StreamEvent]:
    error = explicit_error(value) if "output" in value else error_in(value)
    if error is not None:
        yield error
        return
    message = object_of(object_of(value, "output"), "message")
    for block in objects_of(message, "content"):
        yield from _block(block)
    yield from _on_stop(value)
    yield from _on_metadata(value)
