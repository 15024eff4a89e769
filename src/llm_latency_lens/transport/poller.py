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

from llm_latency_lens.model.recording import StampSource
from llm_latency_lens.transport.awake import AwakeTime
from llm_latency_lens.transport.budget import BodyBudget
from llm_latency_lens.transport.packets import PacketRing
from llm_latency_lens.transport.stamps import KernelClock

Read = tuple[bytes, int, int] | OSError
"""What one `recvmsg` gave: data, user stamp, kernel stamp or 0; or the error that it raised."""

_MOST_EVENTS = 4096
_TICK_S = 0.01
_LOOK_EVERY, _SELDOM_EVERY = 5, 100
"""Ticks between two looks at quiet responses, and at all."""
_LONGEST_SLEEP_NS = 14_000_000
"""While answers are awaited the thread never sleeps longer in the event loop: a tick wakes it."""
RESOLUTION_NS = 100_000
"""Intervals are not narrowed below a fifth of the smallest bias budget: it would cost system calls."""


class Readable(Protocol):
    """A connection as the poller knows it."""

    answering: bool

    def take_acknowledgement(self, now: int) -> None:
        """Empty the socket's error queue: what was sent may have been acknowledged."""
        ...

    def write(self) -> None:
        """Write more of what is waiting to be sent."""
        ...

    def receive(self) -> Read:
        """Read what the socket holds, at most one buffer."""
        ...

    def handle(self, read: Read, earliest: int) -> None:
        """Look at what was read; none of it had arrived by the instant `earliest`."""
        ...

    def look(self, now: int, *, seldom: bool) -> None:
        """Look at a response while nothing comes, or (`seldom`) all the same."""
        ...


def _answering(connection: Readable) -> bool:
    return connection.answering


class Poller:
    """The connections of one event loop; it exists in the loop as long as there is one.

    Args:
        stamps: whose clock stamps what they receive.
        ports: those that connections will be made to; packet stamps need them.

    Attributes:
        kernel: the kernel's stamps, where they are wanted.
        packets: the ring of packets, where their stamps are wanted.
        bodies: what the responses under way hold.
        unasked: answers that nobody asked for, and that no exchange has told of yet.

    Raises:
        UsageError: packet stamps are wanted, and this process may not have them.
        MachineError: the kernel did not give the ring.
    """

    __slots__ = (
        "_awaited",
        "_awake",
        "_connections",
        "_epoll",
        "_loop",
        "_polled",
        "_ticking",
        "_ticks",
        "bodies",
        "kernel",
        "packets",
        "unasked",
    )

    def __init__(self, stamps: StampSource = "auto", ports: frozenset[int] = frozenset()) -> None:
        self.kernel = KernelClock(stamps)
        self.packets = PacketRing(ports) if stamps == "packet" else None
        self.bodies = BodyBudget()
        self.unasked = 0
        self._awaited = 0
        self._ticks = 0
        self._ticking: asyncio.TimerHandle | None = None
        self._connections: dict[int, Readable] = {}
        self._epoll: select.epoll | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._polled = 0
        self._awake = AwakeTime()

    def add(self, fd: int, connection: Readable) -> None:
        """Read `connection` whenever its socket `fd` has something."""
        loop = self._loop = asyncio.get_running_loop()
        self._connections[fd] = connection
        if sys.platform != "linux":
            loop.add_reader(fd, self._read_one(connection))
            return
        if self._epoll is None:
            self._epoll = select.epoll()
            self._polled = time.monotonic_ns()
            self._awake.since_last_call()
            loop.add_reader(self._epoll.fileno(), self._on_ready)
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

    def watch_writing(self, fd: int, connection: Readable, *, wanted: bool) -> None:
        """Have `connection` write whenever its socket `fd` takes something, or no longer.

        The event loop's own watch is not used beside the epoll set: libuv ends it at the first
        acknowledgement in the error queue.
        """
        if self._epoll is not None:
            self._epoll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if wanted else 0))
        elif wanted:
            asyncio.get_running_loop().add_writer(fd, connection.write)
        else:
            asyncio.get_running_loop().remove_writer(fd)

    def close(self) -> None:
        """Give the ring of packets back."""
        if self.packets is not None:
            self.packets.close()
            self.packets = None

    def await_answer(self) -> None:
        """An answer is awaited from now on: poll at least every ten milliseconds."""
        self._awaited += 1
        if self._ticking is None and self._loop is not None:
            self._ticking = self._loop.call_later(_TICK_S, self._tick)

    def end_answer(self) -> None:
        """An answer that was awaited has ended."""
        self._awaited -= 1

    def contradict(self, missing: int) -> None:
        """A byte had arrived `missing` ns before the instant that was said to be the earliest."""
        self._awake.was_short(missing)

    def _close(self) -> None:
        if self._epoll is not None and self._loop is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
        if self._ticking is not None:
            self._ticking.cancel()
        self._epoll = self._ticking = None

    def _tick(self) -> None:
        self._ticking = None
        if self._awaited and self._connections and self._loop is not None:
            self._ticking = self._loop.call_later(_TICK_S, self._tick)
            self._on_ready()
            self._ticks += 1
            if self._ticks % _LOOK_EVERY == 0:
                self._look(seldom=self._ticks % _SELDOM_EVERY == 0)

    def _look(self, *, seldom: bool) -> None:
        now = time.monotonic_ns()
        for connection in tuple(self._connections.values()):
            connection.look(now, seldom=seldom)

    def _on_ready(self) -> None:
        epoll = self._epoll
        if epoll is None:
            return
        now = time.monotonic_ns()
        ready = []
        for fd, events in epoll.poll(0, _MOST_EVENTS):
            connection = self._connections[fd]
            if events & select.EPOLLERR:
                connection.take_acknowledgement(now)
            if events & select.EPOLLOUT:
                connection.write()
            if events & ~select.EPOLLOUT:
                ready.append(connection)
        earliest = self._quiet_until(now)
        if len(ready) > 1:
            ready.sort(key=_answering)
        reads = [connection.receive() for connection in ready]
        for connection, read in zip(ready, reads, strict=True):
            connection.handle(read, earliest)

    def _quiet_until(self, now: int) -> int:
        """The latest known instant at which nothing that is ready now had arrived.

        The previous poll; or, where that is long ago, the instant from which on this thread can have been
        awake: a thread that sleeps in the event loop is woken by the first byte that arrives. A thread that
        slept through a tick was not in the event loop (it was stopped, say), and nothing woke it.
        """
        before, self._polled = self._polled, now
        if now - before <= RESOLUTION_NS:
            return before
        awake = self._awake.since_last_call()
        if now - before - awake > _LONGEST_SLEEP_NS:
            return before
        return max(before, now - awake)

    def _read_one(self, connection: Readable) -> Callable[[], None]:
        """The callback of one connection where there is no epoll: our own lateness is unknown there."""

        def on_ready() -> None:
            now = time.monotonic_ns()
            connection.handle(connection.receive(), now)

        return on_ready
