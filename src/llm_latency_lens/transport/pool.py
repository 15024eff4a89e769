"""Idle connections, kept for the next request: last in, first out, no cap and no waiting.

A pool that makes requests wait would put its own queue into the measurement, so there is none: where
no idle connection is at hand, a new one is made. And as a request on a dying connection fails without
being retried, a server must show that it keeps connections: some (llama.cpp's, for one) promise
keep-alive and close a moment after each answer. Until one connection to a server has outlived a
probation, no connection to it is used again before that; a stale one makes the next probation longer.
"""

import time

from llm_latency_lens.model.request import Url
from llm_latency_lens.transport.connection import Connection

PROBATION_NS = 2_000_000
_LONGEST_PROBATION_NS = 200_000_000


class _Shelf:
    """The idle connections to one server, and whether it has shown that it keeps them."""

    __slots__ = ("idle", "probation", "trusted")

    def __init__(self, probation: int) -> None:
        self.idle: list[Connection] = []
        self.probation = probation
        self.trusted = False


class Pool:
    """Idle connections by scheme, host and port; `probation` in ns.

    With `rotate` the connection used longest ago is taken, so that all of them, and the addresses that
    they go to, have their turn.
    """

    def __init__(self, probation: int = PROBATION_NS, *, rotate: bool = False) -> None:
        self._probation = probation
        self._next = 0 if rotate else -1
        self._shelves: dict[tuple[str, str, int], _Shelf] = {}

    def take(self, url: Url) -> Connection | None:
        """The connection used last that can be used again; None where there is none."""
        shelf = self._shelf(url)
        if not shelf.trusted:
            shelf.idle = [connection for connection in shelf.idle if connection.is_open()]
            oldest = min((one.idle_since for one in shelf.idle), default=None)
            shelf.trusted = oldest is not None and time.monotonic_ns() - oldest >= shelf.probation
        # Only the one that is taken is asked (a system call): asking all takes a millisecond at 512.
        while shelf.trusted and shelf.idle:
            connection = shelf.idle.pop(self._next)
            if connection.is_open():
                return connection
        return None

    def give(self, url: Url, connection: Connection) -> None:
        """Keep `connection` for later, if it can be used again."""
        if connection.alive:
            self._shelf(url).idle.append(connection)

    def distrust(self, url: Url) -> None:
        """A kept connection to the server was dead when it was used."""
        shelf = self._shelf(url)
        shelf.trusted = False
        shelf.probation = min(2 * shelf.probation, _LONGEST_PROBATION_NS)

    @property
    def size(self) -> int:
        """How many idle connections are alive."""
        return sum(
            connection.alive for shelf in self._shelves.values() for connection in shelf.idle
        )

    def close(self) -> None:
        """Close all idle connections."""
        for shelf in self._shelves.values():
            for connection in shelf.idle:
                connection.close()
        self._shelves.clear()

    def _shelf(self, url: Url) -> _Shelf:
        return self._shelves.setdefault((url.scheme, url.host, url.port), _Shelf(self._probation))
