"""Whether an answer arrived as it was made, held back at its start, or whole."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.records import MS, answered

from llm_latency_lens.metrics.checks.evidence import Evidence
from llm_latency_lens.metrics.delivery import held_back, is_whole
from llm_latency_lens.metrics.quality import run_checks
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.record import Record, TokenCounts, Widths
from llm_latency_lens.model.result import Check

NAMES = ("buffered delivery", "delayed first token")


def delivered(reads: list[tuple[float, int]], **more: Any) -> Record:  # noqa: ANN401
    """An answer whose reads came at these instants (ms) with so many token events."""
    arrivals = tuple(round(at * MS) for at, _ in reads)
    events = tuple(count for _, count in reads)
    sent = 1000 * MS
    total = more.pop("tokens", sum(events))
    fields = {
        "arrivals": arrivals,
        "arrival_events": events,
        "first_token": sent + arrivals[0],
        "last_token": sent + arrivals[-1],
        "tokens": TokenCounts(input=7, output=total, source="usage", events=sum(events)),
        **more,
    }
    return msgspec.structs.replace(answered(0, 0.0, 1.0), **fields)


def every(first: float, gap: float, counts: list[int]) -> list[tuple[float, int]]:
    """Reads with these numbers of events, each of which brings what `gap` ms an event made."""
    at, reads = first, []
    for number, count in enumerate(counts):
        at += gap * count if number else 0.0
        reads.append((at, count))
    return reads


def found(*records: Record) -> dict[str, Check]:
    """The checks on the delivery of these records."""
    summary = Summary()
    for record in records:
        summary.add(record)
    counts = Counts(planned=len(records), not_sent=0)
    evidence = Evidence(
        summary=summary, counts=counts, metrics=summary.distributions(), planned_rate=None
    )
    return {check.name: check for check in run_checks(evidence) if check.name in NAMES}


@pytest.mark.parametrize(
    ("record", "whole"),
    [
        (delivered([(1460.0, 64)]), True),
        (delivered([(1460.0, 1)], tokens=64), True),
        (delivered([(1460.0, 30), (1465.0, 30), (1480.0, 4)]), True),
        (delivered([(1460.0 + i, 50) for i in range(10)]), True),
        (delivered([(1460.0, 19)]), False),
        (delivered([(1460.0, 1)], tokens=19), False),
        (delivered([(1400.0, 30), (1420.0, 30), (1440.0, 4)]), False),
        (delivered([(1460.0 + i, 1) for i in range(20)]), False),
        (delivered([(30.0, 25)], widths=Widths(first_token=15 * MS)), False),
        (delivered([(30.0, 25)], widths=Widths(first_token=MS // 2)), True),
    ],
    ids=str,
)
def test_w37_a_whole_answer_is_one_whose_tokens_came_together(
    record: Record, *, whole: bool
) -> None:
    """20 tokens in one event, or 3 reads for each 20 within 2 % of e2e; a wide read is ours."""
    assert is_whole(record) is whole


@pytest.mark.parametrize(
    ("reads", "late_ms"),
    [
        (every(400.0, 20.0, [11, 11, 11, 11, 11, 9]), 200.0),
        (every(290.0, 5.0, [18, 21, 21, 4]), 85.0),
        (every(413.0, 20.0, [11] + [1] * 53), 200.0),
        (every(412.0, 5.0, [43, 21]), 210.0),
        (every(400.0, 60.0, [4, 3, 4, 3, 4, 3]), 180.0),
        (every(200.0, 20.0, [1] * 64), 0.0),
        (every(200.0, 20.0, [2] + [1] * 40), 0.0),
        (every(200.0, 7.0, [1, 4, 3, 5, 4, 4]), 0.0),
        (every(30.0, 20.0, [11] * 5), 30.0),
        ([(1460.0, 64)], 0.0),
    ],
)
def test_a_first_token_that_waited_for_others_is_late_by_their_pace(
    reads: list[tuple[float, int]], late_ms: float
) -> None:
    """HAProxy's timer, nginx's buffer and a held beginning are measured; single events are not."""
    assert held_back(delivered(reads)) == pytest.approx(late_ms * MS)


@given(st.integers(5, 60), st.floats(0.1, 50.0), st.integers(1, 9))
def test_a_late_read_of_ours_is_never_called_held_back(events: int, gap: float, rest: int) -> None:
    """A first read that is as wide as its tokens' pace was read late: nothing was held."""
    width = Widths(first_token=round((events - 1) * gap * MS) + MS)
    reads = every(2000.0 + events * gap, gap, [events, *[1] * (rest + 20)])
    assert held_back(delivered(reads, widths=width)) == 0


@given(st.integers(5, 40), st.floats(1.0, 50.0), st.integers(3, 40))
def test_what_was_held_back_is_never_more_than_the_ttft(held: int, gap: float, rest: int) -> None:
    """The estimate equals the hold, and never places a token before its request."""
    reads = every(100.0 + (held - 1) * gap, gap, [held, *[1] * rest])
    record = delivered(reads)
    if not is_whole(record):
        assert held_back(record) == pytest.approx((held - 1) * gap * MS, abs=held)
        assert held_back(record) <= record.arrivals[0]


def test_one_stall_does_not_change_the_pace() -> None:
    """A gap of ten seconds in mid-stream leaves the estimate where it was."""
    reads = every(400.0, 20.0, [11] * 6)
    stalled = [*reads[:4], *((at + 10_000.0, count) for at, count in reads[4:])]
    assert held_back(delivered(stalled)) == held_back(delivered(reads))


def test_the_verdict_says_by_how_much_the_first_token_is_late() -> None:
    """200 ms of 400 are INVALID with the amount; 2 % are a warning; below 1 % nobody is told."""
    late = found(*(delivered(every(400.0, 20.0, [11] * 6)) for _ in range(30)))
    check = late["delayed first token"]
    assert check.verdict == "INVALID"
    assert check.value == pytest.approx(0.2)
    assert "may be late by about 200 ms" in check.words
    assert "tpot" not in check.metrics
    some = found(*(delivered(every(400.0, 2.0, [5] * 6)) for _ in range(30)))
    assert some["delayed first token"].verdict == "WARN"
    assert not found(*(delivered(every(400.0, 0.5, [5] * 6)) for _ in range(30)))


def test_a_tail_of_held_answers_is_told_for_its_percentile() -> None:
    """A tenth of the answers held back leaves the median alone and moves p95."""
    held = [delivered(every(400.0, 20.0, [11] * 6)) for _ in range(12)]
    free = [delivered(every(200.0, 20.0, [1] * 60)) for _ in range(108)]
    check = found(*held, *free)["delayed first token"]
    assert "p95 of TTFT" in check.words
    assert check.value == pytest.approx(0.2)


def test_a_few_late_answers_of_the_server_accuse_nobody() -> None:
    """2 % of 600 answers that began with a burst move no percentile up to p95: no check fires."""
    late = [delivered(every(28.0, 2.0, [5] + [1] * 59)) for _ in range(12)]
    free = [delivered(every(20.0, 2.0, [1] * 64)) for _ in range(588)]
    assert not found(*late, *free)


def test_buffered_answers_void_ttft_and_tpot_by_their_share() -> None:
    """5 % whole answers are a warning, more are INVALID; e2e is left alone."""
    whole = [delivered([(1460.0, 64)]) for _ in range(6)]
    free = [delivered(every(200.0, 20.0, [1] * 60)) for _ in range(95)]
    assert found(*whole[:5], *free)["buffered delivery"].verdict == "WARN"
    check = found(*whole, *free)["buffered delivery"]
    assert check.verdict == "INVALID"
    assert "6 of 101" in check.words
    assert "1.46 s" in check.words
    assert {"ttft", "ttft_from_intended", "tpot", "icl"} <= set(check.metrics)
    assert "e2e" not in check.metrics
    assert not found(*free)


@pytest.mark.parametrize("reads", [[(1460.0, 64)], every(400.0, 20.0, [11] * 6)])
def test_a_cause_is_named_only_where_a_header_names_it(reads: list[tuple[float, int]]) -> None:
    """Without such a header the cause is said to be unknown; with one, both are shown."""
    ((_, unknown),) = found(delivered(reads), delivered(reads)).items()
    assert "not known" in unknown.words
    assert not any(word in unknown.words for word in ("nginx", "stands between"))
    named = [delivered(reads, via="nginx (server header)") for _ in range(2)]
    ((_, known),) = found(*named).items()
    assert "nginx (server header) stands between and may be buffering" in known.words


def test_lateness_of_ours_and_of_the_peer_are_told_apart() -> None:
    """Reads with a width were read late by us, those without were sent together by the peer."""
    peer = delivered(every(200.0, 2.0, [2] * 20))
    ours = delivered(every(200.0, 2.0, [2] * 20), arrival_widths=(2 * MS,) * 20)
    summary = Summary()
    summary.add(peer)
    summary.add(ours)
    assert (summary.deliveries.sent_together, summary.deliveries.read_late) == (40, 40)
