"""A bare blocking HTTP/1.1 client, for holding servers to account: it shares no code with the package."""

import json
import socket
from typing import Any

from msgspec import Struct


class Response(Struct, frozen=True):
    """A whole response: status, header fields (names in lower case), body, and every byte there was."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever the server said
        """The body as JSON."""
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The JSON of each server-sent event but the last, which must be the end marker."""
        *events, done, rest = self.body.split(b"\n\n")
        assert (done, rest) == (b"data: [DONE]", b"")
        assert all(event.startswith(b"data: ") for event in events)
        return [json.loads(event[6:]) for event in events]


def dial(address: str, receive_buffer: int | None = None) -> socket.socket:
    """Connect to `http://host:port`."""
    host, port = address.removeprefix("http://").rsplit(":", 1)
    sock = socket.socket()
    sock.settimeout(20)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.connect((host, int(port)))
    return sock


def chat(*fields: str, **body: Any) -> bytes:  # noqa: ANN401 - anything JSON
    """The bytes of a chat request with the header fields and body keys given."""
    said = {"model": "sim", "stream": True, "messages": [{"role": "user", "content": "a b c"}]}
    return post(json.dumps({**said, **body}).encode(), *fields)


def post(body: bytes, *fields: str, path: str = "/v1/chat/completions") -> bytes:
    """The bytes of a POST."""
    lines = (f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *fields, "", "")
    return "\r\n".join(lines).encode() + body


def receive(sock: socket.socket, seen: bytes = b"") -> Response:
    """Read one response to its end, by its own framing."""
    raw = bytearray(seen)
    while b"\r\n\r\n" not in raw:
        raw += _more(sock)
    head, _, _ = bytes(raw).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {key.lower(): value for key, value in (line.split(": ", 1) for line in lines)}
    size = len(head) + 4
    if headers.get("transfer-encoding") == "chunked":
        while not raw.endswith(b"\r\n0\r\n\r\n"):
            raw += _more(sock)
        body = _unchunk(bytes(raw[size:]))
    else:
        length = int(headers["content-length"])
        while len(raw) < size + length:
            raw += _more(sock)
        body = bytes(raw[size:])
        assert len(body) == length
    return Response(int(first.split(" ")[1]), headers, body, bytes(raw))


def ask(sock: socket.socket, request: bytes) -> Response:
    """Send and receive."""
    sock.sendall(request)
    return receive(sock)


def ended(sock: socket.socket) -> bool:
    """Whether the server has closed its side, with nothing left to read."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def _more(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    assert data, "the connection ended inside the response"
    return data


def _unchunk(data: bytes) -> bytes:
    pieces: list[bytes] = []
    at = 0
    while True:
        line = data.index(b"\r\n", at)
        begin, length = line + 2, int(data[at:line], 16)
        at = begin + length + 2
        assert data[at - 2 : at] == b"\r\n"
        if not length:
            assert at == len(data)
            return b"".join(pieces)
        pieces.append(data[begin : at - 2])
