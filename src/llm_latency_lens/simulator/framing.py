"""HTTP/1.1 around an answer: its head, and how the pieces of a body are told apart."""

import http
import zlib
from typing import Protocol

import msgspec
from msgspec import Struct

_JSON = msgspec.json.Encoder().encode
_GZIP = 16 + zlib.MAX_WBITS


class Framing(Protocol):
    """How a streamed body is framed. `fields` go into the head; `stateless`: equal pieces, equal bytes."""

    fields: tuple[str, ...]
    stateless: bool

    def piece(self, data: bytes) -> bytes:
        """One piece of the body."""
        ...

    def end(self) -> bytes:
        """The end of the body."""
        ...


class Chunked(Struct, frozen=True):
    """Chunked coding; `trailer` fields follow the last chunk."""

    trailer: str = ""
    fields: tuple[str, ...] = ("Transfer-Encoding: chunked",)
    stateless: bool = True

    def piece(self, data: bytes) -> bytes:
        """A chunk; nothing for nothing, which would end the body."""
        return b"%x\r\n%s\r\n" % (len(data), data) if data else b""

    def end(self) -> bytes:
        """The last chunk."""
        return b"0\r\n" + self.trailer.encode() + b"\r\n"


class CloseDelimited(Struct, frozen=True):
    """No framing: the body ends with the connection."""

    fields: tuple[str, ...] = ("Connection: close",)
    stateless: bool = True

    def piece(self, data: bytes) -> bytes:
        """The bytes themselves."""
        return data

    def end(self) -> bytes:
        """Nothing."""
        return b""


class Gzipped:
    """Chunked, and compressed though nobody asked for it; each piece is flushed."""

    fields = ("Transfer-Encoding: chunked", "Content-Encoding: gzip")
    stateless = False

    def __init__(self) -> None:
        self._packer = zlib.compressobj(wbits=_GZIP)
        self._chunked = Chunked()

    def piece(self, data: bytes) -> bytes:
        """A chunk of compressed bytes."""
        packed = self._packer.compress(data) + self._packer.flush(zlib.Z_SYNC_FLUSH)
        return self._chunked.piece(packed)

    def end(self) -> bytes:
        """The compressor's end, and the last chunk."""
        return self._chunked.piece(self._packer.flush()) + self._chunked.end()


def head(status: int, fields: tuple[str, ...], *, keep_alive: bool) -> bytes:
    """The head of a response."""
    lines = (f"HTTP/1.1 {status} {_reason(status)}", *fields)
    ending = () if keep_alive else ("Connection: close",)
    return "\r\n".join((*lines, *ending, "", "")).encode()


def response(status: int, body: bytes, *, keep_alive: bool, fields: tuple[str, ...]) -> bytes:
    """A whole response; the body's type is among its `fields`."""
    own = (*fields, f"Content-Length: {len(body)}")
    return head(status, own, keep_alive=keep_alive) + body


def json_response(
    status: int, document: object, *, keep_alive: bool, fields: tuple[str, ...] = ()
) -> bytes:
    """A whole response with a JSON body and, where given, further header fields."""
    named = ("Content-Type: application/json", *fields)
    return response(status, _JSON(document), keep_alive=keep_alive, fields=named)


def _reason(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Status"
