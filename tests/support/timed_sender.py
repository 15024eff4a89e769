"""A TCP peer that writes pieces at known instants: every write between two stamps of its own."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence

from msgspec import Struct


class Write(Struct, frozen=True):
    """One write: where it ended in the stream, and the instants around it (monotonic ns)."""

    end: int
    before: int
    after: int


class TimedSender:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.writes: list[Write] = []

    def write(self, size: int) -> None:
        """Write `size` bytes at once."""
        end = self.writes[-1].end if self.writes else 0
        before = time.monotonic_ns()
        self.sock.sendall(b"x" * size)
        self.writes.append(Write(end + size, before, time.monotonic_ns()))

    def write_spaced(self, sizes: Sequence[int], gap: float) -> None:
        """Write pieces `gap` seconds apart, in another thread; returns once all are written."""

        def run() -> None:
            pause = threading.Event()
            for size in sizes:
                self.write(size)
                pause.wait(gap)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()


@contextlib.contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A listening socket on a free port of `host`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind((host, 0))
        server.listen()
        yield server


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """A port of the loopback that no other process gets while connections come and go on it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextlib.contextmanager
def connection(
    server: socket.socket, port: int | None = None
) -> Iterator[tuple[socket.socket, TimedSender]]:
    """A client socket connected to `server`, and the sender at the other end.

    With a held `port` as its own; it is free again as soon as the connection is closed.
    """
    with socket.socket(server.family, socket.SOCK_STREAM) as client:
        if port is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.bind(("127.0.0.1", port))
        client.connect(server.getsockname())
        peer, _ = server.accept()
        with peer:
            yield client, TimedSender(peer)
