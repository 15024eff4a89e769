"""What the events of one response add up to, each at the stamp of the read that completed it.

The kernel's stamp where there is one, else ours. An empty role delta, a ping, a usage block never
start or end a token metric: only a `Delta` does.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable

from llm_latency_lens.model.events import (
    BadText,
    Delta,
    Deltas,
    Done,
    Finish,
    Identity,
    Malformed,
    Opening,
    Ping,
    ServerError,
    ServerTimings,
    StreamEvent,
    Unknown,
    Unterminated,
    Usage,
    Vectors,
)
from llm_latency_lens.model.recording import READ_FIELDS, Recording


class Reading:
    """Marks (monotonic ns), arrivals of token reads and everything the server said about itself."""

    __slots__ = (
        "arrival_events",
        "arrivals",
        "done",
        "error",
        "finish",
        "first_event",
        "first_kind",
        "first_visible",
        "flags",
        "identity",
        "kinds",
        "malformed",
        "pings",
        "timings",
        "usage",
        "vectors",
    )

    def __init__(self) -> None:
        self.arrivals: list[int] = []
        self.arrival_events: list[int] = []
        self.first_event: int | None = None
        self.first_visible: int | None = None
        self.first_kind: str | None = None
        self.kinds: set[str] = set()
        self.flags: set[str] = set()
        self.identity = Identity()
        self.timings = ServerTimings()
        self.usage: Usage | None = None
        self.finish: str | None = None
        self.error: ServerError | None = None
        self.malformed: str | None = None
        self.done = False
        self.pings = 0
        self.vectors = 0


def read_events(recording: Recording, events: Iterable[tuple[int, StreamEvent]]) -> Reading:
    """Fold decoded events (end offset, event) over the recording's reads."""
    reading = Reading()
    reads = _Reads(recording)
    kind = ""
    for offset, event in events:
        if isinstance(event, (Delta, Deltas)):
            ends = event.ends if isinstance(event, Deltas) else [offset]
            stamp = reads.bring(ends, reading)
            if event.kind != kind:
                kind = event.kind
                _on_new_kind(reading, kind, stamp)
        else:
            _HANDLERS[event.__class__](reading, event, reads.stamp_of(offset))
    return reading


class _Reads:
    """The reads of a recording, gone through once as offsets grow."""

    __slots__ = ("_counted", "_end", "_last", "_position", "_rows", "_stamp")

    def __init__(self, recording: Recording) -> None:
        self._rows = recording.read_rows()
        self._last = len(self._rows) - READ_FIELDS
        self._position = self._counted = -READ_FIELDS
        self._end = 0
        self._stamp = 0

    def stamp_of(self, offset: int) -> int:
        """The stamp of the read that brought the byte before `offset`."""
        rows = self._rows
        while offset > self._end and self._position < self._last:
            self._position += READ_FIELDS
            self._end = rows[self._position]
            self._stamp = rows[self._position + 2] or rows[self._position + 1]
        return self._stamp

    def bring(self, ends: list[int], reading: Reading) -> int:
        """Count the token events that end at `ends` with the reads that brought them; the first one's stamp."""
        arrivals, counts = reading.arrivals, reading.arrival_events
        first = self.stamp_of(ends[0])
        begin, total = 0, len(ends)
        while begin < total:
            stamp = self.stamp_of(ends[begin])
            until = total if self._position == self._last else bisect_right(ends, self._end, begin)
            if self._position == self._counted:
                counts[-1] += until - begin
            else:
                self._counted = self._position
                arrivals.append(stamp)
                counts.append(until - begin)
            begin = until
        return first


def _on_new_kind(reading: Reading, kind: str, stamp: int) -> None:
    _answer_begins(reading, stamp)
    reading.kinds.add(kind)
    if reading.first_kind is None:
        reading.first_kind = kind
    if kind == "text" and reading.first_visible is None:
        reading.first_visible = stamp


def _answer_begins(reading: Reading, stamp: int) -> None:
    if reading.first_event is None:
        reading.first_event = stamp


def _on_opening(reading: Reading, _: Opening, stamp: int) -> None:
    _answer_begins(reading, stamp)


def _on_vectors(reading: Reading, event: Vectors, stamp: int) -> None:
    _answer_begins(reading, stamp)
    reading.vectors += event.count


def _on_identity(reading: Reading, event: Identity, _: int) -> None:
    if reading.identity.model is not None and event.model != reading.identity.model:
        reading.flags.add("model_changed")
    reading.identity = event


def _on_usage(reading: Reading, event: Usage, _: int) -> None:
    """The last word counts; usage that grows is cumulative, usage that shrinks contradicts itself."""
    before = reading.usage
    if before is not None and (before.output or 0) > (event.output or 0):
        reading.flags.add("usage_contradictory")
    reading.usage = event


def _on_finish(reading: Reading, event: Finish, stamp: int) -> None:
    _answer_begins(reading, stamp)
    reading.finish = reading.finish or event.reason


def _on_timings(reading: Reading, event: ServerTimings, _: int) -> None:
    reading.timings = event


def _on_error(reading: Reading, event: ServerError, _: int) -> None:
    reading.error = reading.error or event


def _on_malformed(reading: Reading, event: Malformed, _: int) -> None:
    reading.malformed = event.detail


def _on_ping(reading: Reading, _: Ping, __: int) -> None:
    reading.pings += 1


def _on_done(reading: Reading, _: Done, __: int) -> None:
    reading.done = True


def _flag(name: str) -> Callable[[Reading, StreamEvent, int], None]:
    def handler(reading: Reading, _: StreamEvent, __: int) -> None:
        reading.flags.add(name)

    return handler


_HANDLERS: dict[type, Callable[..., None]] = {
    Opening: _on_opening,
    Vectors: _on_vectors,
    Identity: _on_identity,
    Usage: _on_usage,
    Finish: _on_finish,
    ServerTimings: _on_timings,
    ServerError: _on_error,
    Malformed: _on_malformed,
    Ping: _on_ping,
    Done: _on_done,
    Unknown: _flag("unknown_events"),
    BadText: _flag("bad_text"),
    Unterminated: _flag("unterminated_final_event"),
}
