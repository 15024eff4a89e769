"""A scripted server on a raw loopback socket: it does to its client exactly what its script says.

A script is a list of steps, played once per connection (or once per request, after `Answer`). It runs in
a thread of its own; its ledger has the monotonic instant of everything it sent and got.
"""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator

from msgspec import Struct

Step = Callable[["Peer"], None]


class Sent(Struct, frozen=True):
    """One send: when (just before), how much."""

    at: int
    size: int


class Peer:
    """One connection as a script sees it."""

    def __init__(self, sock: socket.socket, server: "Hostile") -> None:
        self.sock = sock
        self.server = server

    def send(self, data: bytes) -> None:
        """Send, and write it down."""
        self.server.sent.append(Sent(time.monotonic_ns(), len(data)))
        self.sock.sendall(data)

    def request(self) -> bytes:
        """Read one whole request (by its Content-Length)."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.sock.recv(65536)
            if not piece:
                raise ConnectionError("the client has gone")
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            piece = self.sock.recv(1 << 20)
            if not piece:
                raise ConnectionError("the client has gone")
            body += piece
        self.server.requests.append(head + b"\r\n\r\n" + body)
        return data


def request() -> Step:
    """Wait for a request."""
    return lambda peer: void(peer.request())


def void(_: object) -> None:
    """Forget a value."""


def send(data: bytes) -> Step:
    """Send bytes in one go."""
    return lambda peer: peer.send(data)


def drip(data: bytes, every: float) -> Step:
    """Send byte by byte, `every` seconds one, until the client goes."""

    def step(peer: Peer) -> None:
        for index in range(len(data)):
            peer.send(data[index : index + 1])
            if peer.server.closing.wait(every):
                return

    return step


def wait(seconds: float) -> Step:
    """Be slow: this server's own delay."""
    return lambda peer: void(peer.server.closing.wait(seconds))


def until(event: threading.Event) -> Step:
    """Hold still until the test lets go."""
    return lambda _: void(event.wait(10))


def silence() -> Step:
    """Send nothing more and keep the connection open until the server is closed."""
    return lambda peer: void(peer.server.closing.wait(30))


def fin() -> Step:
    """Close politely."""

    def step(peer: Peer) -> None:
        peer.sock.close()

    return step


def reset() -> Step:
    """Close with a reset."""

    def step(peer: Peer) -> None:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sock.close()

    return step


def flood(piece: bytes, most: int) -> Step:
    """Send `piece` again and again, up to `most` bytes or until the client goes."""

    def step(peer: Peer) -> None:
        for _ in range(most // len(piece)):
            peer.sock.sendall(piece)

    return step


class Hostile:
    """The server: `url` to reach it, `requests` it got, `sent` it sent, `accepted` connections."""

    def __init__(
        self, script: list[Step], tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=512)
        self._script = script
        self._tls = tls
        self._sockets: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.closing = threading.Event()
        self.requests: list[bytes] = []
        self.sent: list[Sent] = []
        self.accepted = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Let everything go."""
        self.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            thread = threading.Thread(target=self._play, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _play(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError, ConnectionError):
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self._sockets.append(sock)
            peer = Peer(sock, self)
            for step in self._script:
                step(peer)
        with contextlib.suppress(OSError):
            if self._script and not self.closing.is_set():
                sock.close()


@contextlib.contextmanager
def hostile(
    *script: Step, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[Hostile]:
    """Run a script for the length of a `with` block."""
    server = Hostile(list(script), tls, host)
    try:
        yield server
    finally:
        server.close()
