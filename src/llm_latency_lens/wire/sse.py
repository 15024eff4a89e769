"""Server-Sent Events on bytes (WHATWG HTML, section 9.2.6), as a generator over pieces cut anywhere.

Only LF, CRLF and CR end a line; everything else a line may hold, U+2028 included, is content. An event's
offset is the one just behind the first byte of the blank line's terminator: the LF of a CRLF belongs to
it but moves nothing, so that the offset does not depend on where the bytes were cut.

Two departures from the standard, for servers that do not keep to it, where the standard gives no JSON:
events that no blank line parts, and JSON whose second and further lines are not marked as data.
"""

from collections.abc import Iterable, Iterator

from llm_latency_lens.wire.json_object import read_any

COMMENT = ":"
"""Type of what is yielded for a comment line; its data is the comment's text."""
TOO_LARGE = "\x00too_large"
"""Type of what is yielded, last, for an event beyond the cap."""
UNFRAMED = "\x00unframed"
"""Type of what is yielded for a line that is neither a field nor a comment; its data is the line."""
UNTERMINATED = "\x00unterminated"
"""Type of what is yielded before an event that lacked its blank line at the end of the stream."""

BOM = b"\xef\xbb\xbf"
_FIELDS = frozenset({b"id", b"retry"})
"""Fields of the format that mean nothing here."""
_BEGINNINGS = frozenset({b"{", b"["})
"""What a line of data begins with that is an event of its own, where another one is whole before it."""
_TRIES = 32

Item = tuple[int, str, bytes]


def events(body: Iterable[bytes], max_event: int, start: int = 0) -> Iterator[Item]:
    """Yield (end offset, event type, data) for each event; `data` has its lines joined by LF.

    Args:
        body: the stream in pieces.
        max_event: an event of more bytes than this ends the stream with `TOO_LARGE`.
        start: how many bytes, of whole events, came before `body`.
    """
    parser = _Parser(max_event)
    parser.skip(start)
    for text in body if start else _after_bom(body, parser):
        yield from parser.feed(text)
        if parser.overflown:
            return
    yield from parser.end()


def _after_bom(body: Iterable[bytes], parser: "_Parser") -> Iterator[bytes]:
    """The pieces without a byte order mark at the very start, however that is cut."""
    start = b""
    pieces = iter(body)
    for piece in pieces:
        start += piece
        if len(start) >= len(BOM) or not BOM.startswith(start):
            break
    if start.startswith(BOM):
        parser.skip(len(BOM))
        start = start[len(BOM) :]
    yield start
    yield from pieces


class _Parser:
    """The state between pieces: an unfinished line, and the unfinished event it belongs to."""

    __slots__ = (
        "_cap",
        "_data",
        "_data_end",
        "_event_start",
        "_had_cr",
        "_next_type",
        "_pending",
        "_position",
        "_tries",
        "_type",
        "overflown",
    )

    def __init__(self, cap: int) -> None:
        self.overflown = False
        self._cap = cap
        self._position = 0  # offset of the first byte that is not consumed
        self._event_start = 0
        self._pending: list[bytes] = []  # of an unfinished line (or, between events, event)
        self._data: list[bytes] = []
        self._data_end = 0  # behind the newest line of data
        self._type = ""
        self._next_type: str | None = None  # named behind data: of this event, or of the next one
        self._had_cr = False
        self._tries = 0

    def skip(self, count: int) -> None:
        """Leave out `count` bytes that belong to no event."""
        self._position += count
        self._event_start = self._position

    def feed(self, piece: bytes) -> Iterator[Item]:
        """Take the next piece; yield what it completes."""
        if self._had_cr and piece:
            self._had_cr = False
            if piece[:1] == b"\n":
                self._position += 1
                if not self._data and not self._type:
                    self._event_start = self._position
                piece = piece[1:]
        has_cr = b"\r" in piece
        if not has_cr and b"\n" not in piece:
            self._pending.append(piece)
            if sum(map(len, self._pending)) + self._position - self._event_start > self._cap:
                yield self._overflow()
            return
        if self._pending:
            self._pending.append(piece)
            piece = b"".join(self._pending)
            self._pending.clear()
        if self._data or self._type:
            yield from self._lines(piece)
        else:
            yield from self._blocks(piece, b"\r\n" if b"\r" in piece else b"\n")

    def _blocks(self, text: bytes, line_end: bytes) -> Iterator[Item]:
        """The quick way: nothing is open, so an empty line parts two events; odd ones go the other way."""
        blocks = text.split(line_end + line_end)
        rest = blocks.pop()
        position, cap, width = self._position, self._cap, len(line_end)
        for block in blocks:
            found = _simple(block, line_end) if len(block) + width < cap else None
            if found is not None:
                yield position + len(block) + width + 1, *found
            else:
                self._position = self._event_start = position
                yield from self._lines(block + line_end + line_end)
                if self.overflown:
                    return
            position += len(block) + 2 * width
        self._position = self._event_start = position
        if b"\n" in rest or b"\r" in rest:
            yield from self._lines(rest)
        elif len(rest) > cap:
            yield self._overflow()
        elif rest:
            self._pending.append(rest)

    def _lines(self, text: bytes) -> Iterator[Item]:
        lines = text.splitlines(keepends=True)
        if lines and lines[-1][-1:] not in {b"\n", b"\r"}:
            self._pending.append(lines.pop())
        for line in lines:
            content = line.rstrip(b"\r\n") if line[-2:] == b"\r\n" else line[:-1]
            end = self._position + len(content) + 1
            if end - self._event_start > self._cap:
                yield self._overflow()
                return
            self._position += len(line)
            if content:
                yield from self._line(content, end)
            else:
                yield from self._dispatch(end)
        self._had_cr = bool(lines) and lines[-1][-1:] == b"\r" and not self._pending
        if self._pending and self._position + len(self._pending[0]) - self._event_start > self._cap:
            yield self._overflow()

    def _line(self, line: bytes, end: int) -> Iterator[Item]:
        field, _, value = line.partition(b":")
        if field == b"data":
            yield from self._add(value.removeprefix(b" "), end)
        elif field == b"event":
            self._name(value.removeprefix(b" ").decode("utf-8", "replace"))
        elif not field:
            yield self._outside(end, COMMENT, value.removeprefix(b" "))
        elif field not in _FIELDS:
            if self._data and self._is_open():
                # JSON over several lines, of which only the first is marked as data.
                self._data.append(line)
            else:
                yield self._outside(end, UNFRAMED, line)

    def _outside(self, end: int, kind: str, line: bytes) -> Item:
        """A line that belongs to no event, and so does not count for the size of one."""
        if not self._data and not self._type:
            self._event_start = self._position
        return end, kind, line

    def _name(self, name: str) -> None:
        if self._data:
            self._next_type = name
        else:
            self._type = name

    def _add(self, value: bytes, end: int) -> Iterator[Item]:
        """Take a line of data; where the one before is a whole object, no blank line parted them."""
        if self._data and value[:1] in _BEGINNINGS and self._is_whole():
            following, self._next_type = self._next_type, None
            yield from self._dispatch(self._data_end)
            self._type = following or ""
        self._data.append(value)
        self._data_end = end

    def _is_whole(self) -> bool:
        """Whether the lines of data are JSON that nothing can be added to, or a usual end marker."""
        text = b"\n".join(self._data).strip()
        return text == b"[DONE]" or (text[-1:] == b"}" and self._parses(text))

    def _is_open(self) -> bool:
        """Whether the lines of data are the beginning of a JSON object or array, and not all of it."""
        text = b"\n".join(self._data)
        return text.lstrip()[:1] in _BEGINNINGS and not self._parses(text)

    def _parses(self, text: bytes) -> bool:
        """Whether a text is JSON; of one event that is asked a few times only, however many lines it has."""
        self._tries += 1
        return self._tries <= _TRIES and read_any(text) is not None

    def _dispatch(self, end: int) -> Iterator[Item]:
        data, kind = self._data, self._type if self._next_type is None else self._next_type
        self._data, self._type, self._next_type, self._tries = [], "", None, 0
        self._event_start = self._position
        if data:
            yield end, kind, b"\n".join(data) if len(data) > 1 else data[0]

    def end(self) -> Iterator[Item]:
        """The stream is over: what is open is read as if it had been closed, and said to be open."""
        rest = b"".join(self._pending)
        self._pending.clear()
        end = self._position + len(rest)
        self._position = end
        if rest:
            yield from self._line(rest, end)
        if self._data:
            yield end, UNTERMINATED, b""
            yield from self._dispatch(end)

    def _overflow(self) -> Item:
        self.overflown = True
        self._pending.clear()
        return self._event_start + self._cap + 1, TOO_LARGE, b""


def _simple(block: bytes, line_end: bytes) -> tuple[str, bytes] | None:
    """Type and data of an event that is a line `data: `, or that after a line `event: `; None for any other."""
    if block[:6] == b"data: " and b"\n" not in block:
        kind, data = "", block[6:]
    else:
        name, _, data = block.partition(line_end + b"data: ")
        if name[:7] != b"event: " or not data or b"\n" in name or b"\n" in data:
            return None
        kind = name[7:].decode("utf-8", "replace")
    # Where lines end in CRLF, a CR of its own would be one more line end.
    return None if len(line_end) == 2 and (b"\r" in data or "\r" in kind) else (kind, data)
