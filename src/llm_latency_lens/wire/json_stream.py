"""What all JSON dialects share: a body is a stream of objects or one document, and a reader gives it meaning."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

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
from llm_latency_lens.wire.mould import Moulds
from llm_latency_lens.wire.reader import Decoded, Reader

_PIECE, _LARGEST_PIECE = 1 << 10, 1 << 16
_MARKS: dict[str, StreamEvent] = {sse.COMMENT: Ping(), sse.UNTERMINATED: Unterminated()}


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
    """One by one until an event is a mould; then what fits it at once; then on with what did not."""
    whole = b"".join(body)
    moulds, position = Moulds(whole, max_event, reader), 0
    while True:
        mould, begin = None, position
        for offset, read in _one_by_one(whole, position, max_event, reader):
            for event in read:
                yield offset, event
            position = offset + (whole[offset : offset + 1] == b"\n")
            mould = moulds.of(begin, position, read)
            if mould is not None:
                break
            begin = position
        if mould is None:
            return
        while (deltas := moulds.cast(mould, position)) is not None:
            yield deltas.ends[-1], deltas
            position = deltas.ends[-1] + mould.slack


def _one_by_one(
    whole: bytes, position: int, max_event: int, reader: Reader
) -> Iterator[tuple[int, tuple[StreamEvent, ...]]]:
    """Each SSE event from `position` on with what the reader makes of it."""
    for offset, kind, data in sse.events(_pieces(whole, position), max_event, position):
        if kind in _MARKS:
            yield offset, (_MARKS[kind],)
        elif kind == sse.TOO_LARGE:
            words = f"event_too_large: an event is longer than {max_event} bytes"
            yield offset, (Malformed(words),)
        else:
            yield offset, tuple(reader.read(data, kind))
            if reader.broken:
                return


def _pieces(whole: bytes, position: int) -> Iterator[bytes]:
    """What is behind `position`, in growing pieces: little more is split into lines than is read.

    A piece ends between two events where one ends in it: an event cut in two is read the slow way.
    """
    size = _PIECE
    while position < len(whole):
        until = position + size
        ends = (whole.rfind(mark, position, until) + len(mark) for mark in (b"\n\n", b"\n\r\n"))
        end = next((end for end in ends if end > position), until)
        yield whole[position:end]
        position = end
        size = min(2 * size, _LARGEST_PIECE)


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
