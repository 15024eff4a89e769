"""A fold over Records: columns grow, records go. What the run amounts to is read off at the end."""

from array import array
from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from llm_latency_lens.metrics.column import Column, PooledColumn
from llm_latency_lens.metrics.connections import ConnectionCounts
from llm_latency_lens.metrics.definitions import GAP_METRICS, METRICS
from llm_latency_lens.metrics.delivery import Deliveries
from llm_latency_lens.metrics.formulas import gap_bounds
from llm_latency_lens.metrics.goodput import GoodputFold, RequestLimit
from llm_latency_lens.metrics.lengths import LengthFold
from llm_latency_lens.metrics.spending import Spending
from llm_latency_lens.metrics.timeline import Timeline
from llm_latency_lens.metrics.token_doubt import TokenDoubt
from llm_latency_lens.model.record import UNKNOWN_FINISH, OutcomeKind, Record
from llm_latency_lens.model.result import Distribution, Failure, Goodput, Tokens
from llm_latency_lens.units import NS_PER_S

_GRANULAR = 1.05
"""Above so many tokens an event, gaps between events say nothing about single tokens."""


class Counts(Struct, frozen=True, kw_only=True):
    """The engine's own count of the measured phase; `lost` died with their worker.

    Of those not sent `withheld` were so on purpose (stopped by the user or by a cap): they bias nothing.
    """

    planned: int
    not_sent: int
    lost: int = 0
    withheld: int = 0


class Summary:
    """Add records in any order; the same set gives the same numbers."""

    def __init__(self, limits: Sequence[RequestLimit] = ()) -> None:
        self.columns = {
            metric.name: Column(bounded=metric.bounds is not None) for metric in METRICS
        }
        # Looked up once: a busy run adds tens of thousands of records a second.
        self._rows = [
            (metric.of, metric.bounds, self.columns[metric.name].add) for metric in METRICS
        ]
        self.token_doubt = TokenDoubt()
        self.gaps = {name: PooledColumn() for name in GAP_METRICS}
        self.slip = Column()
        self.lateness = Column()
        self.timeline = Timeline()
        self.spending = Spending()
        self.outcomes: Counter[str] = Counter()
        self.stamps: Counter[str] = Counter()
        self.unknown_finishes: Counter[str] = Counter()
        self.unknown_finish = bytearray()
        self.flags: Counter[str] = Counter()
        self.answerers: Counter[str] = Counter()
        self.answered_by: list[str] = []
        self.cached_input = Column()
        self.output_lengths = Column()
        self.lengths = LengthFold()
        self.time_under_way = 0.0
        self.warmup = 0
        self.retries = 0
        self.connections = ConnectionCounts()
        self.deliveries = Deliveries()
        self.goodput_fold = GoodputFold(limits)
        self.failures: dict[tuple[str, str], Failure] = {}
        self._sent = array("q")
        self._tokens: Counter[str] = Counter()
        self._known: set[str] = set()
        self._names: dict[str, str] = {}
        self._sources: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        """Take one record; warm-up and superseded attempts are counted and otherwise left out."""
        self.spending.add(record)
        self.time_under_way += _time_in_flight(record)
        if record.superseded:
            self.retries += 1
            return
        if record.phase != "measure":
            self.warmup += 1
            return
        ok = record.outcome.kind is OutcomeKind.OK
        self.outcomes[record.outcome.kind.value] += 1
        self.timeline.add(record, ok=ok)
        begun = begun_at(record)
        if begun is not None:
            self.slip.add((begun - record.intended) / NS_PER_S)
        self.connections.add(record.connection)
        if ok:
            self._add_success(record)
        else:
            self._add_failure(record)

    def _add_success(self, record: Record) -> None:
        for of, bounds, add in self._rows:
            value = of(record)
            add(value, None if bounds is None or value is None else bounds(record))
        self.token_doubt.add(record)
        self._sent.append(record.marks.sent or 0)
        self.deliveries.add(record)
        self._add_gaps(record)
        self._add_tokens(record)
        self.stamps[record.stamps] += 1
        self.flags.update(record.flags)
        if record.late is not None:
            self.lateness.add(record.late / NS_PER_S)
        self._add_answerer(record)
        unknown = UNKNOWN_FINISH in record.flags
        self.unknown_finish.append(unknown)
        if unknown:
            self.unknown_finishes[record.finish_reason or ""] += 1
        self.goodput_fold.add(record)

    def _add_answerer(self, record: Record) -> None:
        """What answered, by its own words: counted, and of each success in the order of `columns`."""
        name = " ".join(filter(None, (record.model, record.fingerprint)))
        if name:
            self.answerers[name] += 1
        self.answered_by.append(self._names.setdefault(name, name))

    def _add_gaps(self, record: Record) -> None:
        arrivals, events = record.arrivals, record.arrival_events
        if len(arrivals) < 2:
            return
        gaps = np.diff(np.array(arrivals, np.float64)) / NS_PER_S
        weights = np.array(events[1:], np.float64)
        bounds, per_token = None, None
        if record.arrival_widths:
            bounds = low, high = gap_bounds(gaps, record.arrival_widths)
            per_token = low / weights, high / weights
        self.gaps["icl"].add(gaps, bounds=bounds)
        self.gaps["itl"].add(gaps / weights, weights, per_token)

    def _add_tokens(self, record: Record) -> None:
        tokens = record.tokens
        self.output_lengths.add(tokens.output)
        self.lengths.add(record)
        self.cached_input.add(None if tokens.cached is None else float(tokens.cached))
        for name in ("input", "output", "reasoning", "cached"):
            count = getattr(tokens, name)
            if count is not None:
                self._known.add(name)
                self._tokens[name] += count
        self._tokens["events"] += tokens.events
        self._tokens["characters"] += record.characters
        self._sources[tokens.source] += 1

    def _add_failure(self, record: Record) -> None:
        outcome = record.outcome
        key = (outcome.kind.value, outcome.cause)
        known = self.failures.get(key)
        self.failures[key] = Failure(
            outcome=outcome.kind.value,
            cause=outcome.cause,
            count=known.count + 1 if known else 1,
            status=known.status if known else outcome.status,
            example=known.example if known else outcome.detail,
        )

    @property
    def order(self) -> NDArray[np.int64]:
        """The successful requests (numbered as they came) in the order in which they were sent."""
        found: NDArray[np.int64] = np.argsort(np.frombuffer(self._sent, np.int64), kind="stable")
        return found

    @property
    def opening(self) -> NDArray[np.int64]:
        """The successful requests (numbered as they came) that were sent before any ended."""
        sent = np.frombuffer(self._sent, np.int64)
        before = self.timeline.first_end if len(sent) else 0
        found: NDArray[np.int64] = np.flatnonzero(sent < before)
        return found

    @property
    def good(self) -> int:
        """How many requests succeeded and met every limit, where there are any."""
        return self.goodput_fold.good

    @property
    def coalesced(self) -> float | None:
        """Share of token events that shared a network read with another; None without a stream."""
        events = self._tokens["events"]
        return self.deliveries.shared / events if events and len(self.columns["ttft"]) else None

    @property
    def hidden_share(self) -> float:
        """Share of output tokens that did not stream."""
        return self.token_doubt.hidden / max(self._tokens["output"], 1)

    @property
    def cached_share(self) -> float | None:
        """Share of input tokens that came from the provider's cache; None where it does not tell."""
        if "cached" not in self._known or not self._tokens["input"]:
            return None
        return self._tokens["cached"] / self._tokens["input"]

    @property
    def measured(self) -> int:
        """How many requests of the measured phase have ended."""
        return sum(self.outcomes.values())

    @property
    def granularity(self) -> float | None:
        """Tokens per event over all requests whose tokens the server counted."""
        column = self.columns["tokens_per_event"]
        return float(np.mean(column.sorted())) if len(column) else None

    @property
    def characters_per_event(self) -> float | None:
        """Characters of an average token event; None where there are none."""
        events, characters = self._tokens["events"], self._tokens["characters"]
        return characters / events if events and characters else None

    def tokens(self) -> Tokens:
        """Totals over successful requests."""

        def known(name: str) -> int | None:
            return self._tokens[name] if name in self._known else None

        return Tokens(
            input=known("input"),
            output=known("output"),
            reasoning=known("reasoning"),
            cached=known("cached"),
            events=self._tokens["events"],
            sources=dict(self._sources),
        )

    @property
    def is_token_by_token(self) -> bool:
        """Whether events are known to carry one token each, so that their gaps are those of tokens."""
        granularity, doubtful = self.granularity, self.token_doubt.most_per_event
        if granularity is None or granularity > _GRANULAR:
            return False
        # An answer whose counts are exact adds its own granularity.
        exact = len(self.columns["tokens_per_event"]) - len(doubtful)
        total = float(doubtful.sorted().sum()) + exact * granularity
        return total <= _GRANULAR * (exact + len(doubtful))

    def distributions(self) -> dict[str, Distribution]:
        """Every metric that at least one request had, and the gaps."""
        order = self.order
        found = {
            metric.name: self.columns[metric.name].distribution(metric.unit, order)
            for metric in METRICS
            if len(self.columns[metric.name])
        }
        for name, column in self.gaps.items():
            if len(column) and (name != "itl" or self.is_token_by_token):
                found[name] = column.distribution("s")
        return found

    def goodput(self, counts: Counts) -> Goodput | None:
        """Good requests against all that were offered; None where no limit was given."""
        whole = self.timeline.whole
        seconds = whole.seconds if whole is not None else None
        return self.goodput_fold.goodput(counts.planned - counts.withheld, seconds)

    def books(self, counts: Counts) -> dict[str, int]:
        """Every outcome of the closed set, with its count."""
        found = {kind.value: self.outcomes[kind.value] for kind in OutcomeKind}
        found[OutcomeKind.NOT_SENT.value] += counts.not_sent
        found[OutcomeKind.CANCELLED.value] += counts.lost
        return found


def _time_in_flight(record: Record) -> float:
    """Seconds for which an attempt of the measured phase was in flight, superseded or not."""
    return (record.marks.ended - record.dequeued) / NS_PER_S if record.phase == "measure" else 0.0


def begun_at(record: Record) -> int | None:
    """When we set about it: a new connection's making is the network's time, not our lateness."""
    marks = record.marks
    return next(
        (at for at in (marks.dns_begin, marks.tcp_begin, marks.sent) if at is not None), None
    )
