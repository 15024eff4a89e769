"""When requests were in flight and when their tokens were delivered: the steady window, rates in it.

A rate is the lower of two counts. One credits a request over its service time and the tokens of a read
over the time since the read before: it does not depend on the side of the window's edge on which an end
falls. The other credits them at their end: it counts no work on requests that only wait in a queue.
"""

from array import array

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from llm_latency_lens.metrics.accrual import Accrual
from llm_latency_lens.metrics.formulas import streamed_tokens
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import Throughput
from llm_latency_lens.units import NS_PER_S

_STEADY_SHARE = 0.1
"""A window that is a smaller share of the run shows no steady state."""
_USUAL_SHARE = 0.3
_MOST_PENDING = 65_536

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


class _Pending:
    """The reads of the requests that were added last, flat."""

    __slots__ = ("_counts", "_hidden", "_lengths", "_offsets", "_scales", "_whole")

    def __init__(self) -> None:
        self._offsets = array("q")
        self._counts = array("q")
        self._lengths = array("q")
        self._scales = array("d")
        self._hidden = array("d")
        self._whole = array("d")

    @property
    def full(self) -> bool:
        """Whether it is time to work on them."""
        return len(self._offsets) >= _MOST_PENDING or len(self._lengths) >= _MOST_PENDING

    def add(self, record: Record, *, ok: bool) -> None:
        """Take the reads of one request, and how many tokens each of its events stands for."""
        self._offsets.extend(record.arrivals)
        self._counts.extend(record.arrival_events)
        self._lengths.append(len(record.arrivals))
        events, output = sum(record.arrival_events), record.tokens.output if ok else 0
        output = events if output is None else output
        streamed = streamed_tokens(record)
        streamed = output if streamed is None else min(streamed, output)
        self._scales.append(streamed / events if events else 0.0)
        self._hidden.append(output - streamed if events else 0.0)
        self._whole.append(0.0 if events else output)

    def counts(self) -> Instants:
        """Token events of each read."""
        return np.frombuffer(self._counts, np.int64)

    def reads(self, starts: Instants) -> tuple[Instants, Instants]:
        """The instant of each read, and of the one before it, or its request's start."""
        lengths = np.frombuffer(self._lengths, np.int64)
        arrivals = np.frombuffer(self._offsets, np.int64) + np.repeat(starts, lengths)
        before = np.concatenate((arrivals[:1], arrivals[:-1]))
        some = lengths > 0
        before[(np.cumsum(lengths) - lengths)[some]] = starts[some]
        return before, arrivals

    def longest_gaps(
        self, before: Instants, arrivals: Instants, starts: Instants, ends: Instants
    ) -> Instants:
        """The longest time (ns) without a token of each request."""
        lengths = np.frombuffer(self._lengths, np.int64)
        some, firsts = lengths > 0, np.cumsum(lengths) - lengths
        last = starts.copy()
        last[some] = arrivals[(firsts + lengths - 1)[some]]
        longest = ends - last
        if some.any():
            gaps = np.maximum.reduceat(arrivals - before, firsts[some])
            longest[some] = np.maximum(longest[some], gaps)
        return longest

    def tokens(self) -> tuple[Floats, Floats]:
        """Tokens of each read, and of each request that was not streamed.

        Tokens that did not stream are taken for made before the first read.
        """
        lengths = np.frombuffer(self._lengths, np.int64)
        scales = np.repeat(np.frombuffer(self._scales, np.float64), lengths)
        amounts, some = self.counts() * scales, lengths > 0
        firsts = (np.cumsum(lengths) - lengths)[some]
        amounts[firsts] += np.frombuffer(self._hidden, np.float64)[some]
        return amounts, np.frombuffer(self._whole, np.float64).copy()


class Timeline:
    """Starts and ends of the requests that were sent, and the delivery of their tokens."""

    def __init__(self) -> None:
        self._starts = array("q")
        self._ends = array("q")
        self._silences = array("q")
        self._workers = array("H")
        self._succeeded = array("B")
        self._tokens = Accrual()
        self._arrived = Accrual()
        self._reads = 0
        self._events = 0
        self._body_bytes = 0
        self._pending = _Pending()

    def add(self, record: Record, *, ok: bool) -> None:
        """Take one request that was sent; its tokens count where it succeeded."""
        if record.marks.sent is None:
            return
        self._starts.append(record.marks.sent)
        self._ends.append(record.marks.ended)
        self._workers.append(record.worker)
        self._succeeded.append(ok)
        self._body_bytes += record.body_bytes
        self._pending.add(record, ok=ok)
        if self._pending.full:
            self._settle()

    def _settle(self) -> None:
        """Work on the reads of many requests at once: per request it would take as long as its decoding."""
        pending, first = self._pending, len(self._silences)
        starts, ends = (side[first:].copy() for side in self._spans())
        if not len(starts):
            return
        before, arrivals = pending.reads(starts)
        self._silences.frombytes(pending.longest_gaps(before, arrivals, starts, ends).tobytes())
        self._reads += len(arrivals)
        self._events += int(pending.counts().sum())
        amounts, whole = pending.tokens()
        self._deliver(before, arrivals, amounts)
        self._deliver(starts, ends, whole)
        self._pending = _Pending()

    def _deliver(self, begins: Instants, ends: Instants, amounts: Floats) -> None:
        """Credit tokens over the time in which they came, and at its end."""
        some = amounts > 0
        if some.any():
            self._tokens.add(begins[some], ends[some], amounts[some])
            self._arrived.add(ends[some] - 1, ends[some], amounts[some])

    @property
    def work(self) -> Work:
        """What there was to do in all."""
        self._settle()
        return Work(len(self._starts), self._reads, self._events, self._body_bytes)

    def of_worker(self, worker: int) -> Instants:
        """The requests of one worker as rows (start, end), monotonic ns."""
        mine = np.frombuffer(self._workers, np.ushort) == worker
        return np.column_stack([side[mine] for side in self._spans()])

    def silences(self) -> Floats:
        """The longest time (s) in which each request got no token: before, between or after them."""
        self._settle()
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
        begin = max(self.first_end, int(instants[full[0]]))
        end = min(max(self._starts), int(instants[last]))
        window = Window(begin, end)
        return window if window.seconds > _STEADY_SHARE * whole.seconds else None

    @property
    def first_end(self) -> int:
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
        """Requests that the window served: by the share of their service time in it, or by ends if fewer."""
        starts, ends = self._spans()
        if ok_only:
            kept = np.frombuffer(self._succeeded, np.uint8) > 0
            starts, ends = starts[kept], ends[kept]
        inside = np.minimum(ends, window.end) - np.maximum(starts, window.begin)
        shares = float((np.maximum(inside, 0) / np.maximum(ends - starts, 1)).sum())
        return min(shares, float(((ends > window.begin) & (ends <= window.end)).sum()))

    def tokens_between(self, window: Window) -> float:
        """Output tokens of successful requests that were made in the window."""
        self._settle()
        counts = (self._tokens, self._arrived)
        return min(count.between(window.begin, window.end) for count in counts)

    def request_rate(self) -> float | None:
        """Requests per second, failed ones too: of the steady window, else of the whole run."""
        window = self.steady() or self.whole
        if window is None or not window.seconds:
            return None
        return self.served(window, ok_only=False) / window.seconds

    def throughput(self) -> Throughput:
        """Rates of the steady window and of the whole run."""
        self._settle()
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
