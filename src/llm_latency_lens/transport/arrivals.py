"""When the bytes of a read arrived: one interval for a read, or the exact instant of each segment.

A read's stamp is that of its last segment. What came before it in the same read arrived after the
connection was last known to be empty, or, where packets are watched, at the stamps of its packets.
"""

from collections.abc import Sequence

from llm_latency_lens.transport.link import Link
from llm_latency_lens.transport.poller import RESOLUTION_NS, Poller
from llm_latency_lens.transport.segments import SegmentCounter

READ_SIZE = 65536

Piece = tuple[bytes, int, int, int]
"""Bytes, user stamp, kernel or packet stamp (0: none), and the earliest instant of their arrival."""


class Arrivals:
    """The reads of one connection, in their order."""

    __slots__ = ("_flow", "_full_since", "_poller", "_received", "_segments")

    def __init__(self, link: Link, poller: Poller) -> None:
        self._flow = link.flow
        self._received = link.received
        self._poller = poller
        self._segments = SegmentCounter(link.sock)
        self._full_since = 0

    @property
    def watched(self) -> bool:
        """Whether the connection's packets are watched."""
        return self._flow is not None

    def forget(self) -> None:
        """The connection is closed."""
        if self._flow is not None and self._poller.packets is not None:
            self._poller.packets.forget(self._flow)

    def pieces(self, read: tuple[bytes, int, int], earliest: int) -> Sequence[Piece]:
        """What a read holds; nothing of it had arrived by `earliest` (monotonic ns)."""
        data, user, _ = read
        kernel, earliest = self._interval(read, earliest)
        if self._flow is None:
            return ((data, user, kernel, earliest),)
        begin = self._received
        self._received += len(data)
        found: list[Piece] = []
        for end, stamp in self._flow.cut(self._received, user):
            if end <= begin:
                continue
            piece = data[begin - self._received : end - self._received or None]
            if stamp:
                found.append((piece, user, stamp, stamp))
            else:
                # Its packets were not all seen: only the read's end has the kernel's stamp.
                found.append((piece, user, kernel if end == self._received else 0, earliest))
            begin = end
        return found

    def _interval(self, read: tuple[bytes, int, int], earliest: int) -> tuple[int, int]:
        """The kernel's stamp where it is that of the last byte, else 0; and the earliest instant.

        Both are the same where the read was one segment.
        """
        data, user, kernel = read
        left_behind = self._full_since
        if left_behind:
            earliest = min(earliest, left_behind)
        # A full buffer may have left something behind, which is then as old as this read; a stamp
        # before `earliest` shows that the read is older than that.
        since = min(earliest, kernel) if kernel else earliest
        self._full_since = since if len(data) == READ_SIZE else 0
        if kernel - earliest > RESOLUTION_NS:
            segments = self._segments.count()
            if segments is None:
                # Unknown, or the peer closed: then the stamp may be that of the stream's end.
                return 0, earliest
            # Segments that were left behind were counted with the read before.
            return kernel, kernel if segments <= 1 and not left_behind else earliest
        self._segments.skip()
        if not kernel:
            return 0, min(earliest, user)
        if kernel < earliest:
            self._poller.contradict(earliest - kernel)
        return kernel, min(earliest, kernel)
