"""The least and the most that a metric of one record can be, given what is known of its instants.

An arrival lies in (stamp - width, stamp], the request left between two stamps around the send call,
and the tokens that TPOT divides by may be known only within a range.
"""

from collections.abc import Callable

from llm_latency_lens.metrics import formulas
from llm_latency_lens.metrics.formulas import (
    answer_end,
    generated_tokens,
    tokens_after_first,
)
from llm_latency_lens.model.record import Record
from llm_latency_lens.units import NS_PER_S

Bounds = tuple[float, float]
Interval = tuple[int, int]
"""The earliest and the latest that an instant can be, in ns."""
Instant = Callable[[Record], Interval | None]
Bounded = Callable[[Record], Bounds | None]
_SHORTEST = 1.0 / NS_PER_S


def intended(record: Record) -> Interval:
    """Return the instant of the schedule, which is exact."""
    return record.intended, record.intended


def sent(record: Record) -> Interval | None:
    """Return when the request's first byte left."""
    at = record.marks.sent
    return None if at is None else (at, at + record.widths.sent)


def first_byte(record: Record) -> Interval | None:
    """Return when the first byte of the body arrived."""
    return _arrival(record.first_byte, record.widths.first_byte)


def first_event(record: Record) -> Interval | None:
    """Return when the first event of the answer arrived."""
    return _arrival(record.first_event, record.widths.first_event)


def first_token(record: Record) -> Interval | None:
    """Return when the first token arrived."""
    return _arrival(record.first_token, record.widths.first_token)


def first_visible(record: Record) -> Interval | None:
    """Return when the first visible token arrived."""
    return _arrival(record.first_visible, record.widths.first_visible)


def last_token(record: Record) -> Interval | None:
    """Return when the answer was there: its last token, or the end of an unstreamed one."""
    return _arrival(answer_end(record), record.widths.last_token if record.streamed else 0)


def _arrival(stamp: int | None, width: int) -> Interval | None:
    return None if stamp is None else (stamp - width, stamp)


def span(begin: Instant, end: Instant) -> Bounded:
    """Return the function that bounds the time from one instant of a record to another."""

    def bounds(record: Record) -> Bounds | None:
        first, last = begin(record), end(record)
        if first is None or last is None:
            return None
        return max(last[0] - first[1], 0) / NS_PER_S, max(last[1] - first[0], 0) / NS_PER_S

    return bounds


def of_streams_only(begin: Instant, end: Instant) -> Bounded:
    """Return the same, for streamed answers only."""
    bounded = span(begin, end)
    return lambda record: bounded(record) if record.streamed else None


_e2e = span(sent, last_token)


def thinking(record: Record) -> Bounds | None:
    """Return the bounds of the time from the first token to the first visible one."""
    if record.first_kind != "reasoning" or not record.streamed:
        return None
    return span(first_token, first_visible)(record)


def tpot(record: Record) -> Bounds | None:
    """Return the bounds of TPOT, from its two arrivals and from the range of its divisor.

    Where the first read has a width, its tokens may have come one by one: then the time from the first
    of them on, and the tokens after it, are in the bounds too.
    """
    rest, first, last = tokens_after_first(record), first_token(record), last_token(record)
    if rest is None or first is None or last is None or not record.streamed:
        return None
    least, most = record.tokens.rest or (rest, rest)
    least = max(least, min(1.0, rest))
    shortest, longest = max(last[0] - first[1], 0), last[1] - first[1]
    low, high = shortest / most, longest / least
    if first[0] < first[1]:
        more = record.tokens.first * (1.0 - 1.0 / record.arrival_events[0])
        low = min(low, shortest / (most + more))
        high = max(high, (last[1] - first[0]) / (least + more))
    return low / NS_PER_S, high / NS_PER_S


def tpot_by_count(record: Record) -> Bounds | None:
    """Return the bounds of TPOT from the range of its divisor alone."""
    value, rest = formulas.tpot(record), tokens_after_first(record)
    if value is None or rest is None or not record.streamed:
        return None
    least, most = record.tokens.rest or (rest, rest)
    return value * rest / most, value * rest / max(least, min(1.0, rest))


def decode_speed(record: Record) -> Bounds | None:
    """Return the bounds of 1 / TPOT."""
    bounds = tpot(record)
    if bounds is None or bounds[1] <= 0.0:
        return None
    return 1.0 / bounds[1], 1.0 / max(bounds[0], _SHORTEST)


def per_token(record: Record) -> Bounds | None:
    """Return the bounds of the end-to-end time per output token."""
    n, bounds = generated_tokens(record), _e2e(record)
    return (bounds[0] / n, bounds[1] / n) if n and bounds is not None else None


def tokens_per_second(record: Record) -> Bounds | None:
    """Return the bounds of the output tokens over the end-to-end time."""
    return _rate(record, generated_tokens(record))


def characters_per_second(record: Record) -> Bounds | None:
    """Return the bounds of the characters over the end-to-end time."""
    return _rate(record, record.characters)


def _rate(record: Record, count: int | None) -> Bounds | None:
    bounds = _e2e(record)
    if not count or bounds is None or bounds[1] <= 0.0:
        return None
    return count / bounds[1], count / max(bounds[0], _SHORTEST)
