"""When an event can have arrived: intervals of merged reads, against segments with known instants."""

import random
from array import array
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.corpus import DONE, chunk

from llm_latency_lens.interpret.interpret import Subject, interpret
from llm_latency_lens.metrics.definitions import BY_NAME
from llm_latency_lens.metrics.formulas import gap_bounds
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.recording import Attempt, Ending, EndKind, Head, Marks, Recording

SENT = 1_000_000
HEAD = Head(200, (("content-type", "text/event-stream"),))
TOKEN = chunk({"content": "ab"})
Row = tuple[int, int, int, int]
"""Body bytes so far, user stamp, kernel stamp, earliest."""


def record(body: bytes, rows: list[Row], dialect: str = "openai_chat", head: Head = HEAD) -> Record:
    """The record of `body`, read as `rows` say."""
    recording = Recording(
        marks=Marks(sent=SENT, sent_latest=SENT + 10, ended=10**10),
        ending=Ending(EndKind.COMPLETE),
        head=head,
        body=body,
        reads=array("q", [field for row in rows for field in row]).tobytes(),
    )
    attempt = Attempt(
        number=1, phase="measure", worker=0, intended=SENT - 5, dequeued=SENT, recording=recording
    )
    return interpret(attempt, Subject(target="m", dialect=dialect))


def test_an_event_that_ends_a_merged_read_is_exact_and_earlier_ones_are_not() -> None:
    """Three tokens in one late read: the last came at the stamp, the first since `earliest`."""
    body = TOKEN * 3
    found = record(body, [(len(body), 9000, 8000, 5000)])
    assert (found.first_token, found.widths.first_token) == (8000, 3000)
    assert (found.last_token, found.widths.last_token) == (8000, 0)
    assert (found.arrival_events, found.arrival_widths) == ((3,), (3000,))


def test_one_segment_has_no_width_however_many_events_it_brings() -> None:
    """`earliest` is the stamp: the peer sent them together."""
    body = TOKEN * 3
    found = record(body, [(len(body), 9000, 8000, 8000)])
    assert (found.widths.first_token, found.arrival_widths) == (0, ())


def test_a_token_before_the_end_marker_in_its_read_does_not_end_it() -> None:
    """The stamp is that of the segment with [DONE]; the token may have come since `earliest`."""
    body = TOKEN + DONE
    found = record(body, [(len(body), 9000, 8000, 5000)])
    assert (found.widths.first_token, found.widths.last_token) == (3000, 3000)
    assert found.arrival_widths == (3000,)


@pytest.mark.parametrize(
    ("between", "width"), [(b"\n", 0), (b": ping", 3000), (b"data: {", 3000), (b"\n" * 9, 3000)]
)
def test_only_blank_framing_may_follow_the_event_that_ends_a_read(
    between: bytes, width: int
) -> None:
    """A line end is nothing; the beginning of something is a later part of the read."""
    found = record(TOKEN + between, [(len(TOKEN) + len(between), 9000, 8000, 5000)])
    assert found.widths.first_token == width


def test_the_lf_of_a_crlf_belongs_to_the_event_it_ends() -> None:
    """Lines that end in CRLF: the last event of a merged read is exact too."""
    body = TOKEN.replace(b"\n", b"\r\n") * 2
    found = record(body, [(len(body), 9000, 8000, 5000)])
    assert (found.widths.first_token, found.widths.last_token) == (3000, 0)


def test_lines_of_json_end_a_read_with_their_line_feed() -> None:
    """A dialect without SSE framing has the same intervals."""
    body = b'{"message":{"content":"a"},"done":false}\n' * 2
    head = Head(200, (("content-type", "application/x-ndjson"),))
    found = record(body, [(len(body), 9000, 8000, 5000)], "ollama", head)
    assert (found.widths.first_token, found.widths.last_token) == (3000, 0)


def test_with_user_stamps_every_event_of_a_read_has_its_width() -> None:
    """This process's stamp says only that the event had come by then."""
    found = record(TOKEN * 2, [(len(TOKEN), 9000, 0, 5000), (2 * len(TOKEN), 12_000, 0, 9000)])
    assert (found.first_token, found.widths.first_token) == (9000, 4000)
    assert (found.last_token, found.widths.last_token) == (12_000, 3000)
    assert found.arrival_widths == (4000, 3000)


def test_an_event_cut_by_a_read_has_the_interval_of_the_read_with_its_end() -> None:
    """The first part came in an exact read, the rest in a late one with another event."""
    cut = len(TOKEN) - 1
    body = TOKEN * 2
    found = record(body, [(cut, 4000, 4000, 4000), (len(body), 9000, 8000, 5000)])
    assert (found.first_byte, found.first_token) == (4000, 8000)
    assert (found.widths.first_byte, found.widths.first_token) == (0, 3000)


def test_late_reads_and_the_peers_coalescing_are_told_apart() -> None:
    """Four tokens in an exact read, two in one that was 3 ms late, one in between."""
    rows = [(4, 1, 0), (5, 2_000_000, 0), (7, 9_000_000, 3_000_000)]
    reads = [(n * len(TOKEN), SENT + at, SENT + at, SENT + at - width) for n, at, width in rows]
    found = record(TOKEN * 7, reads)
    assert BY_NAME["coalesced"].of(found) == pytest.approx(6 / 7)
    assert BY_NAME["coalesced_by_peer"].of(found) == pytest.approx(4 / 7)
    assert BY_NAME["read_late"].of(found) == pytest.approx(2 / 7)


def test_ttft_is_bounded_by_the_arrival_and_by_the_send_call() -> None:
    """[c1 - width - (s + the send call), c1 - s], in seconds."""
    body = TOKEN * 3
    found = record(body, [(len(body), 9_000_000, 8_000_000, 5_000_000)])
    bounds = BY_NAME["ttft"].bounds
    assert bounds is not None
    assert bounds(found) == pytest.approx((4e-3 - 10e-9, 7e-3))


Wire = tuple[list[int], list[Row]]


def wire(seed: int, merged: float) -> Wire:
    """Tokens as a peer sends them, one a segment, and the reads that merge some of them.

    Each read knows an instant at which the socket was empty; segments that came after it and before
    the read have the stamp of the last one.
    """
    rng = random.Random(seed)
    at, arrivals = SENT + 20_000_000, []
    for _ in range(24):
        arrivals.append(at)
        at += rng.randrange(100_000, 4_000_000)
    rows: list[Row] = []
    first = 0
    for i, arrival in enumerate(arrivals):
        if i + 1 < len(arrivals) and rng.random() < merged:
            continue
        empty = arrivals[first] - rng.randrange(1, 90_000)
        earliest = arrival if first == i else empty
        rows.append(((i + 1) * len(TOKEN), arrival + 50_000, arrival, earliest))
        first = i + 1
    return arrivals, rows


def first_token_time(arrivals: list[int]) -> float:
    """The time to the first token."""
    return (arrivals[0] - SENT) / 1e9


def time_per_token(arrivals: list[int]) -> float:
    """The time per token after the first, of tokens that come one by one."""
    return (arrivals[-1] - arrivals[0]) / (len(arrivals) - 1) / 1e9


def end_to_end(arrivals: list[int]) -> float:
    """The time to the last token."""
    return (arrivals[-1] - SENT) / 1e9


TRUTHS: dict[str, Callable[[list[int]], float]] = {
    "ttft": first_token_time,
    "ttfvt": first_token_time,
    "tpot": time_per_token,
    "decode_speed": lambda arrivals: 1.0 / time_per_token(arrivals),
    "e2e": end_to_end,
    "ntpot": lambda arrivals: end_to_end(arrivals) / len(arrivals),
    "tps_request": lambda arrivals: len(arrivals) / end_to_end(arrivals),
    "chars_per_second": lambda arrivals: 2 * len(arrivals) / end_to_end(arrivals),
}


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 0.8]))
def test_the_truth_lies_within_the_bounds_however_reads_were_merged(
    seed: int, merged: float
) -> None:
    """Every metric that rests on arrivals; without merged reads the value is the truth."""
    arrivals, rows = wire(seed, merged)
    tail = chunk({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": len(arrivals)})
    body = TOKEN * len(arrivals) + tail + DONE
    late = arrivals[-1] + 30_000
    found = record(body, [*rows, (len(body), late, late, late)])
    for name, truth in TRUTHS.items():
        metric, true = BY_NAME[name], truth(arrivals)
        bounds, value = metric.bounds(found) if metric.bounds else None, metric.of(found)
        if value is None:
            assert name in {"tpot", "decode_speed"}
            assert len(found.arrivals) == 1
            continue
        assert bounds is not None
        assert bounds[0] * (1 - 1e-9) <= true <= bounds[1] * (1 + 1e-9), name
        assert bounds[0] * (1 - 1e-9) <= value <= bounds[1] * (1 + 1e-9), name
        if merged == 0.0:
            assert value == pytest.approx(true), name


@given(st.integers(0, 10**6))
def test_the_gap_between_two_reads_lies_within_its_bounds(seed: int) -> None:
    """From the last token of a read to the first of the next."""
    arrivals, rows = wire(seed, 0.5)
    found = record(TOKEN * len(arrivals), rows)
    between = np.diff(np.array(found.arrivals, np.float64)) / 1e9
    lows, highs = gap_bounds(between, found.arrival_widths or (0,) * len(found.arrivals))
    ends = np.cumsum(found.arrival_events)
    gaps = [(arrivals[end] - arrivals[end - 1]) / 1e9 for end in ends[:-1].tolist()]
    assert len(lows) == len(highs) == len(gaps)
    assert all(
        low <= gap * (1 + 1e-9) and gap <= high * (1 + 1e-9)
        for low, gap, high in zip(lows, gaps, highs, strict=True)
    )


def test_tpot_does_not_lean_on_tokens_that_were_read_late() -> None:
    """Tokens 2 ms apart, the first five in one late read: TPOT is 2 ms all the same."""
    arrivals = [SENT + 20_000_000 + i * 2_000_000 for i in range(30)]
    rows = [
        ((i + 1) * len(TOKEN), at, at, arrivals[0] - 1 if i == 4 else at)
        for i, at in enumerate(arrivals)
        if i >= 4
    ]
    usage = {"prompt_tokens": 3, "completion_tokens": 30}
    body = TOKEN * 30 + chunk({}, "stop", usage=usage) + DONE
    last = arrivals[-1] + 1000
    found = record(body, [*rows, (len(body), last, last, last)])
    assert BY_NAME["tpot"].of(found) == pytest.approx(2e-3)
