"""Sends every token at its absolute instant, for all streams together.

One heap of due instants and one alarm. A stream that is behind does not move its later tokens: they keep
their instants, and the lag is in the ledger. Streams with much to send at once take turns, and between
the turns the loop serves its sockets.
"""

import asyncio
import functools
import heapq
import itertools
from collections.abc import Callable

from llm_latency_lens.clock import Alarm
from llm_latency_lens.simulator.stamp import now
from llm_latency_lens.simulator.stream import Stream

_WRITES_PER_TURN = 16
_TURNS_PER_WAKE = 64
_SOON_NS = 15_000  # what setting an alarm and waking by it costs: below it, going round the loop is quicker


class Wake:
    """One pending call on an alarm, moved as often as wanted."""

    __slots__ = ("_alarm", "_call", "_instant", "_turn")

    def __init__(self, alarm: Alarm, call: Callable[[], None]) -> None:
        self._alarm = alarm
        self._call = call
        self._instant: int | None = None
        self._turn = 0

    def at(self, instant: int | None) -> None:
        """Call at `instant` (ns) and not when it was last wanted; None: don't call."""
        if instant != self._instant:
            self._instant = instant
            self._turn += 1
            if instant is not None:
                self._alarm.at(instant, functools.partial(self._ring, self._turn))

    def _ring(self, turn: int) -> None:
        # A call for an instant that was given up would set the next alarm a second time, for good.
        if turn == self._turn:
            self._instant = None
            self._call()


class Pacer:
    """Streams in order of their next due write."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._alarm = Alarm(loop)
        self._wake = Wake(self._alarm, self._run)
        self._heap: list[tuple[int, int, Stream]] = []
        self._order = itertools.count()
        self._soon: asyncio.Handle | None = None

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
        if self._soon is not None:
            self._soon.cancel()

    def _arm(self) -> None:
        if self._soon is not None or not self._heap:
            return
        due = self._heap[0][0]
        if due - now() > _SOON_NS:
            self._wake.at(due)
        else:
            self._wake.at(None)
            self._soon = self._loop.call_soon(self._run_soon)

    def _run_soon(self) -> None:
        self._soon = None
        self._run()

    def _run(self) -> None:
        heap = self._heap
        for _ in range(_TURNS_PER_WAKE):
            instant = now()
            if not heap or heap[0][0] > instant:
                break
            stream = heap[0][2]
            due = stream.send_due(_WRITES_PER_TURN)
            if due is None:
                heapq.heappop(heap)
                stream.paced = False
            else:
                # A stream still behind after its turn goes behind the others that are.
                heapq.heapreplace(heap, (max(due, instant), next(self._order), stream))
        self._arm()
