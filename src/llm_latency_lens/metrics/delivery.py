"""How answers were delivered: as they were made, with their beginning held back, or whole.

The number of token events in each network read tells it. Events that share a read because this
client read late do not count: the width of the read covers them.
"""

import operator
import statistics
from array import array
from collections import Counter

from llm_latency_lens.metrics.column import Column
from llm_latency_lens.metrics.definitions import METRICS
from llm_latency_lens.metrics.formulas import gaps, most_streamed, shared_events
from llm_latency_lens.model.record import Record
from llm_latency_lens.units import NS_PER_S

_WHOLE_TOKENS = 20
_WHOLE_READS = 3
_WHOLE_SPAN = 0.02
"""Whole: at most 3 reads for 20 tokens, all within 2 % of the end-to-end time."""

_HELD_EVENTS = 5
"""So many token events in the first read were held back, whatever the other reads carry."""

_TTFT = next(metric.of for metric in METRICS if metric.name == "ttft")


def is_whole(record: Record) -> bool:
    """Return whether all tokens arrived together, so that no instant but the last was seen."""
    reads, events = len(record.arrivals), sum(record.arrival_events)
    tokens = max(events, most_streamed(record))
    if not reads or tokens < _WHOLE_TOKENS:
        return False
    if events == 1:
        return True
    if tokens * _WHOLE_READS < reads * _WHOLE_TOKENS:
        return False
    return span(record) < _WHOLE_SPAN * record.arrivals[-1]


def span(record: Record) -> int:
    """Return the time (ns) from the earliest instant of the first token to the last token's."""
    return record.arrivals[-1] - record.arrivals[0] + record.widths.first_token


def held_back(record: Record) -> int:
    """Return by how much (ns) the first token of an answer that is not whole waited for others.

    Several token events in the first read, sent together, mean that the first one waited for the
    last, at the pace of the rest: at a proxy that fills a buffer or delays small packets, or in
    the server.
    """
    events, arrivals = record.arrival_events, record.arrivals
    if len(events) < 2 or events[0] < 2:
        return 0
    if events[0] < _HELD_EVENTS and statistics.median(events) < 2:
        return 0
    pace: float = statistics.median(map(operator.truediv, gaps(record), events[1:]))
    waited = round((events[0] - 1) * pace) - record.widths.first_token
    return min(max(waited, 0), arrivals[0])


class Deliveries:
    """A fold over the successful requests of a run that have a TTFT.

    Attributes:
        answers: how many there are.
        whole, held: how many were delivered whole, or with their beginning held back.
        ttft, unheld: TTFT in seconds as it was, and without the time held back.
        sent_together, read_late: token events that shared a read, by whose doing.
        via: for each intermediary that a header of a whole or held answer names, how many.
    """

    def __init__(self) -> None:
        self.answers = self.whole = self.held = 0
        self.ttft, self.unheld = Column(), Column()
        self.sent_together = self.read_late = 0
        self.via: Counter[str] = Counter()
        self._spans = array("d")
        self._whole_ttft = array("d")
        self._first_events = array("d")

    def add(self, record: Record) -> None:
        """Take one successful request."""
        together, late = shared_events(record)
        self.sent_together += together
        self.read_late += late
        ttft = _TTFT(record)
        if ttft is None:
            return
        self.answers += 1
        whole = is_whole(record)
        held = 0.0 if whole else held_back(record) / NS_PER_S
        self.ttft.add(ttft)
        self.unheld.add(ttft - held)
        if whole:
            self.whole += 1
            self._spans.append(span(record) / NS_PER_S)
            self._whole_ttft.append(ttft)
        if held:
            self.held += 1
            self._first_events.append(record.arrival_events[0])
        if record.via is not None and (whole or held):
            self.via[record.via] += 1

    @property
    def shared(self) -> int:
        """How many token events shared a read with another."""
        return self.sent_together + self.read_late

    @property
    def whole_span(self) -> float:
        """The median time, in seconds, within which a whole answer's tokens arrived."""
        return statistics.median(self._spans)

    @property
    def whole_ttft(self) -> float:
        """The median TTFT of the answers delivered whole, in seconds."""
        return statistics.median(self._whole_ttft)

    @property
    def held_events(self) -> float:
        """The median number of token events in the first read of the answers held back."""
        return statistics.median(self._first_events)
