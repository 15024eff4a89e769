"""The packets of one TCP connection, as arrival stamps of its received bytes.

Sequence numbers become offsets from the first byte after the handshake. A byte has arrived once all
bytes before it have: a segment that fills a gap also releases what waited behind the gap, and what
comes a second time changes nothing. Where a packet is missing the flow says so, and never guesses.
"""

import heapq
from collections import deque
from collections.abc import Callable

from llm_latency_lens.transport.stamps import is_plausible

_SEQUENCE_SPACE = 1 << 32
_PROCESSORS_APART_NS = 1_000_000

Piece = tuple[int, int]
"""Where a piece of the stream ends (bytes from its start), and its stamp: monotonic ns, or 0."""


class PacketFlow:
    """Segment ends and stamps of one connection.

    Args:
        key: addresses and ports, as the ring finds them in a packet.
        drain: takes what the ring holds now; called where `cut` needs more than has been seen.
    """

    __slots__ = ("_covered", "_drain", "_latest", "_pieces", "_start", "_waiting", "key")

    def __init__(self, key: bytes, drain: Callable[[], None]) -> None:
        self.key = key
        self._drain = drain
        self._start: int | None = None
        self._covered = 0
        self._latest = 0
        self._pieces: deque[Piece] = deque()
        self._waiting: list[tuple[int, int]] = []

    def begin(self, sequence: int) -> None:
        """Take the sequence number of the first byte; a repeated handshake changes nothing."""
        if self._start != sequence:
            self._start = sequence
            self._covered = self._latest = 0
            self._pieces.clear()
            self._waiting.clear()

    def add(self, sequence: int, length: int, stamp: int) -> None:
        """Take a segment with `length` bytes of payload; `stamp` in monotonic ns."""
        if self._start is None:
            return
        ahead = (sequence - self._start - self._covered) % _SEQUENCE_SPACE
        if ahead >= _SEQUENCE_SPACE // 2:
            ahead -= _SEQUENCE_SPACE
        end = self._covered + ahead + length
        if end <= self._covered:
            return
        if ahead > 0:
            heapq.heappush(self._waiting, (self._covered + ahead, end))
            return
        # Stamps of two processors may be out of order by microseconds; arrivals in order are not.
        if not 0 < self._latest - stamp < _PROCESSORS_APART_NS:
            self._latest = stamp
        self._cover(end, self._latest)

    def cut(self, end: int, user: int) -> list[Piece]:
        """Return the pieces of a read that ended at offset `end`; the last one ends there.

        Args:
            end: bytes received from the connection so far, below TLS.
            user: when the read returned (monotonic ns); no stamp may be later.

        Returns:
            Each piece's end and stamp. Stamp 0: the packets of this piece were not all seen.
        """
        if self._covered < end:
            self._drain()
        pieces: list[Piece] = []
        ready = self._pieces
        while ready and ready[0][0] <= end:
            pieces.append(ready.popleft())
        if not pieces or pieces[-1][0] < end:
            pieces.append((end, ready[0][1] if ready else 0))
            if self._covered < end:
                self._cover(end, 0)
                ready.popleft()
        return [(at, stamp if is_plausible(stamp, user) else 0) for at, stamp in pieces]

    def _cover(self, end: int, stamp: int) -> None:
        """All bytes up to `end` have arrived, and with them what waited behind them.

        A stamp of 0 (unknown) also holds for what waited: it is not known when it was released.
        """
        waiting = self._waiting
        beyond = end
        while waiting and waiting[0][0] <= beyond:
            beyond = max(beyond, heapq.heappop(waiting)[1])
        if not stamp and beyond > end:
            self._pieces.append((end, 0))
        self._pieces.append((beyond, stamp))
        self._covered = beyond
