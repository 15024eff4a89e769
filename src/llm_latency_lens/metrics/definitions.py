"""ONE table: every metric's name, unit, meaning and function. The summary and the docs page come from it.

A function takes a Record and gives seconds, tokens/s or a count; None where the record can't say. Only
records with outcome `ok` are asked. Instants turn into seconds in `formulas.py` and `bounds.py`, which
the rows of this table name, and nowhere else.
"""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from llm_latency_lens.metrics import bounds, formulas
from llm_latency_lens.metrics.formulas import of_streams, seconds
from llm_latency_lens.model.record import Record

Group = Literal["client", "connection", "latency", "stream", "speed", "network", "server"]


class Metric(Struct, frozen=True, kw_only=True):
    """One number of one request.

    Attributes:
        unit: s, tokens/s, characters/s, count or ratio.
        needs: the marks and counts on which it rests, and without which it is None.
        of: the value.
        bounds: the least and the most that the value can be; None where it is as exact as its marks.
        counted: the same by what is not known of token counts alone, as if all instants were exact.
    """

    name: str
    unit: str
    needs: tuple[str, ...]
    meaning: str
    of: Callable[[Record], float | None]
    bounds: Callable[[Record], tuple[float, float] | None] | None = None
    counted: Callable[[Record], tuple[float, float] | None] | None = None
    group: Group = "latency"
    higher_is_better: bool = False


_SENT = "marks.sent"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="ttft",
        unit="s",
        needs=(_SENT, "first_token"),
        meaning="sent to the first generated token of any kind (c1 - s)",
        of=of_streams(lambda r: seconds(r.marks.sent, r.first_token)),
        bounds=bounds.of_streams_only(bounds.sent, bounds.first_token),
    ),
    Metric(
        name="ttft_from_intended",
        unit="s",
        needs=("intended", "first_token"),
        meaning="the same from the instant the schedule asked for (c1 - S)",
        of=of_streams(lambda r: seconds(r.intended, r.first_token)),
        bounds=bounds.of_streams_only(bounds.intended, bounds.first_token),
    ),
    Metric(
        name="ttfvt",
        unit="s",
        needs=(_SENT, "first_visible"),
        meaning="sent to the first visible text (v1 - s)",
        of=of_streams(lambda r: seconds(r.marks.sent, r.first_visible)),
        bounds=bounds.of_streams_only(bounds.sent, bounds.first_visible),
    ),
    Metric(
        name="thinking",
        unit="s",
        needs=("first_token", "first_visible"),
        meaning="first token to first visible text where reasoning came first (v1 - c1)",
        of=of_streams(formulas.thinking),
        bounds=bounds.thinking,
    ),
    Metric(
        name="tpot",
        unit="s",
        needs=("first_token", "last_token", "tokens.streamed"),
        meaning="time per output token after those of the first read: (cL - c1) / (n - n_first)",
        of=of_streams(formulas.tpot),
        bounds=bounds.tpot,
        counted=bounds.tpot_by_count,
    ),
    Metric(
        name="e2e",
        unit="s",
        needs=(_SENT, "last_token"),
        meaning="sent to the last token (cL - s); to the end of an unstreamed answer (d - s)",
        of=lambda r: seconds(r.marks.sent, formulas.answer_end(r)),
        bounds=bounds.span(bounds.sent, bounds.last_token),
    ),
    Metric(
        name="e2e_from_intended",
        unit="s",
        needs=("intended", "last_token"),
        meaning="the same from the intended instant (cL - S, d - S)",
        of=lambda r: seconds(r.intended, formulas.answer_end(r)),
        bounds=bounds.span(bounds.intended, bounds.last_token),
    ),
    Metric(
        name="e2e_stream",
        unit="s",
        needs=(_SENT,),
        meaning="sent to the end of the response (d - s)",
        of=lambda r: seconds(r.marks.sent, r.marks.ended),
    ),
    Metric(
        name="ntpot",
        unit="s",
        needs=(_SENT, "last_token", "tokens.output"),
        meaning="end to end per output token (e2e / n)",
        of=formulas.per_token,
        bounds=bounds.per_token,
    ),
    Metric(
        name="ttfb",
        unit="s",
        needs=(_SENT, "first_byte"),
        meaning="sent to the first byte of the response body (b - s)",
        of=lambda r: seconds(r.marks.sent, r.first_byte),
        bounds=bounds.span(bounds.sent, bounds.first_byte),
    ),
    Metric(
        name="ttfe",
        unit="s",
        needs=(_SENT, "first_event"),
        meaning="sent to the first event that belongs to the answer (e1 - s)",
        of=of_streams(lambda r: seconds(r.marks.sent, r.first_event)),
        bounds=bounds.of_streams_only(bounds.sent, bounds.first_event),
    ),
    Metric(
        name="tps_request",
        unit="tokens/s",
        needs=(_SENT, "last_token", "tokens.output"),
        meaning="output tokens over end to end, tokens that did not stream included",
        group="speed",
        higher_is_better=True,
        of=formulas.tokens_per_second,
        bounds=bounds.tokens_per_second,
    ),
    Metric(
        name="decode_speed",
        unit="tokens/s",
        needs=("first_token", "last_token", "tokens.streamed"),
        meaning="1 / tpot",
        group="speed",
        higher_is_better=True,
        of=of_streams(formulas.decode_speed),
        bounds=bounds.decode_speed,
    ),
    Metric(
        name="chars_per_second",
        unit="characters/s",
        needs=(_SENT, "last_token", "characters"),
        meaning="characters of the answer over end to end: comparable between tokenizers",
        group="speed",
        higher_is_better=True,
        of=formulas.characters_per_second,
        bounds=bounds.characters_per_second,
    ),
    Metric(
        name="stall_count",
        unit="count",
        needs=("arrivals",),
        meaning="gaps above max(5 x the request's median gap, 250 ms)",
        group="stream",
        of=of_streams(formulas.stall_count),
    ),
    Metric(
        name="stall_time",
        unit="s",
        needs=("arrivals",),
        meaning="those gaps together",
        group="stream",
        of=of_streams(formulas.stall_time),
    ),
    Metric(
        name="tokens_per_event",
        unit="ratio",
        needs=("tokens.streamed",),
        meaning="tokens by usage per token event; above 1.05 the gaps are not per token",
        group="stream",
        of=of_streams(formulas.tokens_per_event),
    ),
    Metric(
        name="coalesced",
        unit="ratio",
        needs=("arrivals",),
        meaning="share of token events that shared a network read with another",
        group="stream",
        of=of_streams(formulas.coalesced),
    ),
    Metric(
        name="coalesced_by_peer",
        unit="ratio",
        needs=("arrivals",),
        meaning="share of token events that the peer sent together with another",
        group="stream",
        of=of_streams(formulas.coalesced_by_peer),
    ),
    Metric(
        name="read_late",
        unit="ratio",
        needs=("arrivals",),
        meaning="share of token events in reads that this client made more than 0.1 ms late",
        group="stream",
        of=of_streams(formulas.read_late),
    ),
    Metric(
        name="queue",
        unit="s",
        needs=("intended", _SENT),
        meaning="intended to sent: everything the client added before sending (s - S)",
        group="client",
        of=lambda r: seconds(r.intended, r.marks.sent),
    ),
    Metric(
        name="send",
        unit="s",
        needs=(_SENT, "marks.written"),
        meaning="sent to the last byte of the request in the kernel (w - s)",
        group="client",
        of=lambda r: seconds(r.marks.sent, r.marks.written),
    ),
    Metric(
        name="upload",
        unit="s",
        needs=(_SENT, "marks.uploaded"),
        meaning="sent to the acknowledgement of the request's last byte; requests above 14 KiB",
        group="network",
        of=lambda r: seconds(r.marks.sent, r.marks.uploaded),
    ),
    Metric(
        name="dns",
        unit="s",
        needs=("marks.dns_begin",),
        meaning="name lookup; new connections only",
        group="connection",
        of=lambda r: seconds(r.marks.dns_begin, r.marks.dns_end),
    ),
    Metric(
        name="tcp",
        unit="s",
        needs=("marks.tcp_begin",),
        meaning="TCP handshake, racing address families included",
        group="connection",
        of=lambda r: seconds(r.marks.tcp_begin, r.marks.tcp_end),
    ),
    Metric(
        name="proxy",
        unit="s",
        needs=("marks.proxy_begin",),
        meaning="CONNECT through the proxy",
        group="connection",
        of=lambda r: seconds(r.marks.proxy_begin, r.marks.proxy_end),
    ),
    Metric(
        name="tls",
        unit="s",
        needs=("marks.tls_begin",),
        meaning="TLS handshake, full or resumed",
        group="connection",
        of=lambda r: seconds(r.marks.tls_begin, r.marks.tls_end),
    ),
    Metric(
        name="connect",
        unit="s",
        needs=("marks.tcp_begin",),
        meaning="DNS, TCP, proxy and TLS together",
        group="connection",
        of=formulas.connect,
    ),
    Metric(
        name="network_rtt",
        unit="s",
        needs=("connection",),
        meaning="the kernel's smoothed round-trip time at the end of the request",
        group="network",
        of=formulas.rtt,
    ),
    Metric(
        name="retransmits",
        unit="count",
        needs=("connection",),
        meaning="TCP segments sent again during the request",
        group="network",
        of=formulas.retransmits,
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
        meaning="total time by the server's own account (its last event, or a header of a document)",
        group="server",
        of=lambda r: r.server_total,
    ),
    Metric(
        name="server_until_response",
        unit="s",
        needs=("server_until_response",),
        meaning="time until the response began by the server's own account (a header of a stream)",
        group="server",
        of=lambda r: r.server_until_response,
    ),
)

BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}

GAP_METRICS: dict[str, str] = {
    "icl": "inter-chunk latency: gaps between network reads that carry tokens, pooled over requests",
    "itl": "inter-token latency: each gap spread over the k token events of its read, weight k",
}
"""Metrics of gaps rather than requests; withheld per token where events carry several tokens."""

COUNTS = ("tokens.streamed", "tokens.output")
UNCOUNTED = ("chunks", "estimate")
"""Sources of token counts that are no counts: stream events, or a guess by characters."""
QUANTITIES: dict[str, tuple[str, ...]] = {
    "icl": ("arrivals",),
    "itl": ("arrivals", "tokens.streamed"),
    "throughput": ("tokens.output",),
    "output_tokens": ("tokens.output",),
    "cost": ("tokens.output",),
}
"""What the quantities that are no metric of one request rest on."""


def resting_on(*needs: str) -> tuple[str, ...]:
    """Return every metric and quantity that rests on one of these marks and counts."""
    known = {metric.name: metric.needs for metric in METRICS} | QUANTITIES
    return tuple(name for name, own in known.items() if set(needs) & set(own))
