"""The self-check: every detector flips on its fault, and none of them condemns a clean run."""

import math
import pathlib
import random
import re
from typing import Any

import msgspec
import pytest
from tests.support.records import MS, answered, refused
from tests.support.repetition import repetitions

from llm_latency_lens.load import Load
from llm_latency_lens.metrics.definitions import METRICS
from llm_latency_lens.metrics.quality import CHECKS
from llm_latency_lens.metrics.result import Setting, build_result
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.calibration import Calibration, CostModel, InstrumentError
from llm_latency_lens.model.record import Record, TokenCounts, Widths
from llm_latency_lens.model.recording import ConnectionFacts
from llm_latency_lens.model.result import Check, Result
from llm_latency_lens.model.vitals import ClockFacts, MachineVitals, Vitals
from llm_latency_lens.profiler import Profiler
from llm_latency_lens.report.advice import advise_failure
from llm_latency_lens.schedule.plan import Phase

GOOD_VITALS = Vitals(
    worker=0, seconds=60.0, added_delay=1e-6, blocked=(), busy=(0.1,) * 60, switches=5, pauses=(), area=0.0
)  # fmt: skip
GOOD_MACHINE = MachineVitals(
    clock=ClockFacts("clock_gettime", 1.0, 50.0, False), seconds=60.0, wall_step=0.0,
    suspended=0.0, steal=0.0, throttled=0.0, pressure=0.0,
)  # fmt: skip


def phase_of(rate: float | None) -> tuple[Any, Phase]:
    """The header and the measured phase of a run as it would be planned."""
    load = Load(rate=rate, requests=10, seed=1) if rate else Load(concurrency=4, requests=10, seed=1)  # fmt: skip
    profiler = Profiler("openai:m", base_url="http://127.0.0.1:9/v1", environment={})
    prepared = profiler.prepare(load, "hi")
    return prepared.header, prepared.order.plan.phases[-1]


HEADERS = {rate: phase_of(rate) for rate in (None, 10.0)}


def judged(
    records: list[Record], rate: float | None = None, counts: Counts | None = None, **more: object
) -> Result:
    """The result of a run with these records; what the client noticed is good unless it is given."""
    summary = Summary()
    for record in records:
        summary.add(record)
    header, phase = HEADERS[rate]
    vitals = msgspec.structs.replace(GOOD_VITALS, area=summary.time_under_way)
    fields: dict[str, Any] = {"vitals": (vitals,), "machine": GOOD_MACHINE, **more}
    setting = Setting(
        header=header, phase=phase, target="openai:m",
        counts=counts or Counts(planned=summary.measured, not_sent=0),
        planned_rate=rate, client={}, advise=advise_failure, **fields,
    )  # fmt: skip
    return build_result(summary, setting)


def clean(n: int = 400, seed: int = 1, rate: float = 10.0) -> list[Record]:
    """A run without fault: Poisson starts, lognormal TTFT, regular tokens."""
    rng, at, found = random.Random(seed), 0.0, []
    for number in range(n):
        at += rng.expovariate(rate) * 1000.0
        ttft = 100.0 * rng.lognormvariate(0.0, 0.25)
        found.append(answered(number, at, ttft, gap_ms=10.0 * rng.lognormvariate(0.0, 0.05)))
    return found


def check(result: Result, name: str) -> Check | None:
    """The check of that name, where it has something to say."""
    return next((one for one in result.quality.checks if one.name == name), None)


def verdict(result: Result, name: str) -> str:
    """Its verdict; silence is VALID."""
    found = check(result, name)
    return "VALID" if found is None else found.verdict


def vitals(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of Vitals
    """Those of a run of `clean()`, with something wrong."""
    area = sum((r.marks.ended - r.dequeued) / 1e9 for r in clean())
    return {"vitals": (msgspec.structs.replace(GOOD_VITALS, area=area, **changes),)}


def machine(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of MachineVitals
    """A machine with something wrong."""
    return {"machine": msgspec.structs.replace(GOOD_MACHINE, **changes)}


def changed(**fields: Any) -> list[Record]:  # noqa: ANN401 - fields of a record
    """A clean run whose records all have these fields."""
    return [msgspec.structs.replace(record, **fields) for record in clean()]


def test_a_clean_run_is_valid() -> None:
    """Every check holds, and the headline metrics with it."""
    result = judged(clean(), rate=10.0)
    assert result.verdict == "VALID", [c for c in result.quality.checks if c.verdict != "VALID"]
    assert {metric: result.metrics[metric].verdict for metric in ("ttft", "tpot", "e2e")} == dict.fromkeys(("ttft", "tpot", "e2e"), "VALID")  # fmt: skip


def test_clean_runs_are_hardly_ever_condemned() -> None:
    """Of 100 clean runs of 30 to 1,500 requests none is INVALID; at night less than 1 % of 300."""
    rng, condemned = random.Random(3), []
    for seed in range(repetitions(100, nightly=300)):
        result = judged(clean(rng.choice((30, 60, 120, 300, 600, 1500)), seed=seed))
        condemned += [c for c in result.quality.checks if c.verdict == "INVALID"]
    assert len(condemned) < repetitions(1, nightly=3), condemned


def test_q1_a_clock_that_was_set_or_slept_is_found() -> None:
    """Q1: a step of 100 ms warns, a suspended machine invalidates, a coarse clock warns."""
    assert verdict(judged(clean(), **machine(wall_step=0.1)), "clock") == "WARN"
    assert verdict(judged(clean(), **machine(suspended=2.0)), "clock") == "INVALID"
    coarse = ClockFacts("tick", 1e6, 50.0, False)
    assert verdict(judged(clean(), **machine(clock=coarse)), "clock") == "WARN"


def test_q2_a_blocked_loop_is_judged_where_nothing_else_shows_it() -> None:
    """Q2: with intervals and slip the delay is in them; with bare stamps of our own it is in every number."""
    slow = vitals(added_delay=0.02)
    assert verdict(judged(clean(), **slow), "loop lag") == "VALID"
    bare = judged(changed(stamps="user", late=None), **slow)
    assert verdict(bare, "loop lag") == "INVALID"
    assert bare.metrics["ttft"].verdict == "INVALID"
    block = ((1000 * MS, 20_000 * MS),)
    assert verdict(judged(clean(), **vitals(blocked=block)), "loop lag") == "VALID"
    touched = judged(changed(stamps="user", late=None), **vitals(blocked=block))
    assert verdict(touched, "loop lag") == "INVALID"


def test_q3_a_late_schedule_and_a_load_that_was_not_made_are_found() -> None:
    """Q3: begun 20 ms late; and a fifth of the rate missing."""
    late = [msgspec.structs.replace(r, intended=r.intended - 20 * MS) for r in clean()]
    found = judged(late, rate=10.0)
    assert verdict(found, "schedule slip") == "INVALID"
    assert found.metrics["ttft_from_intended"].verdict == "INVALID"
    assert verdict(judged(clean(rate=8.0), rate=10.0), "offered load") in {"WARN", "INVALID"}


@pytest.mark.parametrize(
    ("delay", "taken", "expected"),
    [
        (0.02, {"steal": 0.1}, "INVALID"),
        (0.002, {"steal": 0.1}, "WARN"),
        (0.02, {"throttled": 0.05}, "INVALID"),
        (0.02, {"steal": 0.001}, "VALID"),
        (1e-6, {"steal": 0.1}, "VALID"),
    ],
)
def test_q4_a_cpu_that_was_taken_away_is_found(
    delay: float, taken: dict[str, float], expected: str
) -> None:
    """Q4: what a hypervisor or a quota takes delays the kernel's stamps too, by the loop's delay."""
    found = judged(clean(), **vitals(added_delay=delay), **machine(**taken))
    assert verdict(found, "CPU") == expected
    assert found.metrics["ttft"].verdict == expected


def test_q4_a_full_cpu_condemns_only_bare_stamps() -> None:
    """Q4: 95 % of a CPU: with kernel stamps the intervals tell what it did, with bare ones nothing does."""
    full = vitals(busy=(0.95,) * 10, added_delay=0.02)
    assert verdict(judged(clean(), **full), "CPU") == "VALID"
    assert verdict(judged(changed(stamps="user", late=None), **full), "CPU") == "INVALID"


def late_first_tokens(width_ms: float, share: float = 1.0) -> list[Record]:
    """A clean run in which first tokens may have come earlier by `width_ms` in a share of requests."""
    rng = random.Random(5)
    widths = Widths(first_token=round(width_ms * MS))
    return [
        msgspec.structs.replace(record, widths=widths) if rng.random() < share else record
        for record in clean()
    ]


@pytest.mark.parametrize(
    ("width", "share", "expected"),
    [(0.5, 1.0, "VALID"), (2.0, 1.0, "WARN"), (8.0, 1.0, "INVALID"), (8.0, 0.002, "VALID")],
)
def test_q5_the_width_of_arrivals_is_in_the_verdict(
    width: float, share: float, expected: str
) -> None:
    """Q5: TTFT of 100 ms bears 1 ms of width, is doubted beyond, and condemned beyond five times that."""
    found = judged(late_first_tokens(width, share))
    assert found.metrics["ttft"].verdict == expected
    assert found.metrics["e2e"].verdict == "VALID"
    if expected != "VALID":
        late = check(found, "arrival stamps")
        assert late is not None
        assert late.bound == pytest.approx(width / 1000.0, rel=1e-6)
        assert "read late" in late.words
        assert "--stamps packet" in late.remedy


def test_q5_a_percentiles_width_is_that_of_the_ends() -> None:
    """Q5: the percentile of all latest ends less that of all earliest ends, for each percentile."""
    found = judged(late_first_tokens(2.0)).metrics["ttft"]
    assert found.width == pytest.approx(dict.fromkeys(("p50", "p75", "p90", "p95", "p99"), 0.002))


def test_q5_stamps_of_our_own_are_told() -> None:
    """Q5: bare stamps of our own are a warning for gaps; with intervals they are as good as those."""
    bare = judged(changed(stamps="user", late=None))
    assert verdict(bare, "arrival stamps") == "WARN"
    assert bare.metrics["icl"].verdict == "WARN"
    known = [msgspec.structs.replace(r, stamps="user") for r in late_first_tokens(0.2)]
    assert verdict(judged(known), "arrival stamps") == "VALID"


def calibration(p99: float = 1e-4, cost: float = 1e-5) -> dict[str, Any]:
    """A calibration with that error of TTFT and that CPU time of a read."""
    errors = {kind: InstrumentError(p50=p99 / 4, p99=p99, n=100) for kind in ("ttft", "e2e", "tpot", "gap")}  # fmt: skip
    return {
        "calibration": Calibration(
            errors=errors, cost=CostModel(request=0.0, read=cost, event=0.0, byte=0.0),
            workers=1, concurrency=64, event_rate=50.0, at="", machine={},
        )
    }  # fmt: skip


def test_q6_the_instruments_own_error_is_judged_and_shown() -> None:
    """Q6: beside every metric; too large it condemns them, a forecast that the run belied does not."""
    good = judged(clean(), **calibration())
    assert verdict(good, "instrument error") == "VALID"
    assert good.metrics["ttft"].instrument == pytest.approx(1e-4)
    assert good.metrics["icl"].instrument is not None
    assert good.metrics["tokens_per_event"].instrument is None
    assert verdict(judged(clean(), **calibration(p99=0.01)), "instrument error") == "INVALID"
    belied = check(judged(clean(), **calibration(cost=1.0)), "instrument error")
    assert belied is not None
    assert belied.verdict == "VALID"
    assert re.search(
        r"CPU of each process for this load: 5,?\d+% by forecast, 10% used", belied.words
    )
    assert judged(clean()).metrics["ttft"].instrument is None


def test_q7_a_collection_while_measuring_is_found() -> None:
    """Q7: 20 ms of garbage collection."""
    assert verdict(judged(clean(), **vitals(pauses=((0, 20 * MS),))), "garbage collection") == "INVALID"  # fmt: skip
    assert check(judged(clean()), "garbage collection") is None


def test_q8_what_the_stream_does_not_allow_is_withheld() -> None:
    """Q8: two tokens an event withhold ITL, shared reads warn, answers in one burst invalidate TTFT."""
    tokens = TokenCounts(input=7, output=16, source="usage", events=8)
    coarse = judged(changed(tokens=tokens))
    assert verdict(coarse, "stream granularity") == "WARN"
    assert "itl" not in coarse.metrics
    fewer = judged(changed(tokens=msgspec.structs.replace(tokens, output=4)))
    assert verdict(fewer, "stream granularity") == "INVALID"
    shared = judged(changed(arrivals=(90 * MS, 100 * MS), arrival_events=(4, 4)))
    assert verdict(shared, "coalesced reads") == "INVALID"
    burst = changed(arrivals=(90 * MS,), arrival_events=(30,), tokens=msgspec.structs.replace(tokens, events=30, output=30))  # fmt: skip
    assert verdict(judged(burst), "buffered delivery") == "INVALID"


@pytest.mark.parametrize(
    ("characters", "words", "expected"),
    [
        (5, "5.0 characters, so about 1.2 tokens", "WARN"),
        (20, "20.0 characters, so about 5.0 tokens", "INVALID"),
    ],
)
def test_q8_events_counted_for_tokens_are_never_valid(
    characters: int, words: str, expected: str
) -> None:
    """Q8: no usage: tokens may be events, or surely are not; TTFT and end to end stay."""
    tokens = TokenCounts(output=8, source="chunks", events=8)
    result = judged(changed(tokens=tokens, characters=8 * characters))
    built = ("tpot", "tps_request", "decode_speed", "ntpot")
    assert {name: result.metrics[name].verdict for name in built} == dict.fromkeys(built, expected)
    assert "itl" not in result.metrics
    assert {result.metrics[name].verdict for name in ("ttft", "e2e", "chars_per_second")} == {
        "VALID"
    }
    found = check(result, "token counts")
    assert found is not None
    assert words in found.words
    assert result.verdict == expected
    assert check(judged(clean()), "token counts") is None


@pytest.mark.parametrize(
    "flag", ["streamed_tokens_unknown", "streamed_tokens_estimated", "hidden_steps"]
)
def test_q8_tokens_that_may_not_have_streamed_are_told(flag: str) -> None:
    """Q8: a tenth of the answers is enough to doubt TPOT, one in four hundred is told without a doubt."""
    records = clean()
    some = [msgspec.structs.replace(r, flags=(flag,)) if i % 10 == 0 else r for i, r in enumerate(records)]  # fmt: skip
    found = judged(some)
    assert (verdict(found, "streamed tokens"), found.metrics["tpot"].verdict) == ("WARN", "WARN")
    assert found.metrics["ttft"].verdict == "VALID"
    one = judged([msgspec.structs.replace(records[0], flags=(flag,)), *records[1:]])
    told = check(one, "streamed tokens")
    assert told is not None
    assert (told.verdict, told.metrics) == ("VALID", ())
    assert told.words.startswith("0.2% of answers: ")


def test_q9_lost_packets_and_mixed_connections_are_found() -> None:
    """Q9: retransmissions that delay a tenth of the requests; connecting in half of them. Not if nothing moves."""
    facts = ConnectionFacts(
        id=1, reused=True, remote="127.0.0.1:1", family="ipv4", rtt=1, retransmits=2
    )
    again = [msgspec.structs.replace(r, connection=facts) for r in clean()[::10]]
    unmoved = [r for i, r in enumerate(clean()) if i % 10]
    slow = [msgspec.structs.replace(answered(r.number, r.number * 100.0, 400.0), connection=facts) for r in again]  # fmt: skip
    lossy = check(judged([*unmoved, *slow]), "retransmits")
    assert lossy is not None
    assert lossy.verdict == "INVALID"
    assert lossy.bound == pytest.approx(0.24, rel=0.2)
    assert check(judged([*unmoved, *again]), "retransmits") is None
    found = judged(connecting(30.0))
    mixed = check(found, "mixed connections")
    assert mixed is not None
    assert mixed.verdict == "WARN"
    assert mixed.bound == pytest.approx(0.030, rel=0.2)
    assert set(mixed.metrics) <= {"ttft_from_intended", "e2e_from_intended", "queue"}
    assert found.metrics["ttft"].verdict == "VALID"
    assert check(judged(connecting(0.2)), "mixed connections") is None


def test_q9_unasked_answers_and_connections_left_open_are_found() -> None:
    """Q9: which of two answers was the right one is unknown; a left-open one keeps its slot for 0.1 s."""
    facts = ConnectionFacts(id=1, reused=True, remote="127.0.0.1:1", family="ipv4", unasked=1)
    some = [msgspec.structs.replace(r, connection=facts) for r in clean()[:3]]
    few = judged([*some, *clean()[3:]])
    told = check(few, "unasked answers")
    assert told is not None
    assert told.verdict == "WARN"
    assert told.value == pytest.approx(3 / 400)
    assert few.metrics["ttft"].verdict == "WARN"
    many = [msgspec.structs.replace(r, connection=facts) for r in clean()]
    assert verdict(judged(many), "unasked answers") == "INVALID"
    flagged = [msgspec.structs.replace(r, flags=("left_open",)) for r in clean()]
    opened = check(judged(flagged), "connections left open")
    assert opened is not None
    busy = sum((r.marks.ended - r.dequeued) / 1e9 for r in flagged)
    assert opened.value == pytest.approx(40.0 / busy)
    assert opened.metrics == ("throughput",)
    assert check(judged(flagged, rate=10.0), "connections left open") is None
    assert check(judged([flagged[0], *clean()[1:]]), "connections left open") is None
    assert check(judged(clean()), "unasked answers") is None


def connecting(ms: float) -> list[Record]:
    """A clean run in which every other request opened a connection, which took so long."""
    facts = ConnectionFacts(id=1, reused=False, remote="127.0.0.1:1", family="ipv4", rtt=1, retransmits=0)  # fmt: skip
    took = round(ms * MS)
    found = []
    for record in clean():
        marks = record.marks
        begun = (marks.sent or 0) - took
        dialled = msgspec.structs.replace(marks, tcp_begin=begun, tcp_end=marks.sent)
        cold = msgspec.structs.replace(record, intended=begun - MS // 10, marks=dialled, connection=facts)  # fmt: skip
        found.append(cold if record.number % 2 else record)
    return found


def test_q10_books_that_do_not_balance_are_found() -> None:
    """Q10: a request too few, a worker that died, and an engine that disagrees with the records (Little)."""
    assert verdict(judged(clean(), counts=Counts(planned=401, not_sent=0)), "books") == "INVALID"
    lost = judged(clean(), counts=Counts(planned=402, not_sent=0, lost=2))
    assert verdict(lost, "lost worker") == "INVALID"
    assert verdict(judged(clean(), **vitals()), "Little's law") == "VALID"
    assert verdict(judged(clean(), vitals=(GOOD_VITALS,)), "Little's law") == "INVALID"


def test_q11_warm_up_drift_and_backlog_are_found() -> None:
    """Q11: a third that is three times slower, +60 % over the run, and a queue that never ends."""
    warm = [answered(n, n * 400.0, (300.0 if n < 130 else 100.0) + n % 7) for n in range(400)]
    assert verdict(judged(warm), "warm-up") == "WARN"
    rng = random.Random(5)
    drifting = [answered(n, n * 400.0, 100.0 * rng.lognormvariate(0, 0.2) * (1 + 0.6 * n / 400)) for n in range(400)]  # fmt: skip
    found = judged(drifting)
    assert verdict(found, "trend") == "INVALID"
    assert found.verdict == "INVALID"
    queue = [answered(n, n * 100.0, 100.0 + 60.0 * n) for n in range(400)]
    assert verdict(judged(queue, rate=10.0), "backlog") == "INVALID"
    assert check(judged(queue), "backlog") is None


def test_q11_the_opening_burst_of_a_closed_loop_is_found() -> None:
    """Q11: 8 slots begin at once and queue for the first token; 100 later requests do not."""
    burst = [answered(n, n * 0.01, 100.0 + 50.0 * n, tokens=40) for n in range(8)]
    rng = random.Random(4)
    rest = [
        answered(8 + n, 1000.0 + n * 120.0, 100.0 * rng.lognormvariate(0.0, 0.1), tokens=40)
        for n in range(100)
    ]
    found = judged([*burst, *rest])
    assert verdict(found, "opening burst") == "WARN"
    assert found.metrics["ttft"].verdict == "WARN"
    assert verdict(judged([*burst, *rest], rate=10.0), "opening burst") == "VALID"
    assert verdict(judged(clean()), "opening burst") == "VALID"


def test_q14_no_metric_of_an_answer_is_left_out() -> None:
    """Q14: what entered TTFT entered each latency and each speed, from the intended instant too."""
    failing = judged([*clean(500), *(refused(500 + n, 5e4 + n) for n in range(60))])
    groups = {"latency", "speed"}
    names = {m.name for m in METRICS if m.group in groups} & failing.metrics.keys() | {"icl", "itl"}
    assert {"ttft_from_intended", "e2e_stream", "tps_request"} <= names
    assert {failing.metrics[name].verdict for name in names} == {"INVALID"}


def test_q12_dependence_withholds_intervals_and_is_told() -> None:
    """Q12: a slow wave through the run: few independent requests are left, and the words say how many."""
    rng, level, wave = random.Random(6), 0.0, []
    for number in range(400):
        level = 0.97 * level + rng.gauss(0, 0.15)
        wave.append(answered(number, number * 400.0, 100.0 * 2.718**level))
    found = judged(wave)
    ttft, said = found.metrics["ttft"], check(found, "dependence")
    assert (ttft.tau or 0) > 5
    assert ttft.p95 is not None
    assert not {"p50", "p95", "mean"} & set(ttft.interval)
    assert said is not None
    assert said.verdict in {"WARN", "INSUFFICIENT"}
    assert re.match(
        r"requests are correlated: 400 requests carry the information of about \d+ independent ones"
        r" \(ttft\); intervals are withheld: measure longer, about [\d,]+ requests",
        said.words,
    )
    assert "tpot" not in said.metrics
    free = judged(clean()).metrics["ttft"]
    assert free.tau == 1.0
    assert {"p50", "p95", "mean"} <= set(free.interval)


def test_q12_precision_says_which_medians_have_no_interval() -> None:
    """A wave takes the interval of TTFT away: that is said before the others' precision is."""
    wave = [answered(n, n * 100.0, 200.0 + 100.0 * math.sin(n / 80.0)) for n in range(400)]
    result = judged(wave)
    assert "p50" not in result.metrics["ttft"].interval
    found = check(result, "precision")
    assert found is not None
    assert found.words.startswith("there is no interval for the median of ttft, e2e and ")
    clear = check(judged(clean()), "precision")
    assert clear is not None
    assert "no interval for the median" not in clear.words


def test_q5_two_sources_of_stamps_are_told_with_their_counts() -> None:
    """Eleven of sixty answers have reads without a kernel stamp: both are said, not the worse alone."""
    records = clean(60)
    mixed = [msgspec.structs.replace(record, stamps="mixed") for record in records[:11]]
    found = check(judged([*mixed, *records[11:]]), "arrival stamps")
    assert found is not None
    assert "the kernel (49 answers)" in found.words
    assert "some reads by this process (11 answers)" in found.words


def test_q12_bursts_too_small_to_matter_take_no_interval_away() -> None:
    """Q12: a server of 30 ms with waves of a millisecond: dependent, but the median is known, and no warning."""
    rng, level, wave = random.Random(8), 0.0, []
    for number in range(160):
        level = 0.9 * level + 0.44 * rng.gauss(0, 1.0)
        wave.append(answered(number, number * 400.0, 30.0 + abs(level)))
    found = judged(wave)
    ttft = found.metrics["ttft"]
    assert (ttft.tau or 0) > 2
    assert ttft.interval["p50"][0] <= (ttft.p50 or 0) <= ttft.interval["p50"][1]
    assert check(found, "dependence") is None


def test_q12_correlation_that_is_known_widens_and_withholds_nothing() -> None:
    """Q12: neighbours at 0.8 over 3,000 requests: intervals are there, three times as wide, and the check says so."""
    rng, level, wave = random.Random(9), 0.0, []
    for number in range(3000):
        level = 0.8 * level + 0.6 * rng.gauss(0, 1.0)
        wave.append(answered(number, number * 400.0, 100.0 * 2.718281828 ** (1.5 * level)))
    found = judged(wave)
    assert {"p50", "p95", "mean"} <= set(found.metrics["ttft"].interval)
    said = check(found, "dependence")
    assert said is not None
    assert said.verdict == "WARN"
    assert "times as wide as without that" in said.words


def test_q13_too_few_requests_are_told_with_what_is_missing() -> None:
    """Q13: five support nothing, forty with a wide spread not much; the price of more is named."""
    few = judged(clean(5))
    assert verdict(few, "sample size") == "INSUFFICIENT"
    assert few.verdict == "INSUFFICIENT"
    rng = random.Random(7)
    wild = [answered(n, n * 400.0, 100.0 * rng.lognormvariate(0, 1.2)) for n in range(40)]
    assert verdict(judged(wild), "precision") == "INSUFFICIENT"
    found = check(judged(clean(100)), "precision")
    assert found is not None
    assert re.search(r"10% takes about [\d,]+ more requests", found.words)
    assert verdict(judged([]), "sample size") == "INSUFFICIENT"


def test_q14_failures_hide_the_slow_end() -> None:
    """Q14: 2 % failed warns and makes p99 unknown, 10 % invalidates; a run stopped on purpose hides nothing."""
    some = judged([*clean(500), *(refused(500 + n, 5e4 + n) for n in range(10))])
    assert verdict(some, "failed or unsent") == "WARN"
    assert some.metrics["ttft"].p99 is None
    assert "p99" in some.metrics["ttft"].unknown
    assert some.metrics["ttft"].p95 is not None
    many = judged([*clean(500), *(refused(500 + n, 5e4 + n) for n in range(60))])
    assert verdict(many, "failed or unsent") == "INVALID"
    stopped = judged(clean(), counts=Counts(planned=900, not_sent=500, withheld=500))
    assert check(stopped, "failed or unsent") is None


def test_q15_what_is_not_one_experiment_is_found() -> None:
    """Q15: cached prompts in spite of the nonce, two models, a quota, answers that grow; not if no time differs."""
    cached = TokenCounts(input=100, cached=60, output=8, source="usage", events=8)
    assert verdict(judged(changed(tokens=cached)), "cached prompts") == "WARN"
    two = [msgspec.structs.replace(r, fingerprint=f"fp{i % 2}") for i, r in enumerate(clean())]
    assert verdict(judged(two), "changing model") == "VALID"
    slower = [
        msgspec.structs.replace(answered(r.number, r.number * 100.0, 150.0), fingerprint="fp1")
        if r.number % 2
        else r
        for r in two
    ]
    assert verdict(judged(slower), "changing model") == "WARN"
    half = [msgspec.structs.replace(r, tokens=cached) if i % 2 else r for i, r in enumerate(clean())]  # fmt: skip
    assert check(judged(half), "cached prompts") is None
    limited = [*clean(400), *(refused(400 + n, 4e4 + n, "rate_limited") for n in range(40))]
    assert verdict(judged(limited), "rate limit") == "INVALID"
    growing = [answered(n, n * 800.0, 100.0, tokens=10 + n // 20) for n in range(400)]
    assert verdict(judged(growing), "answer length") == "WARN"


def test_every_check_has_a_test_and_words() -> None:
    """A check that is added without a test fails here; each says what to do when it fails."""
    text = pathlib.Path(__file__).read_text()
    ids = set()
    for one in CHECKS:
        source = pathlib.Path(one.__code__.co_filename).read_text()
        ids |= set(re.findall(r'id="(Q\d+)"', source))
    assert ids == {f"Q{n}" for n in range(1, 16)}
    for name in ids:
        assert f"def test_{name.lower()}_" in text, name


def test_q8_unknown_finish_reasons_are_told_and_by_how_much_they_move_the_numbers() -> None:
    """Q8: every tenth answer ends with a word that no table has, and is three times as slow."""
    records = clean()
    strange = [
        msgspec.structs.replace(
            answered(r.number, r.number * 100.0, 400.0, gap_ms=10.0) if slow else r,
            flags=("unknown_finish_reason",),
            finish_reason="handover",
        )
        for slow, r in ((True, records[i]) for i in range(0, len(records), 10))
    ]
    result = judged([r for i, r in enumerate(records) if i % 10] + strange)
    found = check(result, "finish reasons")
    assert found is not None
    assert (found.value, '"handover" (40)' in found.words) == (0.1, True)
    assert found.bound is not None
    assert found.bound > 0.05
    assert result.metrics["ttft"].verdict in {"WARN", "INVALID"}
    alike = [msgspec.structs.replace(r, flags=("unknown_finish_reason",), finish_reason="x") for r in records[::10]]  # fmt: skip
    told = check(judged([r for i, r in enumerate(records) if i % 10] + alike), "finish reasons")
    assert told is not None
    assert (told.verdict, "ttft" in told.metrics) == ("WARN", False)
    assert check(judged(records), "finish reasons") is None
