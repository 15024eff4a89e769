"""When a load keeps its objectives: what counts, what does not, and what is said of a doubt."""

import random
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.records import MS, answered, refused

from llm_latency_lens.capacity.explanation import objective_values
from llm_latency_lens.criteria.objective import parse_objectives
from llm_latency_lens.metrics.objective_judge import ObjectiveJudge
from llm_latency_lens.model.capacity import Capacity, CapacityStep, ObjectiveValue
from llm_latency_lens.model.record import Record, TokenCounts, Widths
from llm_latency_lens.report.capacity import capacity_report
from llm_latency_lens.stats.capacity import fewest_requests

TTFT = parse_objectives("ttft.p95<200ms")
ALPHA = 0.005
APART = 10.0
"""Milliseconds between requests: 100/s."""


def heard(judge: ObjectiveJudge, records: Iterable[Record]) -> str:
    """The judgement once it is made, or at the end."""
    for record in records:
        if judge.add(record) != "undecided":
            return judge.judgement
    judge.look()
    return judge.judgement


def load(ttft: Iterable[float], late: Iterable[float] | None = None) -> list[Record]:
    """Requests 10 ms apart with these TTFTs (ms), each begun so late (ms)."""
    values = list(ttft)
    lateness = [0.0] * len(values) if late is None else list(late)
    return [
        msgspec.structs.replace(
            answered(number, number * APART + slip, value, tokens=2, gap_ms=1.0),
            intended=round((1000 + number * APART) * MS),
        )
        for number, (value, slip) in enumerate(zip(values, lateness, strict=True))
    ]


def slow_wave(n: int, middle: float, height: float, apart: int = 50) -> list[float]:
    """Values that change slowly: neighbours are alike."""
    return [middle + height * (2.0 * abs((i % apart) / apart - 0.5)) for i in range(n)]


def test_a_load_far_from_its_limit_passes_with_the_fewest_requests_the_test_allows() -> None:
    """Beyond a ramp of two service times, nothing is waited for."""
    judge = ObjectiveJudge(TTFT, ALPHA)
    assert heard(judge, load([20.0] * 1000)) == "pass"
    assert judge.far
    assert fewest_requests(0.05, ALPHA) <= judge.seen <= fewest_requests(0.05, ALPHA) + 12


@given(st.floats(10.0, 150.0), st.floats(0.0, 0.4))
@example(25.9, 0.4)
@example(70.8, 0.4)
@settings(max_examples=30)
def test_a_server_as_regular_as_a_clock_is_not_called_dependent(at: float, height: float) -> None:
    """Slow differences below the bias budget do not count, wherever between two grains they lie."""
    judge = ObjectiveJudge(TTFT, ALPHA)
    assert heard(judge, load(slow_wave(400, at, height))) == "pass"
    assert judge.seen < 220


def test_slow_differences_far_from_the_limit_do_not_count() -> None:
    """Waves of 6 ms on 20 ms, as a busy client makes them: they cannot reach 200 ms."""
    judge = ObjectiveJudge(TTFT, ALPHA)
    assert heard(judge, load(slow_wave(400, 20.0, 6.0))) == "pass"
    assert judge.seen < 220


def test_slow_differences_that_could_reach_the_limit_do_count() -> None:
    """Waves up to nine tenths of the limit: neighbours are alike, and 400 requests say little."""
    judge = ObjectiveJudge(TTFT, ALPHA)
    assert heard(judge, load(slow_wave(400, 20.0, 160.0))) == "undecided"
    assert judge.doubt.reason == "correlated"
    assert judge.views[0].tau > 5.0


def test_lateness_that_could_not_change_the_judgement_is_ignored() -> None:
    """A client up to 8 ms late, 40 % of the TTFT, and a limit ten times it: it passes as soon."""
    rng = random.Random(1)
    late = [rng.uniform(0.0, 8.0) for _ in range(400)]
    judge = ObjectiveJudge(TTFT, ALPHA)
    assert heard(judge, load([20.0] * 400, late)) == "pass"
    assert judge.seen < 220


def test_lateness_that_reaches_the_limit_decides_nothing() -> None:
    """A fifth of the requests begun 190 ms late: undecided; a user would have waited too long."""
    rng = random.Random(1)
    late = [190.0 if rng.random() < 0.2 else 0.0 for _ in range(600)]
    judge = ObjectiveJudge(TTFT, ALPHA)
    assert heard(judge, load([20.0] * 600, late)) != "pass"
    assert judge.judgement == "undecided"
    assert judge.doubt.reason == "late"
    assert judge.views[0].missed_on_time == 0


def test_a_client_that_sends_at_a_lower_rate_decides_nothing() -> None:
    """Each request is later than the one before: the limit is far, but the load is another one."""
    late = [number * 1.0 for number in range(600)]
    far = parse_objectives("ttft.p95<10s")
    judge = ObjectiveJudge(far, ALPHA)
    assert heard(judge, load([20.0] * 600, late)) == "undecided"
    assert judge.doubt.reason == "slow"
    assert judge.sent_share == pytest.approx(10.0 / 11.0, rel=0.01)


def test_answers_that_were_read_late_do_not_make_a_server_fail() -> None:
    """Stamps above the limit that may be 50 ms too late: neither a pass nor a failure."""
    records = load([220.0] * 400)
    judge = ObjectiveJudge(TTFT, ALPHA)
    wide = [msgspec.structs.replace(r, widths=Widths(first_token=50 * MS)) for r in records]
    assert heard(judge, wide) == "undecided"
    assert heard(ObjectiveJudge(TTFT, ALPHA), records) == "fail"


def test_failed_requests_miss_every_objective() -> None:
    """Refused at once: a failure after a few, with no percentile to show."""
    judge = ObjectiveJudge(TTFT, ALPHA)
    assert heard(judge, (refused(i, i * APART) for i in range(100))) == "fail"
    assert judge.seen <= 10
    assert judge.views[0].value is None


def test_requests_without_the_metric_are_neither_kept_nor_missed() -> None:
    """One token has no TPOT: all of them say nothing, and where half have it, those are judged."""
    objectives = parse_objectives("tpot.p95<50ms")
    single = [answered(i, i * APART, 20.0, tokens=1) for i in range(400)]
    judge = ObjectiveJudge(objectives, ALPHA)
    assert heard(judge, single) == "undecided"
    assert judge.doubt.reason == "metric"
    mixed = [answered(i, i * APART, 20.0, tokens=1 + 4 * (i % 2), gap_ms=5.0) for i in range(600)]
    judge = ObjectiveJudge(objectives, ALPHA)
    assert heard(judge, mixed) == "pass"
    view = judge.views[0]
    assert view.without > 100
    assert view.requests < judge.seen - 100


def test_an_answer_says_where_stream_events_were_taken_for_tokens() -> None:
    """Without counts TPOT is the time for each event: said of TPOT, and of nothing else."""
    objectives = parse_objectives("tpot.p95<50ms,ttft.p95<200ms")
    judge = ObjectiveJudge(objectives, ALPHA)
    tokens = TokenCounts(output=8, source="chunks", events=8)
    records = [answered(i, i * APART, 20.0) for i in range(400)]
    uncounted = [msgspec.structs.replace(record, tokens=tokens) for record in records]
    assert heard(judge, uncounted) == "pass"
    values = objective_values(judge)
    assert [value.uncounted for value in values] == [judge.seen, 0]
    assert "TPOT is the time for each stream event" in _told(values)
    counted = ObjectiveJudge(objectives, ALPHA)
    heard(counted, records)
    assert "stream event" not in _told(objective_values(counted))


def _told(values: tuple[ObjectiveValue, ...]) -> str:
    """The report of a search of one step."""
    step = CapacityStep(
        rate=100.0, judgement="pass", requests=400, again=False, ok=400, objectives=values
    )
    capacity = Capacity(
        run={
            "id": "1",
            "spec": {
                "target": "openai:m",
                "workload": {"nonce": False, "conversations": {"count": 1}},
            },
        },
        objectives=(),
        passed=100.0,
        failed=None,
        confidence=0.99,
        steps=(step,),
        end="highest",
        why="",
    )
    return str(capacity_report(capacity))


def test_a_ramp_of_slow_first_requests_does_not_count() -> None:
    """An empty server may be slow at first: what is sent within two service times is left out."""
    first = [answered(i, i * APART, 900.0, tokens=2, gap_ms=1.0) for i in range(8)]
    rest = [answered(i, i * APART, 60.0, tokens=2, gap_ms=1.0) for i in range(8, 400)]
    assert heard(ObjectiveJudge(TTFT, ALPHA), [*first, *rest]) == "pass"


def test_a_growing_queue_fails_soon() -> None:
    """Each request waits 40 ms longer than the one before: one long excursion, and no chance."""
    judge = ObjectiveJudge(TTFT, ALPHA)
    assert heard(judge, load(40.0 * i for i in range(1000))) == "fail"
    assert judge.seen <= 130
    assert judge.far


def test_a_hopeless_step_is_given_up_early() -> None:
    """One in twenty misses, as many as may: futile after a quarter of the requests."""
    rng = random.Random(3)
    values = [300.0 if rng.random() < 0.05 else 20.0 for _ in range(2000)]
    judge = ObjectiveJudge(TTFT, ALPHA)
    for record in load(values):
        judge.add(record)
        if judge.futile(2000):
            break
    assert judge.judgement == "undecided"
    assert 500 <= judge.seen < 1000
    assert judge.doubt.reason == "near"


def test_a_test_again_lasts_longer() -> None:
    """Answers of 400 ms at 100/s: five service times beyond the ramp, ten when tested again."""
    values = [answered(i, i * APART, 20.0, tokens=2, gap_ms=380.0) for i in range(3000)]
    first, again = ObjectiveJudge(TTFT, ALPHA), ObjectiveJudge(TTFT, ALPHA, again=True)
    assert heard(first, values) == heard(again, values) == "pass"
    assert first.seen >= 7 * 40
    assert again.seen >= 12 * 40


def test_a_rate_that_failed_passes_only_with_as_many_requests() -> None:
    """A quota with a burst shows late: `fewest` holds the pass back."""
    judge = ObjectiveJudge(TTFT, ALPHA, fewest=500)
    assert heard(judge, load([20.0] * 1000)) == "pass"
    assert judge.seen >= 500
