"""When requests were in flight and when their tokens were delivered: the steady window, rates in it.

A request counts for its whole service time and its tokens for the time since the network read before
theirs, so no rate depends on the side of a window's edge on which an end or a read happens to fall.
"""

from array import array

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from llm_latency_lens.metrics.accrual import Accrual
from llm_latency_lens.metrics.definitions import streamed_tokens
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import Throughput
from llm_latency_lens.units import NS_PER_S

_STEADY_SHARE = 0.1
"""A window that is a smaller share of the run shows no steady state."""
_USUAL_SHARE = 0.3

Instants = NDArray[np.int64]
Floats = NDArray[np.float64]


class Window(Struct, frozen=True):
    """A stretch of the run, monotonic ns."""

    begin: int
    end: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.begin) / NS_PER_S


class Work(Struct, frozen=True):
    """What the measuring processes had to do: requests, network reads, events and bytes of bodies."""

    requests: int
    reads: int
    events: int
    body_bytes: int


class Timeline:
    """Starts and ends of the requests that were sent, and the delivery of their tokens."""

    def __init__(self) -> None:
        self._starts = array("q")
        self._ends = array("q")
        self._silences = array("q")
        self._workers = array("H")
        self._succeeded = array("B")
        self._tokens = Accrual()
        self._reads = 0
        self._events = 0
        self._body_bytes = 0

    def add(self, record: Record, *, ok: bool) -> None:
        """Take one request that was sent; its tokens count where it succeeded."""
        sent, ended = record.marks.sent, record.marks.ended
        if sent is None:
            return
        arrivals = np.array(record.arrivals, np.int64) + sent
        begins = np.concatenate((np.array([sent], np.int64), arrivals))
        self._starts.append(sent)
        self._ends.append(ended)
        self._silences.append(int(np.diff(begins, append=ended).max()))
        self._workers.append(record.worker)
        self._succeeded.append(ok)
        self._reads += len(arrivals)
        self._events += sum(record.arrival_events)
        self._body_bytes += record.body_bytes
        if ok:
            self._deliver(record, begins, arrivals)

    def _deliver(self, record: Record, begins: Instants, arrivals: Instants) -> None:
        """Spread the tokens of each read over the time since the read before it."""
        events = np.array(record.arrival_events, np.float64)
        total, tokens = float(events.sum()), streamed_tokens(record)
        if total:
            each = 1.0 if tokens is None else tokens / total
            self._tokens.add(begins[:-1], arrivals, events * each)
        elif tokens:
            ended = np.array([record.marks.ended], np.int64)
            self._tokens.add(begins[:1], ended, np.array([tokens], np.float64))

    @property
    def work(self) -> Work:
        """What there was to do in all."""
        return Work(len(self._starts), self._reads, self._events, self._body_bytes)

    def of_worker(self, worker: int) -> Instants:
        """The requests of one worker as rows (start, end), monotonic ns."""
        mine = np.frombuffer(self._workers, np.ushort) == worker
        return np.column_stack([side[mine] for side in self._spans()])

    def silences(self) -> Floats:
        """The longest time (s) in which each request got no token: before, between or after them."""
        found: Floats = np.frombuffer(self._silences, np.int64) / NS_PER_S
        return found

    def service_times(self) -> Floats:
        """From sent to the end of each request that was sent, in seconds; failed ones too."""
        starts, ends = self._spans()
        found: Floats = (ends - starts) / NS_PER_S
        return found

    def in_flight_at_starts(self) -> Floats:
        """How many requests were in flight when each was started, in order of time."""
        starts, ends = (np.sort(side) for side in self._spans())
        ended = np.searchsorted(ends, starts, side="right")
        found: Floats = np.arange(1.0, len(starts) + 1.0) - ended
        return found

    @property
    def whole(self) -> Window | None:
        """From the first start to the last end."""
        return Window(min(self._starts), max(self._ends)) if self._starts else None

    def steady(self) -> Window | None:
        """The stretch between ramp-up and drain; None where it is less than a tenth of the run.

        It begins with the first success's end, or when as many requests as usual are in flight if that is later,
        and ends with the last start, or when as many are in flight for the last time if that is earlier.
        """
        whole = self.whole
        if whole is None:
            return None
        instants, level = self._levels()
        usual = _usual(instants, level)
        full = np.flatnonzero(level >= usual)
        if not len(full):
            return None
        last = min(int(full[-1]) + 1, len(instants) - 1)
        begin = max(self._first_end(), int(instants[full[0]]))
        end = min(max(self._starts), int(instants[last]))
        window = Window(begin, end)
        return window if window.seconds > _STEADY_SHARE * whole.seconds else None

    def _first_end(self) -> int:
        """The first end of a request that succeeded, where one did: refusals are no service."""
        succeeded = np.frombuffer(self._succeeded, np.uint8) > 0
        _, ends = self._spans()
        return int(ends[succeeded].min() if succeeded.any() else ends.min())

    def start_rate(self) -> float | None:
        """Starts per second between the first and the last one."""
        if len(self._starts) < 2:
            return None
        span = (max(self._starts) - min(self._starts)) / NS_PER_S
        return (len(self._starts) - 1) / span if span > 0 else None

    def served(self, window: Window, *, ok_only: bool) -> float:
        """Requests by the share of their service time that lies in the window."""
        starts, ends = self._spans()
        if ok_only:
            kept = np.frombuffer(self._succeeded, np.uint8) > 0
            starts, ends = starts[kept], ends[kept]
        inside = np.minimum(ends, window.end) - np.maximum(starts, window.begin)
        return float((np.maximum(inside, 0) / np.maximum(ends - starts, 1)).sum())

    def tokens_between(self, window: Window) -> float:
        """Streamed tokens of successful requests that were delivered in the window."""
        return self._tokens.between(window.begin, window.end)

    def request_rate(self) -> float | None:
        """Requests per second, failed ones too: of the steady window, else of the whole run."""
        window = self.steady() or self.whole
        if window is None or not window.seconds:
            return None
        return self.served(window, ok_only=False) / window.seconds

    def throughput(self) -> Throughput:
        """Rates of the steady window and of the whole run."""
        whole, steady = self.whole, self.steady()
        if whole is None:
            return Throughput(
                window=None,
                output_tokens=None,
                requests=None,
                wall_output_tokens=None,
                wall_requests=None,
                wall=0.0,
                mean_in_flight=None,
                max_in_flight=0,
            )
        _, level = self._levels()
        busy = float(self.service_times().sum())
        tokens = self._tokens if self._tokens.total else None
        wall = whole.seconds
        found = Throughput(
            window=None,
            output_tokens=None,
            requests=None,
            wall_output_tokens=tokens.total / wall if tokens and wall else None,
            wall_requests=sum(self._succeeded) / wall if wall else None,
            wall=wall,
            mean_in_flight=busy / wall if wall else None,
            max_in_flight=int(level.max(initial=0)),
        )
        return found if steady is None else self._with_steady(found, whole, steady)

    def _with_steady(self, found: Throughput, whole: Window, steady: Window) -> Throughput:
        served = self.served(steady, ok_only=True)
        tokens = self.tokens_between(steady) if self._tokens.total else None
        return msgspec.structs.replace(
            found,
            window=(
                (steady.begin - whole.begin) / NS_PER_S,
                (steady.end - whole.begin) / NS_PER_S,
            ),
            window_requests=served,
            output_tokens=None if tokens is None else tokens / steady.seconds,
            requests=served / steady.seconds,
        )

    def _spans(self) -> tuple[Instants, Instants]:
        return np.frombuffer(self._starts, np.int64), np.frombuffer(self._ends, np.int64)

    def _levels(self) -> tuple[Instants, Instants]:
        """The instants at which the number in flight changes, and the number from each one on."""
        starts, ends = self._spans()
        instants = np.concatenate([starts, ends])
        steps = np.concatenate([np.ones(len(starts), np.int64), -np.ones(len(ends), np.int64)])
        # At one instant an end counts before a start: a slot that is handed on is one slot.
        order = np.lexsort((steps, instants))
        return instants[order], np.cumsum(steps[order])


def _usual(instants: Instants, level: Instants) -> float:
    """The number in flight that the run reaches or exceeds for three tenths of the time.

    Not the half: a worker that has done its share early leaves fewer in flight for longer than that.
    """
    lengths = np.diff(instants)
    order = np.argsort(-level[:-1], kind="stable")
    reached = np.cumsum(lengths[order])
    if not len(reached) or not reached[-1]:
        return float(level.max(initial=0))
    return float(level[:-1][order][np.searchsorted(reached, _USUAL_SHARE * reached[-1])])
