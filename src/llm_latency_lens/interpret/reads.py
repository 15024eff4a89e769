"""The network reads of one recording: when an event arrived, and how far back it may have arrived.

An event has the arrival of the read that completed it. Segments that wait are merged into one read, and
the kernel keeps the stamp of the last one only. So an event that ends its read arrived at the stamp;
an earlier event of the read arrived after `earliest` and not after the stamp.
"""

from bisect import bisect_right
from collections.abc import Sequence

from llm_latency_lens.model.recording import READ_FIELDS, Recording

_FRAMING = b"\r\n\t ,"
"""Bytes that may follow an event without beginning another: blank lines, separators of an array."""
_LONGEST_FRAMING = 8
_MANY = 1 << 18


class Reads:
    """The reads of a recording, gone through once as offsets grow.

    Attributes:
        arrivals: stamps (monotonic ns) of the reads that carried token events.
        events: token events of each of them.
        last_width: by how much the last token event may have arrived before its stamp, in ns.
    """

    __slots__ = (
        "_body",
        "_counted",
        "_end",
        "_last",
        "_position",
        "_rows",
        "_widths",
        "arrivals",
        "events",
        "last_width",
    )

    def __init__(self, recording: Recording) -> None:
        self.arrivals: list[int] = []
        self.events: list[int] = []
        self.last_width = 0
        self._widths: dict[int, int] = {}  # of the reads that are not exact, by index
        self._body = recording.body
        rows = recording.read_rows()
        # A list is quicker to look into; of very many reads it would take 160 bytes each.
        self._rows: Sequence[int] = (
            rows if len(rows) > _MANY else rows.tolist() or [0] * READ_FIELDS
        )
        self._last = len(self._rows) - READ_FIELDS
        self._counted = -1
        self._position = 0
        self._end = self._rows[0]

    @property
    def widths(self) -> tuple[int, ...]:
        """By how much a token event of each read may have arrived early; () where all are exact."""
        if not self._widths:
            return ()
        width_of = self._widths.get
        return tuple([width_of(index, 0) for index in range(len(self.arrivals))])

    def locate(self, offset: int) -> tuple[int, int]:
        """The stamp of the read that brought the byte before `offset`, and the event's width."""
        while offset > self._end and self._position < self._last:
            self._position += READ_FIELDS
            self._end = self._rows[self._position]
        return self._rows[self._position + 2] or self._rows[self._position + 1], self._width(offset)

    def _width(self, offset: int) -> int:
        """How far before its stamp the event that ends at `offset`, in this read, may have arrived."""
        rows, position = self._rows, self._position
        kernel = rows[position + 2]
        width = (kernel or rows[position + 1]) - rows[position + 3]
        rest = self._end - offset
        if width <= 0:
            return 0
        exact = kernel and 0 <= rest <= _LONGEST_FRAMING
        return 0 if exact and not self._body[offset : self._end].strip(_FRAMING) else width

    def add(self, ends: list[int]) -> tuple[int, int]:
        """Count token events that end at `ends` with their reads; the first one's stamp and width."""
        first = self.locate(ends[0])
        rows, last, arrivals, events = self._rows, self._last, self.arrivals, self.events
        position, end, counted = self._position, self._end, self._counted
        widths = self._widths
        begin, total = 0, len(ends)
        while begin < total:
            offset = ends[begin]
            while offset > end and position < last:
                position += READ_FIELDS
                end = rows[position]
            until = total if position == last else bisect_right(ends, end, begin)
            stamp = rows[position + 2] or rows[position + 1]
            if position == counted:
                events[-1] += until - begin
            else:
                counted = position
                arrivals.append(stamp)
                events.append(until - begin)
            if stamp != rows[position + 3]:
                # Of several events in a read, only the last one can end it: the first one tells.
                self._position, self._end = position, end
                width, index = self._width(offset), len(arrivals) - 1
                if width > widths.get(index, 0):
                    widths[index] = width
            begin = until
        self._position, self._end, self._counted = position, end, counted
        self.last_width = self._width(ends[-1])
        return first
