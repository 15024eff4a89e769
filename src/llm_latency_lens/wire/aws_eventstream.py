"""Amazon's event stream on bytes: messages with a checksum over the prelude and one over the whole, cut anywhere.

A message is total length, headers' length, CRC32 of these two, headers, payload, CRC32 of everything
before. Lengths are believed only after their checksum, and bounded before anything is waited for.
"""

import struct
from collections.abc import Iterable, Iterator
from zlib import crc32

from msgspec import Struct

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
_LEAST = 16
_STRING = 7
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Sizes of header values by type: true, false, byte, short, integer, long, timestamp, uuid."""
_MEASURED = frozenset({6, 7})
"""Types with a length before the value: bytes and string."""
_REMEMBERED = 64


class Message(Struct, frozen=True, gc=False):
    """One message; of the headers those that are strings."""

    headers: dict[str, str]
    payload: bytes


class Broken(Struct, frozen=True, gc=False):
    """Yielded, last, where the bytes break the format: which check failed."""

    words: str


class Incomplete(Struct, frozen=True, gc=False):
    """Yielded, last, where the bytes end inside a message."""


Found = Message | Broken | Incomplete


def begins(body: bytes) -> bool:
    """Whether a body is such a stream: text never begins with the length of a message below 16 MiB."""
    return not body or body[0] == 0


def messages(body: Iterable[bytes], max_message: int) -> Iterator[tuple[int, Found]]:
    """Yield (offset behind the message's last byte, message)."""
    known: dict[bytes, dict[str, str]] = {}
    rest = b""
    base = 0
    for piece in body:
        data = rest + piece if rest else piece
        at = 0
        while len(data) - at >= _PRELUDE.size:
            total, block, _ = _PRELUDE.unpack_from(data, at)
            broken = _check_prelude(data, at, max_message)
            if broken is not None:
                yield base + at + _PRELUDE.size, broken
                return
            end = at + total
            if end > len(data):
                break
            (crc,) = _CRC.unpack_from(data, end - 4)
            if crc32(data[at : end - 4]) != crc:
                yield base + end, Broken("crc: the checksum of a message is wrong")
                return
            begin = at + _PRELUDE.size
            headers = _headers(data[begin : begin + block], known)
            if isinstance(headers, Broken):
                yield base + end, headers
                return
            yield base + end, Message(headers, data[begin + block : end - 4])
            at = end
        rest = data[at:]
        base += at
    if rest:
        yield base + len(rest), Incomplete()


def _check_prelude(data: bytes, at: int, max_message: int) -> Broken | None:
    total, block, crc = _PRELUDE.unpack_from(data, at)
    if crc32(data[at : at + 8]) != crc:
        return Broken("crc: the checksum of a message's prelude is wrong")
    if total < _LEAST + block:
        return Broken(f"frame: a message of {total} bytes can't hold {block} bytes of headers")
    if total > max_message:
        return Broken(f"event_too_large: a message is longer than {max_message} bytes")
    return None


def _headers(block: bytes, known: dict[bytes, dict[str, str]]) -> dict[str, str] | Broken:
    """The string headers of a block; blocks repeat, so those already read are remembered."""
    headers = known.get(block)
    if headers is None:
        try:
            headers = _read_headers(block)
        except (IndexError, struct.error, UnicodeDecodeError):
            return Broken("frame: the headers of a message can't be read")
        except ValueError as error:
            return Broken(str(error))
        if len(known) < _REMEMBERED:
            known[block] = headers
    return headers


def _read_headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at = 0
    while at < len(block):
        begin = at + 1
        at = begin + block[at]
        name, kind = block[begin:at].decode(), block[at]
        at += 1
        if kind in _MEASURED:
            (size,) = _LENGTH.unpack_from(block, at)
            at += _LENGTH.size
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"frame: a header has the unknown type {kind}")
        if at + size > len(block):
            raise IndexError
        if kind == _STRING:
            headers[name] = block[at : at + size].decode()
        at += size
    return headers
