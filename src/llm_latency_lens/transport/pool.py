"""Idle connections, kept for the next request: last in, first out, no cap and no waiting.

A pool that makes requests wait would put its own queue into the measurement, so there is none: where
no idle connection is at hand, a new one is made.
"""

from llm_latency_lens.model.request import Url
from llm_latency_lens.transport.connection import Connection


class Pool:
    """Idle connections by scheme, host and port."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str, int], list[Connection]] = {}

    def take(self, url: Url) -> Connection | None:
        """The connection used last, where one is idle and alive."""
        idle = self._idle.get((url.scheme, url.host, url.port), [])
        while idle:
            connection = idle.pop()
            if connection.alive:
                return connection
        return None

    def give(self, url: Url, connection: Connection) -> None:
        """Keep `connection` for later, if it can be used again."""
        if connection.alive:
            self._idle.setdefault((url.scheme, url.host, url.port), []).append(connection)

    @property
    def size(self) -> int:
        """How many idle connections are alive."""
        return sum(connection.alive for idle in self._idle.values() for connection in idle)

    def close(self) -> None:
        """Close all idle connections."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()
