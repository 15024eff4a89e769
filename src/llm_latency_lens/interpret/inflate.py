"""Bodies that a server compressed unasked: the same reads, over the bytes that they mean.

The bytes outrank the label: what is plain text is read as it is, and what is gzip is unpacked,
whatever the header says. A compressor gives bytes out when it likes, so what such a stream times is
its flushes; records say so.
"""

import array
import zlib

import msgspec

from llm_latency_lens.model.recording import READ_FIELDS, Head, Recording

_NONE = frozenset({"", "identity", "none", "utf-8", "utf8", "binary", "8bit", "chunked"})
"""Names for no coding at all, and what servers write into this header that is none."""
_GZIP = b"\x1f\x8b"
_TEXT = frozenset({b"{", b"[", b"<", b":", b"\r", b"\n", b"\t", b" ", b"d", b"e", b"i", b"r"})
"""First bytes of JSON, pages and events; compressed bodies hardly ever begin so."""
_LARGEST_RATIO = 200
_ALWAYS_ALLOWED = 1 << 20


class InflateError(ValueError):
    """The body can't be unpacked; the message begins with the cause."""


def encodings_of(head: Head, body: bytes) -> tuple[tuple[str, ...], bool]:
    """Return a body's content codings, the outermost first, and whether the header is wrong."""
    named = (part.strip().lower() for part in (head.get("content-encoding") or "").split(","))
    codings = tuple(name for name in named if name not in _NONE)[::-1]
    found = _coding_of(body, codings[0] if codings else "")
    if not codings:
        return ((found,), True) if found == "gzip" else ((), False)
    if found in {codings[0], codings[0].removeprefix("x-")}:
        return codings, False
    return ((found, *codings[1:]) if found else ()), True


def _coding_of(body: bytes, named: str) -> str:
    """The outermost coding of a body by its first bytes ("" for plain text), else as it is named."""
    if body.startswith(_GZIP):
        return "gzip"
    if _is_zlib(body) and named:
        return "deflate"
    plain = body[:1] in _TEXT and body[:64].isascii()
    return "" if plain else named


def _is_zlib(body: bytes) -> bool:
    """Whether a body begins with zlib's two bytes, which many servers leave out of `deflate`."""
    return len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0


def inflate(recording: Recording, codings: tuple[str, ...], most: int) -> Recording:
    """Return the recording with its body unpacked, read by read.

    Raises:
        InflateError: an unknown coding, broken data, or more than `most` bytes (or 200 times what
            came).
    """
    allowed = min(most, max(_ALWAYS_ALLOWED, len(recording.body) * _LARGEST_RATIO))
    for coding in codings:
        recording = _inflated(recording, coding, allowed)
    return recording


def _inflated(recording: Recording, coding: str, allowed: int) -> Recording:
    unpacker = _Unpacker(coding, recording.body, allowed)
    rows = recording.read_rows().tolist()
    pieces: list[bytes] = []
    begin = 0
    for at in range(0, len(rows), READ_FIELDS):
        pieces.append(unpacker.unpack(recording.body[begin : rows[at]]))
        begin = rows[at]
        rows[at] = unpacker.size
    return msgspec.structs.replace(
        recording, body=b"".join(pieces), reads=array.array("q", rows).tobytes()
    )


class _Unpacker:
    """Unpacks a body piece by piece: a zlib or raw deflate stream, or gzip members in a row."""

    __slots__ = ("_allowed", "_coding", "_stream", "_window", "size")

    def __init__(self, coding: str, body: bytes, allowed: int) -> None:
        windows = {
            "gzip": 16 + zlib.MAX_WBITS,
            "x-gzip": 16 + zlib.MAX_WBITS,
            "deflate": zlib.MAX_WBITS if _is_zlib(body) else -zlib.MAX_WBITS,
        }
        if coding not in windows:
            raise InflateError(f"content_encoding: {coding!r} was not asked for and can't be read")
        self._coding, self._allowed, self._window = coding, allowed, windows[coding]
        self._stream = zlib.decompressobj(self._window)
        self.size = 0

    def unpack(self, piece: bytes) -> bytes:
        """What a piece of the body means."""
        found: list[bytes] = []
        while piece:
            if self._stream.eof:
                if not piece.startswith(_GZIP[: len(piece)]):
                    break  # padding behind the last member
                self._stream = zlib.decompressobj(self._window)
            found.append(self._decompress(piece))
            piece = self._stream.unused_data
        return b"".join(found)

    def _decompress(self, piece: bytes) -> bytes:
        try:
            data = self._stream.decompress(piece, self._allowed - self.size + 1)
        except zlib.error as error:
            raise InflateError(f"content_encoding: broken {self._coding}: {error}") from None
        self.size += len(data)
        if self.size > self._allowed:
            words = f"{self._coding} unpacks to more than {self._allowed} bytes"
            raise InflateError(f"body_too_large: {words}")
        return data
