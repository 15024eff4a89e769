"""When requests and tokens were under way: the steady window, rates within it, requests in flight.

Tokens are kept as counts in bins of ten milliseconds, so memory does not grow with them.
"""

from array import array
from collections import Counter

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import Throughput
from llm_latency_lens.units import NS_PER_S

_BIN = 10_000_000
_BUFFERED = 65_536
_STEADY_SHARE = 0.1


class Window(Struct, frozen=True):
    """A stretch of the run, monotonic ns."""

    begin: int
    end: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.begin) / NS_PER_S


class Timeline:
    """Starts and ends of requests, arrivals of tokens."""

    def __init__(self) -> None:
        self._starts = array("q")
        self._workers = array("H")
        self._ends = array("q")
        self._ok_ends = array("q")
        self._arrivals = array("q")
        self._counts = array("q")
        self._bins: Counter[int] = Counter()

    def add(self, record: Record, *, ok: bool) -> None:
        """One sent request; its tokens count where it succeeded."""
        sent = record.marks.sent
        if sent is None:
            return
        self._starts.append(sent)
        self._ends.append(record.marks.ended)
        self._workers.append(record.worker)
        if not ok:
            return
        self._ok_ends.append(record.marks.ended)
        self._arrivals.frombytes((np.array(record.arrivals, np.int64) + sent).tobytes())
        self._counts.extend(record.arrival_events)
        if len(self._arrivals) >= _BUFFERED:
            self._settle()

    def _settle(self) -> None:
        """Move buffered arrivals into the bins."""
        if not self._arrivals:
            return
        bins = np.frombuffer(self._arrivals, np.int64) // _BIN
        keys, where = np.unique(bins, return_inverse=True)
        sums = np.bincount(where, weights=np.frombuffer(self._counts, np.int64))
        for key, count in zip(keys.tolist(), sums.tolist(), strict=True):
            self._bins[key] += round(count)
        del bins
        self._arrivals, self._counts = array("q"), array("q")

    def of_worker(self, worker: int) -> NDArray[np.int64]:
        """The requests of one worker as rows (start, end), monotonic ns."""
        mine = np.frombuffer(self._workers, np.ushort) == worker
        spans = (np.frombuffer(self._starts, np.int64), np.frombuffer(self._ends, np.int64))
        return np.column_stack([side[mine] for side in spans])

    def in_flight_at_starts(self) -> NDArray[np.float64]:
        """How many requests were under way when each was started, in order of time."""
        starts = np.sort(np.frombuffer(self._starts, np.int64))
        ends = np.sort(np.frombuffer(self._ends, np.int64))
        ended = np.searchsorted(ends, starts, side="right")
        found: NDArray[np.float64] = np.arange(1.0, len(starts) + 1.0) - ended
        return found

    def peak_event_rate(self) -> float:
        """Token events in the busiest second."""
        self._settle()
        seconds: Counter[int] = Counter()
        for key, count in self._bins.items():
            seconds[key * _BIN // NS_PER_S] += count
        return float(max(seconds.values(), default=0))

    @property
    def whole(self) -> Window | None:
        """From the first start to the last end."""
        return Window(min(self._starts), max(self._ends)) if self._starts else None

    def steady(self) -> Window | None:
        """From the first end (the pipeline is full) to the last start (it begins to drain).

        None where that is less than a tenth of the run: nothing of it was steady.
        """
        whole = self.whole
        if whole is None:
            return None
        window = Window(min(self._ends), max(self._starts))
        return window if window.seconds > _STEADY_SHARE * whole.seconds else None

    def start_rate(self) -> float | None:
        """Starts per second between the first and the last one."""
        if len(self._starts) < 2:
            return None
        span = (max(self._starts) - min(self._starts)) / NS_PER_S
        return (len(self._starts) - 1) / span if span > 0 else None

    def throughput(self, tokens_per_event: float) -> Throughput:
        """Rates; events count as `tokens_per_event` tokens each."""
        self._settle()
        whole, steady = self.whole, self.steady()
        if whole is None:
            return Throughput(
                window=None, output_tokens=None, requests=None, wall_output_tokens=None,
                wall_requests=None, wall=0.0, mean_in_flight=None, max_in_flight=0,
            )  # fmt: skip
        wall = whole.seconds
        mean, most = self._in_flight(whole)
        return Throughput(
            window=None
            if steady is None
            else ((steady.begin - whole.begin) / NS_PER_S, (steady.end - whole.begin) / NS_PER_S),
            output_tokens=None
            if steady is None
            else self._tokens(steady) * tokens_per_event / steady.seconds,
            requests=None if steady is None else self._requests(steady) / steady.seconds,
            wall_output_tokens=sum(self._bins.values()) * tokens_per_event / wall if wall else None,
            wall_requests=len(self._ok_ends) / wall if wall else None,
            wall=wall,
            mean_in_flight=mean,
            max_in_flight=most,
        )

    def _tokens(self, window: Window) -> float:
        """Token events in the window; a bin on its edge counts with the share that lies inside."""
        total = 0.0
        for key, count in self._bins.items():
            begin = key * _BIN
            inside = min(begin + _BIN, window.end) - max(begin, window.begin)
            if inside > 0:
                total += count * inside / _BIN
        return total

    def _requests(self, window: Window) -> int:
        ends = np.frombuffer(self._ok_ends, np.int64)
        return int(((ends >= window.begin) & (ends <= window.end)).sum())

    def _in_flight(self, whole: Window) -> tuple[float | None, int]:
        """The time average and the maximum of requests under way."""
        starts = np.frombuffer(self._starts, np.int64)
        ends = np.frombuffer(self._ends, np.int64)
        busy = float((ends - starts).sum()) / NS_PER_S
        instants = np.concatenate([starts, ends])
        steps = np.concatenate([np.ones(len(starts)), -np.ones(len(ends))])
        # At one instant an end counts before a start: a slot that is handed on is one slot.
        order = np.lexsort((steps, instants))
        most = int(np.cumsum(steps[order]).max(initial=0))
        return (busy / whole.seconds if whole.seconds else None), most
