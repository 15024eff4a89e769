"""ONE table: every metric's name, unit, meaning and function. The summary and the docs page come from it.

A function takes a Record and gives seconds, tokens/s or a count; None where the record can't say. Only
records with outcome `ok` are asked. Instants turn into seconds here and nowhere else.
"""

import itertools
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from llm_latency_lens.model.record import Record
from llm_latency_lens.units import NS_PER_S

Group = Literal["client", "connection", "latency", "stream", "speed", "network", "server"]


class Metric(Struct, frozen=True, kw_only=True):
    """One number of one request. `needs` names the marks without which it is None."""

    name: str
    unit: str
    needs: tuple[str, ...]
    meaning: str
    of: Callable[[Record], float | None]
    group: Group = "latency"
    higher_is_better: bool = False


def _seconds(begin: int | None, end: int | None) -> float | None:
    return None if begin is None or end is None else (end - begin) / NS_PER_S


def streamed_tokens(record: Record) -> int | None:
    """Output tokens that came over the wire: all of them, less what reasoning the server kept hidden."""
    tokens = record.tokens
    if tokens.output is None or tokens.source != "usage_minus_hidden":
        return tokens.output
    return max(tokens.output - (tokens.reasoning or 0), 0)


def tokens_per_event(record: Record) -> float | None:
    """The stream's granularity: tokens by usage over token events; 1 is one token an event."""
    streamed = streamed_tokens(record)
    if streamed is None or not record.tokens.events or record.tokens.source == "chunks":
        return None
    return streamed / record.tokens.events


def gaps(record: Record) -> list[int]:
    """Inter-chunk gaps (ns): between network reads that carried tokens."""
    arrivals = record.arrivals
    return [later - earlier for earlier, later in itertools.pairwise(arrivals)]


def _connect(record: Record) -> float | None:
    m = record.marks
    begin = m.dns_begin if m.dns_begin is not None else m.tcp_begin
    ends = [end for end in (m.tcp_end, m.proxy_end, m.tls_end) if end is not None]
    return _seconds(begin, max(ends)) if ends else None


def _thinking(record: Record) -> float | None:
    if record.first_kind != "reasoning":
        return None
    return _seconds(record.first_token, record.first_visible)


def _tpot(record: Record) -> float | None:
    n = streamed_tokens(record)
    span = _seconds(record.first_token, record.last_token)
    if n is None or n <= 1 or span is None or len(record.arrivals) < 2:
        return None
    return span / (n - 1)


def _per_token(record: Record) -> float | None:
    n = record.tokens.output
    total = _seconds(record.marks.sent, record.last_token)
    return total / n if n and total is not None else None


def _tps(record: Record) -> float | None:
    n = streamed_tokens(record)
    total = _seconds(record.marks.sent, record.last_token)
    return n / total if n and total else None


def _decode_speed(record: Record) -> float | None:
    tpot = _tpot(record)
    return 1.0 / tpot if tpot else None


def _stalls(record: Record) -> list[int] | None:
    """Gaps above five times the request's median gap, and above a quarter of a second."""
    found = gaps(record)
    if not found:
        return None
    ordered = sorted(found)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    limit = max(5 * median, NS_PER_S / 4)
    return [gap for gap in found if gap > limit]


def _stall_count(record: Record) -> float | None:
    stalls = _stalls(record)
    return None if stalls is None else float(len(stalls))


def _stall_time(record: Record) -> float | None:
    stalls = _stalls(record)
    return None if stalls is None else sum(stalls) / NS_PER_S


def _coalesced(record: Record) -> float | None:
    total = sum(record.arrival_events)
    shared = sum(count for count in record.arrival_events if count > 1)
    return shared / total if total else None


def _rtt(record: Record) -> float | None:
    connection = record.connection
    return None if connection is None or connection.rtt is None else connection.rtt / NS_PER_S


def _retransmits(record: Record) -> float | None:
    connection = record.connection
    return (
        None
        if connection is None or connection.retransmits is None
        else float(connection.retransmits)
    )


_SENT = "marks.sent"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="ttft",
        unit="s",
        needs=(_SENT, "first_token"),
        meaning="sent to the first generated token of any kind (c1 - s)",
        of=lambda r: _seconds(r.marks.sent, r.first_token),
    ),
    Metric(
        name="ttft_from_intended",
        unit="s",
        needs=("intended", "first_token"),
        meaning="the same from the instant the schedule asked for (c1 - S)",
        of=lambda r: _seconds(r.intended, r.first_token),
    ),
    Metric(
        name="ttfvt",
        unit="s",
        needs=(_SENT, "first_visible"),
        meaning="sent to the first visible text (v1 - s)",
        of=lambda r: _seconds(r.marks.sent, r.first_visible),
    ),
    Metric(
        name="thinking",
        unit="s",
        needs=("first_token", "first_visible"),
        meaning="first token to first visible text where reasoning came first (v1 - c1)",
        of=_thinking,
    ),
    Metric(
        name="tpot",
        unit="s",
        needs=("first_token", "last_token", "tokens"),
        meaning="time per output token after the first: (cL - c1) / (n - 1); null when n <= 1",
        of=_tpot,
    ),
    Metric(
        name="e2e",
        unit="s",
        needs=(_SENT, "last_token"),
        meaning="sent to the last token (cL - s)",
        of=lambda r: _seconds(r.marks.sent, r.last_token),
    ),
    Metric(
        name="e2e_from_intended",
        unit="s",
        needs=("intended", "last_token"),
        meaning="the same from the intended instant (cL - S)",
        of=lambda r: _seconds(r.intended, r.last_token),
    ),
    Metric(
        name="e2e_stream",
        unit="s",
        needs=(_SENT,),
        meaning="sent to the end of the response (d - s)",
        of=lambda r: _seconds(r.marks.sent, r.marks.ended),
    ),
    Metric(
        name="ntpot",
        unit="s",
        needs=(_SENT, "last_token", "tokens"),
        meaning="end to end per output token (e2e / n)",
        of=_per_token,
    ),
    Metric(
        name="ttfb",
        unit="s",
        needs=(_SENT, "first_byte"),
        meaning="sent to the first byte of the response body (b - s)",
        of=lambda r: _seconds(r.marks.sent, r.first_byte),
    ),
    Metric(
        name="ttfe",
        unit="s",
        needs=(_SENT, "first_event"),
        meaning="sent to the first event that belongs to the answer (e1 - s)",
        of=lambda r: _seconds(r.marks.sent, r.first_event),
    ),
    Metric(
        name="tps_request",
        unit="tokens/s",
        needs=(_SENT, "last_token", "tokens"),
        meaning="streamed tokens over end to end",
        group="speed",
        higher_is_better=True,
        of=_tps,
    ),
    Metric(
        name="decode_speed",
        unit="tokens/s",
        needs=("first_token", "last_token", "tokens"),
        meaning="1 / tpot",
        group="speed",
        higher_is_better=True,
        of=_decode_speed,
    ),
    Metric(
        name="stall_count",
        unit="count",
        needs=("arrivals",),
        meaning="gaps above max(5 x the request's median gap, 250 ms)",
        group="stream",
        of=_stall_count,
    ),
    Metric(
        name="stall_time",
        unit="s",
        needs=("arrivals",),
        meaning="those gaps together",
        group="stream",
        of=_stall_time,
    ),
    Metric(
        name="tokens_per_event",
        unit="ratio",
        needs=("tokens",),
        meaning="tokens by usage per token event; above 1.05 the gaps are not per token",
        group="stream",
        of=tokens_per_event,
    ),
    Metric(
        name="coalesced",
        unit="ratio",
        needs=("arrivals",),
        meaning="share of token events that shared a network read with another",
        group="stream",
        of=_coalesced,
    ),
    Metric(
        name="queue",
        unit="s",
        needs=("intended", _SENT),
        meaning="intended to sent: everything the client added before sending (s - S)",
        group="client",
        of=lambda r: _seconds(r.intended, r.marks.sent),
    ),
    Metric(
        name="send",
        unit="s",
        needs=(_SENT, "marks.written"),
        meaning="sent to the last byte of the request in the kernel (w - s)",
        group="client",
        of=lambda r: _seconds(r.marks.sent, r.marks.written),
    ),
    Metric(
        name="dns",
        unit="s",
        needs=("marks.dns_begin",),
        meaning="name lookup; new connections only",
        group="connection",
        of=lambda r: _seconds(r.marks.dns_begin, r.marks.dns_end),
    ),
    Metric(
        name="tcp",
        unit="s",
        needs=("marks.tcp_begin",),
        meaning="TCP handshake, racing address families included",
        group="connection",
        of=lambda r: _seconds(r.marks.tcp_begin, r.marks.tcp_end),
    ),
    Metric(
        name="proxy",
        unit="s",
        needs=("marks.proxy_begin",),
        meaning="CONNECT through the proxy",
        group="connection",
        of=lambda r: _seconds(r.marks.proxy_begin, r.marks.proxy_end),
    ),
    Metric(
        name="tls",
        unit="s",
        needs=("marks.tls_begin",),
        meaning="TLS handshake, full or resumed",
        group="connection",
        of=lambda r: _seconds(r.marks.tls_begin, r.marks.tls_end),
    ),
    Metric(
        name="connect",
        unit="s",
        needs=("marks.tcp_begin",),
        meaning="DNS, TCP, proxy and TLS together",
        group="connection",
        of=_connect,
    ),
    Metric(
        name="network_rtt",
        unit="s",
        needs=("connection",),
        meaning="the kernel's smoothed round-trip time at the end of the request",
        group="network",
        of=_rtt,
    ),
    Metric(
        name="retransmits",
        unit="count",
        needs=("connection",),
        meaning="TCP segments sent again during the request",
        group="network",
        of=_retransmits,
    ),
    Metric(
        name="server_prompt",
        unit="s",
        needs=("server_prompt",),
        meaning="prompt processing by the server's own account",
        group="server",
        of=lambda r: r.server_prompt,
    ),
    Metric(
        name="server_generation",
        unit="s",
        needs=("server_generation",),
        meaning="generation by the server's own account",
        group="server",
        of=lambda r: r.server_generation,
    ),
    Metric(
        name="server_time",
        unit="s",
        needs=("server_total",),
        meaning="total time by the server's own account (a response header)",
        group="server",
        of=lambda r: r.server_total,
    ),
)

GAP_METRICS: dict[str, str] = {
    "icl": "inter-chunk latency: gaps between network reads that carry tokens, pooled over requests",
    "itl": "inter-token latency: each gap spread over the k token events of its read, weight k",
}
"""Metrics of gaps rather than requests; withheld per token where events carry several tokens."""
