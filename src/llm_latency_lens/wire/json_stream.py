"""What all JSON dialects share: a body is a stream of objects or one document, and a reader gives it meaning."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from llm_latency_lens.model.events import (
    BadText,
    Done,
    Malformed,
    Ping,
    ServerError,
    StreamEvent,
    Unterminated,
)
from llm_latency_lens.wire import sse
from llm_latency_lens.wire.json_object import BadJsonError, object_of, read_object, text_of

Decoded = tuple[int, StreamEvent]

_MARKS: dict[str, StreamEvent] = {sse.COMMENT: Ping(), sse.UNTERMINATED: Unterminated()}


class Reader(Protocol):
    """One dialect's reading of one response; `broken` is set where nothing can follow."""

    broken: bool

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:
        """The events of one object; `kind` is the SSE event's name, if it has one."""
        ...

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """The events of a whole answer that was not streamed."""
        ...


def decode_body(
    body: Iterable[bytes], content_type: str, max_event: int, reader: Reader
) -> Iterator[Decoded]:
    """Decode a 2xx body by its media type; where none was sent, by its first byte."""
    if content_type == "text/event-stream":
        return _stream(body, max_event, reader)
    if content_type == "application/json":
        return _document(b"".join(body), reader)
    whole = b"".join(body)
    first = whole.lstrip()[:1]
    if not content_type and first in {b"d", b":", b"e"}:
        return _stream((whole,), max_event, reader)
    if not content_type and first == b"{":
        return _document(whole, reader)
    words = f"content_type: expected text/event-stream or application/json, got {content_type!r}"
    return iter(((len(whole), Malformed(words)),))


def _stream(body: Iterable[bytes], max_event: int, reader: Reader) -> Iterator[Decoded]:
    for offset, kind, data in sse.events(body, max_event):
        if kind in _MARKS:
            yield offset, _MARKS[kind]
        elif kind == sse.TOO_LARGE:
            yield offset, Malformed(f"event_too_large: an event is longer than {max_event} bytes")
        else:
            for event in reader.read(data, kind):
                yield offset, event
            if reader.broken:
                return


def _document(body: bytes, reader: Reader) -> Iterator[Decoded]:
    for event in reader.read_document(body):
        yield len(body), event
    if not reader.broken:
        yield len(body), Done()


def read_json(
    reader: Reader, data: bytes, events: Callable[[dict[str, Any]], Iterable[StreamEvent]]
) -> Iterable[StreamEvent]:
    """The events that `events` reads in one JSON object; where it is none, nothing can follow."""
    try:
        value, replaced = read_object(data)
    except BadJsonError as error:
        reader.broken = True
        return (bad_json(error, data),)
    found = events(value)
    return (BadText(replaced), *found) if replaced else found


def bad_json(error: BadJsonError, data: bytes) -> Malformed:
    """What is said of bytes that are no JSON object."""
    return Malformed(f"invalid_json: {error}, in {data[:80]!r}")


def read_error_body(body: bytes) -> ServerError:
    """The error object of a response with an error status; plain text where it is no JSON."""
    plain = ServerError("error", body[:1000].decode("utf-8", "replace"))
    try:
        found, _ = read_object(body)
    except BadJsonError:
        return plain
    return error_of(found["error"]) if found.get("error") is not None else plain


def error_of(value: object) -> ServerError:
    """An error as servers write it: an object with type, code and message, or a bare string."""
    if not isinstance(value, dict):
        return ServerError("error", value if isinstance(value, str) else "")
    kind = value.get("type") or value.get("status") or value.get("code") or "error"
    return ServerError(str(kind), text_of(value, "message") or "")


def nested_error(value: dict[str, object]) -> ServerError:
    """The error inside `error`, or the object itself where it is the error."""
    return error_of(object_of(value, "error") or value.get("error") or value)
