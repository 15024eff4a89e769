"""Which connections can be read now, and since when each of them had nothing to read.

The sockets stand in an epoll set of their own, which the event loop watches as one file. So every
connection that is ready now was not ready at the poll before, and nothing that it holds had arrived by
then: the earliest end of an arrival interval. All ready sockets are read before any of the bytes are
looked at, those that wait for the first byte of their answer first.
"""

import asyncio
import select
import sys
import time
from collections.abc import Callable
from typing import Protocol

from llm_latency_lens.transport.awake import AwakeTime

Read = tuple[bytes, int, int] | OSError
"""What one `recvmsg` gave: data, user stamp, kernel stamp or 0; or the error that it raised."""

_MOST_EVENTS = 4096
RESOLUTION_NS = 100_000
"""Intervals are not narrowed below a fifth of the smallest bias budget: it would cost system calls."""


class Readable(Protocol):
    """A connection as the poller knows it."""

    answering: bool

    def receive(self) -> Read:
        """Read what the socket holds, at most one buffer."""
        ...

    def handle(self, read: Read, earliest: int) -> None:
        """Look at what was read; none of it had arrived by the instant `earliest`."""
        ...


def _answering(connection: Readable) -> bool:
    return connection.answering


class Poller:
    """The connections of one event loop; it exists in the loop as long as there is one."""

    __slots__ = ("_awake", "_connections", "_epoll", "_loop", "_polled")

    def __init__(self) -> None:
        self._connections: dict[int, Readable] = {}
        self._epoll: select.epoll | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._polled = 0
        self._awake = AwakeTime()

    def add(self, fd: int, connection: Readable) -> None:
        """Read `connection` whenever its socket `fd` has something."""
        loop = asyncio.get_running_loop()
        self._connections[fd] = connection
        if sys.platform != "linux":
            loop.add_reader(fd, self._read_one(connection))
            return
        if self._epoll is None:
            self._epoll = select.epoll()
            self._polled = time.monotonic_ns()
            self._awake.since_last_call()
            loop.add_reader(self._epoll.fileno(), self._on_ready)
        self._loop = loop
        self._epoll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        """Forget the socket `fd`, which is still open."""
        if self._connections.pop(fd, None) is None:
            return
        if self._epoll is None:
            asyncio.get_running_loop().remove_reader(fd)
            return
        self._epoll.unregister(fd)
        if not self._connections:
            self._close()

    def contradict(self, missing: int) -> None:
        """A byte had arrived `missing` ns before the instant that was said to be the earliest."""
        self._awake.was_short(missing)

    def _close(self) -> None:
        if self._epoll is not None and self._loop is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
        self._epoll = None

    def _on_ready(self) -> None:
        epoll = self._epoll
        if epoll is None:
            return
        now = time.monotonic_ns()
        ready = [self._connections[fd] for fd, _ in epoll.poll(0, _MOST_EVENTS)]
        earliest = self._quiet_until(now)
        if len(ready) > 1:
            ready.sort(key=_answering)
        reads = [connection.receive() for connection in ready]
        for connection, read in zip(ready, reads, strict=True):
            connection.handle(read, earliest)

    def _quiet_until(self, now: int) -> int:
        """The latest known instant at which nothing that is ready now had arrived.

        The previous poll; or, where that is long ago, the instant from which on this thread can have been
        awake: a thread that sleeps in the event loop is woken by the first byte that arrives.
        """
        before, self._polled = self._polled, now
        if now - before <= RESOLUTION_NS:
            return before
        return max(before, now - self._awake.since_last_call())

    def _read_one(self, connection: Readable) -> Callable[[], None]:
        """The callback of one connection where there is no epoll: nothing is known of the time before."""

        def on_ready() -> None:
            connection.handle(connection.receive(), 0)

        return on_ready
