"""Metric definitions, the fold over records, and the run's judgement of itself."""

import itertools
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.metrics.checks.evidence import Evidence
from llm_latency_lens.metrics.definitions import METRICS
from llm_latency_lens.metrics.quality import run_checks, verdict_of
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.record import Outcome, OutcomeKind, Record, TokenCounts
from llm_latency_lens.model.recording import ConnectionFacts, Marks

MS = 1_000_000
OF = {metric.name: metric.of for metric in METRICS}


def record(
    number: int = 0,
    ttft: int = 100,
    gap: int = 10,
    tokens: int = 5,
    **changes: Any,  # noqa: ANN401 - fields of a record
) -> Record:
    """A successful request: sent at number x 50 ms, tokens evenly spaced (ms)."""
    sent = (1000 + number * 50) * MS
    arrivals = tuple((ttft + i * gap) * MS for i in range(tokens))
    fields: dict[str, Any] = {
        "number": number, "phase": "measure", "worker": 0, "target": "openai:m",
        "intended": sent - 2 * MS, "dequeued": sent - MS,
        "marks": Marks(tcp_begin=sent - 2 * MS, tcp_end=sent - MS, sent=sent, written=sent + MS // 10, head=sent + 50 * MS, ended=sent + arrivals[-1] + 3 * MS),
        "outcome": Outcome(OutcomeKind.OK, "", 200),
        "first_byte": sent + 60 * MS, "first_event": sent + 70 * MS,
        "first_token": sent + arrivals[0], "first_visible": sent + arrivals[0], "last_token": sent + arrivals[-1],
        "first_kind": "text", "arrivals": arrivals, "arrival_events": (1,) * tokens,
        "stamps": "kernel", "late": MS // 20,
        "tokens": TokenCounts(input=7, output=tokens, source="usage", events=tokens),
        "connection": ConnectionFacts(id=1, reused=False, remote="127.0.0.1:1", family="ipv4", rtt=30_000, retransmits=0),
    }  # fmt: skip
    return Record(**{**fields, **changes})


def failed(number: int = 0, kind: OutcomeKind = OutcomeKind.ERROR_HTTP) -> Record:
    """A failed request."""
    sent = (1000 + number * 50) * MS
    return record(
        number,
        marks=Marks(sent=sent, ended=sent + MS),
        outcome=Outcome(kind, "server", 503, "busy"),
    )


def test_every_metric_by_hand() -> None:
    """One request, reckoned with pencil and paper (seconds)."""
    found = {name: of(record(characters=20)) for name, of in OF.items()}
    expected = {
        "ttft": 0.100, "ttft_from_intended": 0.102, "ttfvt": 0.100, "thinking": None, "tpot": 0.010,
        "e2e": 0.140, "e2e_from_intended": 0.142, "e2e_stream": 0.143, "ntpot": 0.028, "ttfb": 0.060,
        "ttfe": 0.070, "tps_request": 5 / 0.140, "decode_speed": 100.0, "stall_count": 0.0, "stall_time": 0.0,
        "chars_per_second": 20 / 0.140, "coalesced_by_peer": 0.0, "read_late": 0.0,
        "tokens_per_event": 1.0, "coalesced": 0.0, "queue": 0.002, "send": 0.0001, "dns": None, "tcp": 0.001,
        "proxy": None, "tls": None, "connect": 0.001, "network_rtt": 0.00003, "retransmits": 0.0,
        "server_prompt": None, "server_generation": None, "server_time": None,
        "server_until_response": None, "upload": None,
    }  # fmt: skip
    assert found == {
        name: value if value is None else pytest.approx(value) for name, value in expected.items()
    }


def test_hidden_reasoning_costs_tokens_but_is_no_speed() -> None:
    """Ten tokens of which six were never streamed: TPOT and speed use four, NTPOT all ten."""
    tokens = TokenCounts(output=10, reasoning=6, source="usage_minus_hidden", events=4)
    one = record(tokens=4)
    one = msgspec.structs.replace(one, tokens=tokens)
    assert OF["tpot"](one) == pytest.approx(0.030 / 3)
    assert OF["ntpot"](one) == pytest.approx(0.130 / 10)
    assert OF["tokens_per_event"](one) == pytest.approx(1.0)


def test_thinking_is_the_time_until_something_is_visible() -> None:
    """Only where reasoning came first."""
    one = record(first_kind="reasoning", first_visible=(1000 + 400) * MS)
    assert OF["thinking"](one) == pytest.approx(0.3)
    assert OF["ttft"](one) == pytest.approx(0.1)
    assert OF["ttfvt"](one) == pytest.approx(0.4)


@pytest.mark.parametrize("changes", [{"tokens": 1}, {"arrivals": (9,), "arrival_events": (5,)}])
def test_c7_tpot_is_null_rather_than_zero(changes: dict[str, Any]) -> None:
    """C7: one token, or all in one read, have no time per token."""
    assert OF["tpot"](record(**changes)) is None
    assert OF["decode_speed"](record(**changes)) is None


def test_stalls_are_gaps_far_beyond_the_requests_own() -> None:
    """One gap of 400 ms among gaps of 10 ms; 200 ms are none: below a quarter of a second."""
    arrivals = tuple(at * MS for at in (100, 110, 120, 130, 140, 540, 740))
    one = record(arrivals=arrivals)
    assert OF["stall_count"](one) == 1.0
    assert OF["stall_time"](one) == pytest.approx(0.4)


def test_unknown_stays_null() -> None:
    """A record without anything has no metric, and none is 0."""
    empty = Record(
        number=0,
        phase="measure",
        worker=0,
        target="t",
        intended=0,
        dequeued=0,
        marks=Marks(ended=5),
        outcome=Outcome(OutcomeKind.OK),
    )
    assert {of(empty) for of in OF.values()} == {None}


def summarised(*records: Record) -> Summary:
    """A fold over records."""
    summary = Summary()
    for one in records:
        summary.add(one)
    return summary


def test_failures_enter_reliability_and_no_latency() -> None:
    """Outcomes are counted, the first of a kind is kept in words, speed has successes alone."""
    summary = summarised(record(0), failed(1), failed(2), failed(3, OutcomeKind.TRUNCATED))
    assert summary.books(Counts(planned=5, not_sent=1))["error_http"] == 2
    assert sum(summary.books(Counts(planned=5, not_sent=1)).values()) == 5
    assert summary.distributions()["ttft"].n == 1
    assert {(f.outcome, f.count, f.example) for f in summary.failures.values()} == {
        ("error_http", 2, "busy"),
        ("truncated", 1, "busy"),
    }


def test_s8_warm_up_is_counted_and_left_out() -> None:
    """S8: not in metrics, not in outcomes."""
    summary = summarised(record(0, phase="warmup"), record(1))
    assert (summary.warmup, summary.outcomes["ok"]) == (1, 1)


def test_percentiles_the_sample_can_not_support_are_null() -> None:
    """Q13: with the number they need beside them."""
    shuffled = random.Random(1).sample(range(100, 140), 40)
    records = (record(n, ttft=ttft) for n, ttft in enumerate(shuffled))
    found = summarised(*records).distributions()["ttft"]
    assert found.n == 40
    assert found.p50 == pytest.approx(0.1195)
    assert found.p90 == pytest.approx(0.1351)
    assert (found.p95, found.p99, found.p99_9) == (None, None, None)
    assert found.needs == {"p95": 72, "p99": 368, "p99_9": 3688}
    low, high = found.interval["p50"]
    assert low < 0.1195 < high


def test_w28_coarse_events_have_no_inter_token_latency() -> None:
    """W28: two tokens an event: gaps of events remain, gaps of tokens are withheld, TPOT is kept."""
    tokens = TokenCounts(output=10, source="usage", events=5)
    summary = summarised(*(msgspec.structs.replace(record(n), tokens=tokens) for n in range(8)))
    found = summary.distributions()
    assert "itl" not in found
    assert "icl" in found
    assert found["tpot"].p50 == pytest.approx(0.040 / 9)
    assert "stream granularity" in {check.name for check in checks(summary)}


def test_itl_spreads_a_gap_over_the_tokens_of_its_read() -> None:
    """A read of four tokens after 20 ms: four gaps of 5 ms; the gap of the read stays 20 ms."""
    one = record(arrivals=(100 * MS, 120 * MS), arrival_events=(1, 4))
    found = summarised(one, one, one).distributions()
    assert (found["itl"].n, found["icl"].n) == (12, 3)
    assert [found["itl"].p50, found["itl"].max] == pytest.approx([0.005, 0.005])
    assert found["icl"].max == pytest.approx(0.020)


def test_throughput_counts_tokens_where_they_arrived() -> None:
    """Twenty requests of 100 tokens/s each, one started every 50 ms: the steady window has the plateau."""
    records = [record(n, ttft=10, gap=10, tokens=50) for n in range(60)]
    found = summarised(*records).timeline.throughput()
    assert found.window is not None
    assert found.output_tokens == pytest.approx(1000.0, rel=0.03)
    assert found.wall_output_tokens is not None
    assert found.wall_output_tokens < 950
    assert found.max_in_flight == 11


@given(st.permutations(range(12)))
def test_the_order_of_records_does_not_matter(order: list[int]) -> None:
    """The same set gives the same numbers."""
    records = [record(n, ttft=50 + 7 * n) if n % 4 else failed(n) for n in range(12)]
    one, other = summarised(*records), summarised(*(records[i] for i in order))
    assert one.distributions()["ttft"].p50 == other.distributions()["ttft"].p50
    first, second = one.timeline.throughput(), other.timeline.throughput()
    assert first.window == second.window
    assert first.output_tokens == pytest.approx(second.output_tokens)
    assert first.requests == pytest.approx(second.requests)


def checks(
    summary: Summary, planned: int | None = None, rate: float | None = None
) -> tuple[Any, ...]:
    """The checks of a run in which everything planned was sent."""
    counts = Counts(
        planned=sum(summary.outcomes.values()) if planned is None else planned, not_sent=0
    )
    evidence = Evidence(
        summary=summary, counts=counts, metrics=summary.distributions(), planned_rate=rate
    )
    return run_checks(evidence)


def verdicts(found: tuple[Any, ...]) -> dict[str, str]:
    """Verdict by check."""
    return {check.name: check.verdict for check in found}


def test_a_clean_run_is_valid() -> None:
    """No check objects to it."""
    punctual = (record(n, intended=(1000 + n * 50) * MS - MS // 10) for n in range(50))
    found = checks(summarised(*punctual), rate=20.0)
    assert set(verdicts(found).values()) == {"VALID"}
    assert verdict_of("ttft", found) == ("VALID", ())


FAULTS: dict[str, tuple[list[Record], str]] = {
    "schedule slip": (
        [record(n, intended=(1000 + n * 50 - 40) * MS) for n in range(50)],
        "INVALID",
    ),
    "offered load": ([record(n * 2) for n in range(400)], "INVALID"),
    "arrival stamps": ([record(n, stamps="user", late=None) for n in range(50)], "WARN"),
    "coalesced reads": (
        [record(n, arrivals=(100 * MS, 140 * MS), arrival_events=(1, 4)) for n in range(50)],
        "INVALID",
    ),
    "buffered delivery": (
        [record(n, arrivals=(100 * MS,), arrival_events=(30,)) for n in range(50)],
        "INVALID",
    ),
    "failed or unsent": (
        [record(n) for n in range(45)] + [failed(n) for n in range(45, 50)],
        "INVALID",
    ),
    "retransmits": (
        [
            record(
                n,
                ttft=100 + 200 * (n % 2),
                connection=ConnectionFacts(
                    id=1, reused=True, remote="", family="ipv4", retransmits=n % 2
                ),
            )
            for n in range(50)
        ],
        "INVALID",
    ),
    "sample size": ([record(n) for n in range(5)], "INSUFFICIENT"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_detector_is_flipped_by_its_fault(name: str) -> None:
    """An injected fault is found, with words and a remedy."""
    records, verdict = FAULTS[name]
    found = {check.name: check for check in checks(summarised(*records), rate=20.0)}
    assert found[name].verdict == verdict
    assert found[name].remedy
    assert found[name].metrics


def test_q10_books_that_do_not_balance_void_the_run() -> None:
    """Q10: a request that is nowhere makes every number INVALID."""
    found = checks(summarised(*(record(n) for n in range(50))), planned=51)
    assert verdicts(found)["books"] == "INVALID"
    assert verdict_of("ttft", found)[0] == "INVALID"


def test_s3_making_a_connection_is_not_our_lateness() -> None:
    """S3: 200 ms of handshake are in the queue and in the intended origin, not in the slip."""
    marks = Marks(tcp_begin=(1000 - 200) * MS, tcp_end=1000 * MS, sent=1000 * MS, ended=2000 * MS)
    summary = summarised(record(0, marks=marks, intended=(1000 - 201) * MS))
    assert summary.slip.quantile(0.5) == pytest.approx(0.001)
    assert summary.columns["queue"].quantile(0.5) == pytest.approx(0.201)


def test_l5_a_lost_worker_voids_the_run() -> None:
    """L5: the books balance, and still no number may be used."""
    summary = summarised(*(record(n) for n in range(50)))
    counts = Counts(planned=53, not_sent=0, lost=3)
    evidence = Evidence(
        summary=summary, counts=counts, metrics=summary.distributions(), planned_rate=None
    )
    found = run_checks(evidence)
    assert verdicts(found)["books"] == "VALID"
    assert verdicts(found)["lost worker"] == "INVALID"
    assert verdict_of("ttft", found)[0] == "INVALID"


def closed_and_open_loop(
    stall: float, length: float, service: float
) -> tuple[list[Record], list[Record]]:
    """An independent simulation (virtual time): a server that stands still for `stall` of `length` seconds.

    It serves in `service` seconds unless it stands still, which it does at the end of the run.
    """
    begin = length - stall

    def ends(at: float) -> float:
        return max(at, length) + service if at >= begin else at + service

    def one(number: int, intended: float, sent: float) -> Record:
        ended = ends(sent)
        marks = Marks(sent=round(sent * 1e9), ended=round(ended * 1e9))
        return record(
            number,
            intended=round(intended * 1e9),
            marks=marks,
            first_token=round(ended * 1e9),
            last_token=round(ended * 1e9),
        )

    open_loop = [one(n, n * 0.01, n * 0.01) for n in range(int(length / 0.01))]
    closed: list[Record] = []
    at = 0.0
    while at < length:
        closed.append(one(len(closed), at, at))
        at = ends(at)
    return open_loop, closed


def test_s1_coordinated_omission() -> None:
    """S1: a stall of 10 s in 100 s: p95 = S - (1 - p) D = 5 s, p99 = 9 s in an open loop; a closed loop hides it."""
    open_loop, closed = closed_and_open_loop(10.0, 100.0, 0.05)
    found = summarised(*open_loop).distributions()["e2e_from_intended"]
    assert found.p95 == pytest.approx(5.0, abs=0.1)
    assert found.p99 == pytest.approx(9.0, abs=0.1)
    hidden = summarised(*closed).distributions()["e2e_from_intended"]
    assert hidden.p95 == pytest.approx(0.05, abs=0.001)
    assert hidden.p99 == pytest.approx(0.05, abs=0.001)


def test_s2_waiting_in_our_own_queue_is_in_the_intended_origin() -> None:
    """S2: a client that sends 200 ms late: from send all is well, from the intended start it is not."""
    records = [record(n, intended=(1000 + n * 50 - 200) * MS) for n in range(40)]
    found = summarised(*records).distributions()
    assert found["ttft"].p50 == pytest.approx(0.1)
    assert found["ttft_from_intended"].p50 == pytest.approx(0.3)
    assert found["queue"].p50 == pytest.approx(0.2)


def test_a_fold_needs_no_memory_of_records() -> None:
    """L4: what is kept of a request does not hold on to it."""
    import gc  # noqa: PLC0415

    summary = Summary()
    rng = random.Random(1)
    for n in range(50):
        summary.add(record(n, ttft=rng.randint(50, 150), target="openai:forgotten"))
    gc.collect()
    held = [value for value in gc.get_objects() if isinstance(value, Record)]
    assert not [value for value in held if value.target == "openai:forgotten"]
    assert list(itertools.islice(summary.columns["ttft"].values, 2))
