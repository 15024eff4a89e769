"""Bodies that a server compressed though nobody asked for it: the same reads, over the bytes they mean.

A compressor gives bytes out when it likes, so what such a stream times is its flushes; records say so.
"""

import array
import zlib

import msgspec

from llm_latency_lens.model.recording import READ_FIELDS, Head, Recording

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_LARGEST_RATIO = 200
_ALWAYS_ALLOWED = 1 << 20


class InflateError(ValueError):
    """The body can't be unpacked; the message begins with the cause."""


def encoding_of(head: Head) -> str:
    """The content coding of a response; "" for none."""
    coding = (head.get("content-encoding") or "").strip().lower()
    return "" if coding == "identity" else coding


def inflate(recording: Recording, coding: str, most: int) -> Recording:
    """The recording with its body unpacked, read by read.

    Raises:
        InflateError: an unknown coding, broken data, or more than `most` bytes (or 200 times what came).
    """
    window = _WINDOW.get(coding)
    if window is None:
        raise InflateError(f"content_encoding: {coding!r} was not asked for and can't be read")
    unpacker = zlib.decompressobj(window)
    rows = recording.read_rows().tolist()
    allowed = min(most, max(_ALWAYS_ALLOWED, len(recording.body) * _LARGEST_RATIO))
    pieces: list[bytes] = []
    begin = size = 0
    for at in range(0, len(rows), READ_FIELDS):
        try:
            piece = unpacker.decompress(recording.body[begin : rows[at]], allowed - size + 1)
        except zlib.error as error:
            raise InflateError(f"content_encoding: broken {coding}: {error}") from None
        begin = rows[at]
        size += len(piece)
        if size > allowed:
            raise InflateError(f"body_too_large: {coding} unpacks to more than {allowed} bytes")
        pieces.append(piece)
        rows[at] = size
    return msgspec.structs.replace(
        recording, body=b"".join(pieces), reads=array.array("q", rows).tobytes()
    )
