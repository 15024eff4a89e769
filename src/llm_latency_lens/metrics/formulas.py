"""The functions of the metric table: what each metric is, computed from one record.

Seconds, tokens per second or a count; None where the record can't say. `definitions.py` names them.
"""

import operator
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from llm_latency_lens.model.record import Record
from llm_latency_lens.units import NS_PER_S

Floats = NDArray[np.float64]
Value = Callable[[Record], float | None]

_UNCLEAR = 1.5
"""TPOT is not known where an estimate leaves the tokens that streamed open by such a factor."""
LATE = NS_PER_S // 2000
"""A read whose events lie further apart than this (ns) was read late by this client."""


def seconds(begin: int | None, end: int | None) -> float | None:
    """Return the time between two instants."""
    return None if begin is None or end is None else (end - begin) / NS_PER_S


def of_streams(function: Value) -> Value:
    """Return `function` for streamed answers; None for a document, whose tokens have no instants."""

    def value(record: Record) -> float | None:
        return function(record) if record.streamed else None

    return value


def streamed_tokens(record: Record) -> int | None:
    """Return the output tokens that came over the wire: all of them less the hidden ones."""
    tokens = record.tokens
    if tokens.output is None or tokens.hidden is None:
        return None
    # Records of earlier versions tell hidden reasoning by the source of their counts.
    unnamed = tokens.source == "usage_minus_hidden" and not tokens.hidden
    return max(tokens.output - ((tokens.reasoning or 0) if unnamed else tokens.hidden), 0)


def most_streamed(record: Record) -> float:
    """Return the most tokens that can have come over the wire; 0 where that is unknown."""
    tokens = record.tokens
    return tokens.streamed[1] if tokens.streamed is not None else streamed_tokens(record) or 0.0


def most_per_event(record: Record) -> float | None:
    """Return the most tokens an event after the first read; None where counts are exact."""
    events = sum(record.arrival_events[1:])
    if record.tokens.rest is None or not events:
        return None
    return record.tokens.rest[1] / events


def generated_tokens(record: Record) -> int | None:
    """Return the output tokens up to the last one that streamed, hidden ones included."""
    tokens = record.tokens
    return None if tokens.output is None else tokens.output - tokens.after


def tokens_per_event(record: Record) -> float | None:
    """Return the stream's granularity: streamed tokens by usage over token events."""
    streamed = streamed_tokens(record)
    if streamed is None or not record.tokens.events or record.tokens.source == "chunks":
        return None
    return streamed / record.tokens.events


def answer_end(record: Record) -> int | None:
    """Return the instant of the last token; of an unstreamed answer that of its end."""
    return record.last_token if record.streamed else record.marks.ended


def gaps(record: Record) -> list[int]:
    """Return the inter-chunk gaps (ns): between network reads that carried tokens."""
    return list(map(operator.sub, record.arrivals[1:], record.arrivals))


def gap_bounds(gaps: Floats, widths: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return the shortest and the longest that each inter-chunk gap can have been, in seconds.

    Divided by the token events of the later read, they are those of inter-token latencies.

    Args:
        gaps: between reads that carried tokens, in seconds.
        widths: of the arrivals of these reads, in ns.
    """
    early = np.array(widths, np.float64) / NS_PER_S
    return np.maximum(gaps - early[1:], 0.0), gaps + early[:-1]


def thinking(record: Record) -> float | None:
    """Return the time from the first token to the first visible one where reasoning came first."""
    if record.first_kind != "reasoning":
        return None
    return seconds(record.first_token, record.first_visible)


def tokens_after_first(record: Record) -> float | None:
    """Return the tokens that streamed after those of the first read: what TPOT divides by.

    None where it is not known how many streamed, or only by an estimate from their characters.
    """
    streamed = streamed_tokens(record)
    if streamed is None or len(record.arrivals) < 2 or _is_guess(record):
        return None
    rest = streamed - record.tokens.first
    return rest if rest > 0.0 else None


def _is_guess(record: Record) -> bool:
    """Whether it is guessed from characters how many tokens stayed hidden, with a wide range."""
    if "streamed_tokens_estimated" not in record.flags or not record.tokens.hidden:
        return False
    known = record.tokens.streamed
    return known is not None and known[1] > _UNCLEAR * known[0]


def tpot(record: Record) -> float | None:
    """Return the time per output token after those of the first read.

    At the stamp of the first read all its tokens had come, the others come until the last token: so
    neither tokens that share an event nor those that share a read with the first one bias it.
    """
    rest, span = tokens_after_first(record), seconds(record.first_token, record.last_token)
    return None if rest is None or span is None else span / rest


def decode_speed(record: Record) -> float | None:
    """Return 1 / TPOT."""
    per_token = tpot(record)
    return 1.0 / per_token if per_token else None


def per_token(record: Record) -> float | None:
    """Return the end-to-end time per output token."""
    n, total = generated_tokens(record), seconds(record.marks.sent, answer_end(record))
    return total / n if n and total is not None else None


def tokens_per_second(record: Record) -> float | None:
    """Return the output tokens over the end-to-end time."""
    n, total = generated_tokens(record), seconds(record.marks.sent, answer_end(record))
    return n / total if n and total else None


def characters_per_second(record: Record) -> float | None:
    """Return the characters of the answer over the end-to-end time."""
    total = seconds(record.marks.sent, answer_end(record))
    return record.characters / total if record.characters and total else None


def _stalls(record: Record) -> list[int] | None:
    """Gaps above five times the request's median gap, and above a quarter of a second."""
    lengths = gaps(record)
    if not lengths:
        return None
    if max(lengths) <= NS_PER_S / 4:
        return []
    ordered = sorted(lengths)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    limit = max(5 * median, NS_PER_S / 4)
    return [gap for gap in lengths if gap > limit]


def stall_count(record: Record) -> float | None:
    """Return how many stalls there were."""
    stalls = _stalls(record)
    return None if stalls is None else float(len(stalls))


def stall_time(record: Record) -> float | None:
    """Return the length of all stalls together."""
    stalls = _stalls(record)
    return None if stalls is None else sum(stalls) / NS_PER_S


def shared_events(record: Record) -> tuple[int, int]:
    """Return the token events in reads with another: those sent together, and those read late."""
    events, widths = record.arrival_events, record.arrival_widths
    shared = sum(events) - events.count(1)
    if not widths or max(widths) <= LATE:
        return shared, 0
    late = sum([n for n, width in zip(events, widths, strict=True) if n > 1 and width > LATE])
    return shared - late, late


def coalesced(record: Record) -> float | None:
    """Return the share of token events that shared a network read with another."""
    events = record.arrival_events
    return _share(record, sum(events) - events.count(1))


def coalesced_by_peer(record: Record) -> float | None:
    """Return the share of token events that the peer, or the network, sent together with another."""
    return _share(record, shared_events(record)[0])


def read_late(record: Record) -> float | None:
    """Return the share of token events in reads that this client made late."""
    events, widths = record.arrival_events, record.arrival_widths
    if not widths or max(widths) <= LATE:
        return _share(record, 0)
    return _share(record, sum([n for n, w in zip(events, widths, strict=True) if w > LATE]))


def _share(record: Record, events: int) -> float | None:
    total = sum(record.arrival_events)
    return events / total if total else None


def connect(record: Record) -> float | None:
    """Return the time of DNS, TCP, proxy and TLS together."""
    m = record.marks
    begin = m.dns_begin if m.dns_begin is not None else m.tcp_begin
    ends = [end for end in (m.tcp_end, m.proxy_end, m.tls_end) if end is not None]
    return seconds(begin, max(ends)) if ends else None


def rtt(record: Record) -> float | None:
    """Return the kernel's smoothed round-trip time."""
    connection = record.connection
    return None if connection is None or connection.rtt is None else connection.rtt / NS_PER_S


def retransmits(record: Record) -> float | None:
    """Return the TCP segments that were sent again."""
    connection = record.connection
    if connection is None or connection.retransmits is None:
        return None
    return float(connection.retransmits)
