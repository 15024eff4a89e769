"""Latency models and the batching engine: seeded, exact, with a knee where theory has it."""

import statistics

import pytest

from llm_latency_lens.errors import UsageError
from llm_latency_lens.simulator.batching import BatchingEngine, Sequence, parse_batching
from llm_latency_lens.simulator.latency import generator, parse_latency
from llm_latency_lens.simulator.spec import parse_tokens

MS = 1_000_000
ENGINE = parse_batching("prefill=1000tok/s, step=10ms+1ms*batch, slots=2")


@pytest.mark.parametrize(
    ("text", "mean", "tolerance"),
    [
        ("200ms", 200, 0),
        ("uniform:150ms..250ms", 200, 2),
        ("lognormal:200ms,0.3", 209.2, 3),
        ("gamma:20ms,4", 20, 0.5),
    ],
)
def test_models_have_their_mean_and_their_seed(text: str, mean: float, tolerance: float) -> None:
    """Ten thousand draws; the same request draws the same, whatever came before it."""
    model = parse_latency(text)
    drawn = [model.draw(generator(1, "x", n)) / MS for n in range(10_000)]
    assert statistics.fmean(drawn) == pytest.approx(mean, abs=tolerance + 1e-9)
    assert drawn[7] == model.draw(generator(1, "x", 7)) / MS
    assert min(drawn) >= 0


@pytest.mark.parametrize(
    "text",
    ["20", "uniform:1ms", "uniform:5ms..1ms", "gamma:20ms,0", "gamma:20ms,x", "pareto:1ms,2", ""],
)
def test_wrong_models_are_refused(text: str) -> None:
    """With the forms that can be written."""
    with pytest.raises(UsageError):
        parse_latency(text)


def test_tokens_and_batching_are_parsed() -> None:
    """Good ones; wrong ones are refused."""
    assert parse_tokens("64") == (64, 64)
    assert parse_tokens("32..96") == (32, 96)
    assert (ENGINE.prefill_rate, ENGINE.step(2), ENGINE.slots) == (1000.0, 12 * MS, 2)
    for text in ("0", "9..3", "x", "1..", "-1"):
        with pytest.raises(UsageError):
            parse_tokens(text)
    for text in ("prefill=0tok/s,step=1ms+1ms*batch,slots=1", "slots=2", ""):
        with pytest.raises(UsageError):
            parse_batching(text)


def test_one_request_by_hand() -> None:
    """20 prompt tokens prefill in 20 ms, then a token every 11 ms."""
    engine = BatchingEngine(ENGINE)
    engine.arrive(Sequence(1, 20, 3), 100 * MS)
    assert [(e.at // MS, e.last) for e in engine.run_until(10_000 * MS)] == [
        (131, False),
        (142, False),
        (153, True),
    ]
    assert engine.next_instant is None


def test_a_second_request_joins_at_the_next_step_and_slows_the_first() -> None:
    """Its prefill holds the batch up; a third waits for a slot."""
    engine = BatchingEngine(ENGINE)
    engine.arrive(Sequence(1, 10, 3), 0)
    engine.arrive(Sequence(2, 10, 1), 5 * MS)
    engine.arrive(Sequence(3, 10, 1), 6 * MS)
    assert engine.waiting == 2
    found = [(e.key, e.at // MS) for e in engine.run_until(10_000 * MS)]
    # 1: 10 + 11 = 21; then 2 prefills 10 and both step 12: 43; then 3: 10 + 12: 65
    assert found == [(1, 21), (1, 43), (2, 43), (1, 65), (3, 65)]


def test_who_leaves_gives_its_slot_back() -> None:
    """A client that is gone takes no more steps, nor keeps its place in the queue."""
    engine = BatchingEngine(ENGINE)
    for key in (1, 2, 3):
        engine.arrive(Sequence(key, 0, 5), 0)
    engine.leave(3)
    engine.leave(1)
    assert {e.key for e in engine.run_until(1000 * MS)} == {2}


@pytest.mark.parametrize(("share", "steady"), [(0.7, True), (1.5, False)])
def test_the_knee_is_where_capacity_says(share: float, steady: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """Below capacity the wait for a first token settles; above it, it grows with time."""
    model = parse_batching("prefill=10000tok/s,step=5ms+0.5ms*batch,slots=8")
    rate = share * model.capacity(50, 20)
    engine = BatchingEngine(model)
    arrivals = [round(n / rate * 1e9) for n in range(600)]
    first: dict[int, int] = {}
    for n, at in enumerate(arrivals):
        for emission in engine.run_until(at):
            first.setdefault(emission.key, emission.at)
        engine.arrive(Sequence(n, 50, 20), at)
    for emission in engine.run_until(10**15):
        first.setdefault(emission.key, emission.at)
    waits = [first[n] - arrivals[n] for n in range(600)]
    early, late = statistics.fmean(waits[100:200]), statistics.fmean(waits[500:600])
    assert (late < 1.3 * early) is steady
    if not steady:
        assert late > 2 * early
