"""Events that differ in their text alone, read many at a time.

Most of a stream is one event over and over with another text in it. When the reader has read one such
event, the bytes around its text are a mould: what follows and fits is cut along it, and only the texts
are looked at. A mould counts only if an event made with it, of a text never seen, is read as just that
text; so what comes out is what reading one by one would give.
"""

import copy
import re
from itertools import accumulate
from typing import Self

import msgspec
from msgspec import Struct

from llm_latency_lens.model.events import Delta, DeltaKind, Deltas, StreamEvent
from llm_latency_lens.wire import sse
from llm_latency_lens.wire.reader import Reader

_WINDOW = 1 << 16
_PROBE = "\N{MIDDLE DOT}mould\N{MIDDLE DOT}"
_PATIENCE = 4
"""So many vain tries in a row, and no more are made with this body."""
_WORTH = 16
"""A mould that fits so many events was worth making."""
_TEXTS = re.compile(
    rb'(?:(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}'
    rb"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))++\n)*+"
)
"""As many JSON strings as are whole and not empty, without their quotes, each with a LF behind it."""

_LF = 0x0A
_SPECIAL = bytes(range(0x20)) + b'"\\'
"""What a JSON string can't hold as it is."""

_unquote = msgspec.json.Decoder(str).decode


class Mould(Struct, frozen=True):
    """The bytes of an event `before` its text and `after` it, both quotes included.

    `slack` is how far an event's bytes reach beyond its end offset.
    """

    before: bytes
    after: bytes
    kind: DeltaKind
    choice: int
    slack: int

    @classmethod
    def of(cls, event: bytes, delta: Delta, reader: Reader) -> Self | None:
        """The mould that `event` came from, or None: `reader` has read it as `delta`."""
        quoted = b'"%s"' % delta.text.encode("utf-8", "replace")
        # A byte-order mark is read over at the body's very beginning only.
        if event.count(quoted) != 1 or event.startswith(sse.BOM):
            return None
        before, after = event.split(quoted)
        before, after = before + b'"', b'"' + after
        made = b"%s%s%s" % (before, _PROBE.encode(), after)
        found = list(sse.events((made,), len(made)))
        if len(found) != 1:
            return None
        end, kind, data = found[0]
        # A copy reads it: an event that turns out to mean something else leaves no trace.
        expected = (Delta(delta.kind, _PROBE, delta.choice),)
        if tuple(copy.copy(reader).read(data, kind)) != expected:
            return None
        return cls(before, after, delta.kind, delta.choice, len(made) - end)

    def cast(self, body: bytes, position: int, max_event: int) -> Deltas | None:
        """The events from `position` on that fit, up to some tens of kilobytes, as one; None where the next does not."""
        if not body.startswith(self.before, position):
            return None
        window = body[position : position + _WINDOW]
        pieces = window.split(self.after)
        rest = pieces.pop()  # an event whose end was not found
        begin = position - self.slack
        texts = [piece.removeprefix(self.before) for piece in pieces]
        ends = self._ends(texts, begin)
        joined = b"\n".join(texts) + b"\n"
        if ends[-1] - begin != len(window) - len(rest) or not _plain(joined, len(texts)):
            texts = _whole(pieces, self.before)
            ends = self._ends(texts, begin)
            joined = b"\n".join(texts) + b"\n"
        if not texts or (
            len(window) > max_event and max(map(int.__sub__, ends[1:], ends)) > max_event
        ):
            return None
        try:
            decoded = joined[:-1].decode()
        except UnicodeDecodeError:
            return None
        said = decoded.split("\n")
        characters = len(decoded) - (len(said) - 1)
        if b"\\" in joined:
            said = [_unquote(f'"{text}"') if "\\" in text else text for text in said]
            characters = sum(map(len, said))
        return Deltas(self.kind, said, ends[1:], characters, self.choice)

    def _ends(self, texts: list[bytes], begin: int) -> list[int]:
        """Where the events of `texts` end, after `begin`."""
        width = len(self.before) + len(self.after)
        return list(accumulate([len(text) + width for text in texts], initial=begin))


def _plain(joined: bytes, count: int) -> bool:
    """Whether these are `count` texts, each with a LF behind it, without anything that JSON escapes."""
    special = len(joined) - len(joined.translate(None, _SPECIAL))
    return special == count and b"\n\n" not in joined and joined[0] != _LF


def _whole(pieces: list[bytes], before: bytes) -> list[bytes]:
    """What is behind `before` in each of `pieces`, up to the first where that is not a text and nothing else."""
    width = len(before)
    fits = [piece.startswith(before) and piece.find(b"\n", width) < 0 for piece in pieces]
    count = fits.index(False) if False in fits else len(pieces)
    texts = [piece[width:] for piece in pieces[:count]]
    joined = b"\n".join(texts) + b"\n"
    found = _TEXTS.match(joined)
    return texts[: joined.count(b"\n", 0, found.end())] if found is not None else []


class Moulds:
    """Finds moulds in one body, and gives up where they are not worth their while."""

    __slots__ = ("_body", "_max_event", "_patience", "_reader")

    def __init__(self, body: bytes, max_event: int, reader: Reader) -> None:
        self._body = body
        self._max_event = max_event
        self._reader = reader
        self._patience = _PATIENCE

    def of(self, begin: int, end: int, read: tuple[StreamEvent, ...]) -> Mould | None:
        """The mould of the event between two positions, which was read as `read`; None where none is tried."""
        if len(read) != 1 or not self._patience or not isinstance(read[0], Delta):
            return None
        self._patience -= 1
        return Mould.of(self._body[begin:end], read[0], self._reader)

    def cast(self, mould: Mould, position: int) -> Deltas | None:
        """The next events, from `position` on, that fit `mould`."""
        deltas = mould.cast(self._body, position, self._max_event)
        if deltas is not None and len(deltas.ends) >= _WORTH:
            self._patience = _PATIENCE
        return deltas
