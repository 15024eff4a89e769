"""Schedules: seeded, exact, and cut into shares that add up."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.errors import UsageError
from llm_latency_lens.schedule.arrivals import offsets
from llm_latency_lens.schedule.check import check_plan, schedule_hash
from llm_latency_lens.schedule.plan import Arrival, Phase, Plan, Stop
from llm_latency_lens.schedule.share import open_items, planned_in_phase, planned_rate, share

SECOND = 1_000_000_000
OPEN = st.builds(
    Arrival,
    kind=st.sampled_from(["constant", "poisson"]),
    rate=st.floats(1, 500),
)
STOPS = st.one_of(
    st.builds(Stop, requests=st.integers(1, 200)),
    st.builds(Stop, duration=st.integers(1, SECOND)),
    st.builds(Stop, requests=st.integers(1, 200), duration=st.integers(1, SECOND)),
)


def plan_of(arrival: Arrival, stop: Stop, seed: int = 1) -> Plan:
    """A plan of one measured phase."""
    return Plan(phases=(Phase(name="measure", arrival=arrival, stop=stop),), seed=seed)


@given(OPEN, STOPS, st.integers(1, 7), st.integers(0, 2**32))
def test_l5_shares_of_an_open_loop_add_up(
    arrival: Arrival, stop: Stop, workers: int, seed: int
) -> None:
    """Any number of workers together do the plan: the same items, each once."""
    plan = plan_of(arrival, stop, seed)
    shares = [share(plan, 0, worker, workers) for worker in range(workers)]
    dealt = sorted((item.number, item.offset) for part in shares for item in part.items)
    assert dealt == [(item.number, item.offset) for item in open_items(plan, 0)]
    assert sum(part.planned or 0 for part in shares) == len(dealt) == planned_in_phase(plan, 0)


@given(st.integers(1, 40), st.integers(1, 200), st.integers(1, 9))
def test_shares_of_a_closed_loop_add_up(concurrency: int, requests: int, workers: int) -> None:
    """Slots add up to the concurrency, numbers to the requests; who has no slot has no request."""
    plan = plan_of(Arrival(kind="closed", concurrency=concurrency), Stop(requests=requests))
    shares = [share(plan, 0, worker, workers) for worker in range(workers)]
    numbers = [[item.number for item in part.items] for part in shares]
    assert sum(part.slots for part in shares) == concurrency
    assert sorted(itertools.chain(*numbers)) == list(range(requests))
    assert all(not found for part, found in zip(shares, numbers, strict=True) if not part.slots)


def test_a_closed_loop_by_duration_has_no_planned_number() -> None:
    """Only the run can tell how many there are; numbers go on for ever."""
    plan = plan_of(Arrival(kind="closed", concurrency=2), Stop(duration=SECOND))
    part = share(plan, 0, 1, 2)
    assert part.planned is None
    assert [item.number for item in itertools.islice(part.items, 3)] == [1, 3, 5]
    assert planned_in_phase(plan, 0) is None
    assert planned_rate(plan, 0) is None


@given(st.floats(0.1, 2000))
def test_constant_arrivals_do_not_drift(rate: float) -> None:
    """The ten-thousandth offset is as exact as the first."""
    sequence = offsets(Arrival(kind="constant", rate=rate), "x")
    last = next(itertools.islice(sequence, 10_000, None))
    assert last == round(10_000 * SECOND / rate)


@pytest.mark.parametrize("seed", ["a", "b", "c"])
def test_poisson_gaps_are_exponential(seed: str) -> None:
    """Kolmogorov-Smirnov against the exponential, and a dispersion of counts near one."""
    rate, n = 50.0, 20_000
    times = [0, *itertools.islice(offsets(Arrival(kind="poisson", rate=rate), seed), n)]
    gaps = sorted((b - a) / SECOND for a, b in itertools.pairwise(times))
    theory = [1 - math.exp(-rate * gap) for gap in gaps]
    distance = max(max(abs(t - i / n), abs(t - (i + 1) / n)) for i, t in enumerate(theory))
    assert distance < 1.63 / math.sqrt(n)  # 1 % level
    counts = [0] * (times[-1] // SECOND)
    for time in times[1:]:
        if time // SECOND < len(counts):
            counts[time // SECOND] += 1
    mean = sum(counts) / len(counts)
    dispersion = sum((c - mean) ** 2 for c in counts) / len(counts) / mean
    assert 0.8 < dispersion < 1.2


def test_s10_the_seed_alone_decides() -> None:
    """S10: the same seed gives the same hash (known beforehand), another seed another."""
    arrival, stop = Arrival(kind="poisson", rate=20.0), Stop(duration=30 * SECOND)
    one = schedule_hash(plan_of(arrival, stop, 1))
    assert one == schedule_hash(plan_of(arrival, stop, 1))
    assert one != schedule_hash(plan_of(arrival, stop, 2))
    first = list(itertools.islice(offsets(arrival, "1/arrivals/0"), 3))
    assert first == [26_220_135, 46_931_358, 80_027_274]


def test_phases_draw_apart() -> None:
    """Two phases of one plan do not repeat each other."""
    phase = Phase(name="measure", arrival=Arrival(kind="poisson", rate=20.0), stop=Stop(requests=5))
    plan = Plan(phases=(phase, phase), seed=1)
    assert list(open_items(plan, 0)) != list(open_items(plan, 1))


def test_the_planned_rate_is_that_of_the_drawn_schedule() -> None:
    """What the schedule really asks for, not what its distribution promises."""
    plan = plan_of(Arrival(kind="constant", rate=20.0), Stop(requests=41))
    assert planned_rate(plan, 0) == pytest.approx(20.0)
    assert planned_rate(plan_of(Arrival(kind="constant", rate=20.0), Stop(requests=1)), 0) is None


@pytest.mark.parametrize(
    ("arrival", "stop", "words"),
    [
        (Arrival(kind="closed", concurrency=0), Stop(requests=1), "concurrency of at least 1"),
        (Arrival(kind="closed", concurrency=1, rate=2.0), Stop(requests=1), "contradict"),
        (Arrival(kind="constant"), Stop(requests=1), "need a rate"),
        (Arrival(kind="poisson", rate=0.0), Stop(requests=1), "above 0"),
        (Arrival(kind="poisson", rate=float("nan")), Stop(requests=1), "above 0"),
        (Arrival(kind="poisson", rate=1.0, concurrency=2), Stop(requests=1), "no concurrency"),
        (Arrival(kind="closed", concurrency=1), Stop(), "when to stop"),
        (Arrival(kind="closed", concurrency=1), Stop(requests=0), "at least 1 request"),
        (Arrival(kind="closed", concurrency=1), Stop(duration=0), "duration"),
    ],
)
def test_f6_plans_that_contradict_themselves_are_refused(
    arrival: Arrival, stop: Stop, words: str
) -> None:
    """F6: each with its own words."""
    with pytest.raises(UsageError, match=words):
        check_plan(plan_of(arrival, stop))


def test_f6_a_plan_without_phases_is_refused() -> None:
    """F6: nothing would be sent."""
    with pytest.raises(UsageError, match="no phase"):
        check_plan(Plan(phases=(), seed=1))
