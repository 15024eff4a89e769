"""Sends every token at its absolute instant, for all streams together.

One heap of due instants and one alarm. A stream that is behind does not move its later tokens: they keep
their instants, and the lag is in the ledger. Streams with much to send at once take turns.
"""

import asyncio
import heapq
import itertools

from llm_latency_lens.clock import Alarm
from llm_latency_lens.simulator.stamp import now
from llm_latency_lens.simulator.stream import Stream

_WRITES_PER_TURN = 16
_TURNS_PER_WAKE = 256


class Pacer:
    """Streams in order of their next due write."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = Alarm(loop)
        self._heap: list[tuple[int, int, Stream]] = []
        self._order = itertools.count()
        self._armed: int | None = None

    @property
    def next_due(self) -> int | None:
        """The instant of the next write; None where nothing is to be sent."""
        return self._heap[0][0] if self._heap else None

    def add(self, stream: Stream) -> None:
        """Send the stream's writes when they are due; again, where it has got more."""
        due = stream.next_due
        if due is not None and not stream.paced:
            stream.paced = True
            heapq.heappush(self._heap, (due, next(self._order), stream))
            self._arm()

    def close(self) -> None:
        """Send nothing more."""
        self._heap.clear()
        self._alarm.close()

    def _arm(self) -> None:
        due = self._heap[0][0]
        if self._armed is None or due < self._armed:
            self._armed = due
            self._alarm.at(due, self._run)

    def _run(self) -> None:
        self._armed = None
        heap = self._heap
        turns = 0
        while heap and turns < _TURNS_PER_WAKE and heap[0][0] <= now():
            turns += 1
            stream = heap[0][2]
            due = stream.send_due(_WRITES_PER_TURN)
            if due is None:
                heapq.heappop(heap)
                stream.paced = False
            else:
                heapq.heapreplace(heap, (due, next(self._order), stream))
        if heap:
            self._arm()
