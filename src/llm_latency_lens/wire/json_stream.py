"""What all JSON dialects share: a body is a stream of objects or a document; a reader gives it meaning.

What servers write beside the objects is told apart here, once for all dialects: empty data and
pings, `[DONE]`, errors outside of any framing, pages and plain text.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from llm_latency_lens.model.events import (
    BadText,
    Document,
    Done,
    Malformed,
    Noted,
    Ping,
    StreamEvent,
    Unframed,
    Unknown,
    Unterminated,
)
from llm_latency_lens.wire import json_array, json_lines, sse
from llm_latency_lens.wire.body_shape import BodyShape, is_expected, is_mislabelled, shape_of
from llm_latency_lens.wire.json_object import BadJsonError, read_any, read_object
from llm_latency_lens.wire.mould import Moulds
from llm_latency_lens.wire.reader import Decoded, Reader
from llm_latency_lens.wire.server_error import (
    error_of_event,
    error_of_text,
    is_page,
    text_of_page,
)

MISLABELLED = "content_type_mislabelled"
"""The body is readable, and not what its Content-Type says."""
UNFRAMED = "unframed_events"
"""Objects of the stream came without the framing of its format."""

_PIECE, _LARGEST_PIECE = 1 << 10, 1 << 16
_MARKS: dict[str, tuple[StreamEvent, ...]] = {
    sse.COMMENT: (Ping(),),
    sse.UNTERMINATED: (Unterminated(),),
}
PINGS = frozenset({"ping", "pong", "heartbeat", "keepalive", "keep-alive", "keep_alive"})
"""Names, and data, of events that only keep a connection alive."""
_NOTHING = frozenset({b"", b"null", *(name.encode() for name in PINGS)})
"""Data that says nothing; so does a comment that a gateway turned into data."""
_ERRORS = frozenset({"error", "exception", "upstream_error", "stream_error"})
_NAMED = PINGS | _ERRORS | {*_MARKS, sse.UNFRAMED, sse.TOO_LARGE}
"""Names of events whose data is not for the reader."""
_ENDS = frozenset({b"[DONE]", b'"[DONE]"', b"[done]", b"DONE"})
"""Data that ends a stream, whatever the dialect."""
_CHATTER = frozenset(
    {
        "done",
        "end",
        "close",
        "complete",
        "finish",
        "start",
        "open",
        "connected",
        "ready",
        "info",
        "status",
    }
)
"""Names that gateways give to their own events, whose data need not be JSON."""
_QUOTED = 200
_MOST_UNFRAMED = 1 << 16


def decode_body(
    body: Iterable[bytes], content_type: str, max_event: int, reader: Reader
) -> Iterator[Decoded]:
    """Decode a 2xx body by what its bytes are; a label that says otherwise is noted."""
    whole = b"".join(body)
    shape = shape_of(whole, content_type)
    if shape == "empty" and content_type == "application/json":
        shape = "document"
    events = _SHAPES[shape](whole, content_type, max_event, reader)
    if not is_mislabelled(shape, content_type):
        return events
    return _noted(events)


def _noted(events: Iterator[Decoded]) -> Iterator[Decoded]:
    yield 0, Noted(MISLABELLED)
    yield from events


def _empty(_: bytes, content_type: str, __: int, ___: Reader) -> Iterator[Decoded]:
    """No body at all: a stream without an end, or something else if its label says so."""
    if content_type and not is_expected(content_type):
        words = f"content_type: an empty body came instead of an answer ({content_type})"
        yield 0, Malformed(words)


def _stream(whole: bytes, _: str, max_event: int, reader: Reader) -> Iterator[Decoded]:
    """One by one until an event is a mould; then what fits it at once; then on with what did not."""
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
    unframed: _UnframedLines | None = None
    for offset, kind, data in sse.events(_pieces(whole, position), max_event, position):
        if unframed is not None and kind != sse.UNFRAMED:
            yield unframed.end, unframed.read(reader)
            unframed = None
        if data[:1] == b"{" and kind not in _NAMED:
            yield offset, tuple(reader.read(data, kind))
        elif kind == sse.UNFRAMED:
            unframed = unframed or _UnframedLines()
            unframed.add(offset, data)
        elif kind == sse.TOO_LARGE:
            words = f"event_too_large: an event is longer than {max_event} bytes"
            yield offset, (Malformed(words),)
        else:
            yield offset, _MARKS[kind] if kind in _MARKS else _read_odd(reader, data, kind)
        if reader.broken:
            return
    if unframed is not None:
        yield unframed.end, unframed.read(reader)


def _read_odd(reader: Reader, data: bytes, kind: str) -> tuple[StreamEvent, ...]:
    """The events of data that is no object, or of an event whose name says more than its data."""
    text = data.strip()
    while text.startswith(b"data:"):
        text = text.removeprefix(b"data:").strip()
    event = _event_of(text, kind)
    return tuple(reader.read(text, kind)) if event is None else (event,)


def _event_of(text: bytes, kind: str) -> StreamEvent | None:
    """What data means that no dialect has; None where it is for the reader."""
    if kind in _ERRORS:
        return error_of_event(text)
    if text in _ENDS:
        return Done()
    if text in _NOTHING or text[:1] == b":" or kind in PINGS:
        return Ping()
    if text[:1] == b"[":
        return error_of_text(text)
    return Unknown(kind) if kind in _CHATTER and text[:1] != b"{" else None


class _UnframedLines:
    """Lines of a stream of events that are no fields, until the next event tells what they were."""

    __slots__ = ("_size", "end", "lines")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.end = self._size = 0

    def add(self, end: int, line: bytes) -> None:
        """Take one more line, which ends at `end`."""
        self.end = end
        if self._size < _MOST_UNFRAMED:
            self.lines.append(line)
            self._size += len(line)

    def read(self, reader: Reader) -> tuple[StreamEvent, ...]:
        """The events that the lines tell of: an error, objects without framing, or just text."""
        lines = self.lines
        text = b"\n".join(lines)
        error = error_of_text(text)
        if error is not None:
            return (error,)
        if text.strip() in _ENDS:
            return (Done(),)
        objects = [text] if isinstance(read_any(text), dict) else lines
        if all(isinstance(read_any(line), dict) for line in objects):
            found = [event for line in objects for event in reader.read(line, "")]
            return (Noted(UNFRAMED), *found)
        return (Unframed(_quoted(text)),)


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


def _document(whole: bytes, _: str, __: int, reader: Reader) -> Iterator[Decoded]:
    yield len(whole), Document()
    for event in reader.read_document(whole.removeprefix(sse.BOM)):
        yield len(whole), event
    if not reader.broken:
        yield len(whole), Done()


def _lines(whole: bytes, _: str, max_event: int, reader: Reader) -> Iterator[Decoded]:
    """Each line of JSON with what the reader makes of it."""
    for offset, line, terminated in json_lines.lines((whole,), max_event):
        if line[:1] == b"{":
            read = reader.read(line, "")
        elif line is json_lines.TOO_LARGE:
            read = (Malformed(f"event_too_large: a line is longer than {max_event} bytes"),)
        else:
            read = _read_odd(reader, line.removeprefix(sse.BOM), "")
        if reader.broken and not terminated:
            yield offset, Unterminated()
        for event in read:
            yield offset, event
        if reader.broken or line is json_lines.TOO_LARGE:
            return


def _array(whole: bytes, _: str, max_event: int, reader: Reader) -> Iterator[Decoded]:
    """Each element of an array with what the reader makes of it."""
    found = False
    for offset, data in json_array.elements((whole,), max_event):
        if data is json_array.CLOSED:
            if not found:
                break
            yield offset, Done()
            return
        found = True
        if data is json_array.TOO_LARGE:
            yield offset, Malformed(f"event_too_large: an element is longer than {max_event} bytes")
            return
        for event in reader.read(data, ""):
            yield offset, event
        if reader.broken:
            return
    if not found:
        yield len(whole), Malformed(f"invalid_json: an array without objects, {whole[:80]!r}")


def _text(whole: bytes, content_type: str, _: int, __: Reader) -> Iterator[Decoded]:
    """A body that is neither events nor JSON: an error, a page, or plain text."""
    error = error_of_text(whole[:_MOST_UNFRAMED])
    if error is not None:
        yield len(whole), error
        return
    what = "a page" if is_page(whole) else "text"
    label = f" ({content_type})" if content_type else ""
    words = _quoted(whole[:_MOST_UNFRAMED])
    yield (
        len(whole),
        Malformed(f'content_type: {what} came instead of an answer{label}, beginning "{words}"'),
    )


_SHAPES: dict[BodyShape, Callable[[bytes, str, int, Reader], Iterator[Decoded]]] = {
    "empty": _empty,
    "events": _stream,
    "document": _document,
    "lines": _lines,
    "array": _array,
    "text": _text,
}


def _quoted(text: bytes) -> str:
    """The first words of a text, as a reader would see them."""
    return text_of_page(text)[:_QUOTED]


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
