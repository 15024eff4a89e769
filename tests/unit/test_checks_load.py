"""Checks of the load: each says by how much it moves which metric, and is silent where it moves none."""

import heapq
import random
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from tests.support.records import MS, answered
from tests.support.repetition import repetitions
from tests.unit.test_checks import GOOD_VITALS, calibration, check, clean, judged, verdict, vitals

from llm_latency_lens.model.calibration import CostModel
from llm_latency_lens.model.record import Record
from llm_latency_lens.stats.nonnegative import fit_nonnegative

SERVICE = 50.0


def finished(at: float, stall: tuple[float, float]) -> float:
    """When a request (ms) that takes 50 ms is done by a server that does nothing during the stall."""
    begin, end = stall
    done = at + SERVICE
    if done <= begin or at >= end:
        return max(at, end if begin <= at < end else at) + SERVICE
    return end + (SERVICE - max(begin - at, 0.0))


def closed_loop(count: int, slots: int, stall: tuple[float, float]) -> list[Record]:
    """Slots that send the next request as soon as they have the answer to the last."""
    free = [(float(slot), slot) for slot in range(slots)]
    found = []
    for number in range(count):
        at, slot = heapq.heappop(free)
        end = finished(at, stall)
        found.append(answered(number, at, end - at, tokens=1))
        heapq.heappush(free, (end + 0.1, slot))
    return found


def latencies_of_open_loop(
    rate_per_ms: float, until: float, stall: tuple[float, float]
) -> list[float]:
    """What a client sees that sends at the same rate and never waits."""
    every = 1.0 / rate_per_ms
    return sorted(finished(n * every, stall) - n * every for n in range(int(until * rate_per_ms)))


def test_what_a_stalled_server_kept_from_being_sent_is_counted() -> None:
    """Coordinated omission: the number and the p99 that an open loop of the same rate would have seen."""
    stall = (2000.0, 5000.0)
    records = closed_loop(1000, 4, stall)
    found = check(judged(records), "coordinated omission")
    assert found is not None
    assert found.verdict == "WARN"
    assert set(found.metrics) >= {"ttft", "e2e"}
    assert "--rate" in found.remedy
    assert found.value == pytest.approx(4 * 3000 / 50.1, rel=0.05)
    end = max(r.marks.ended for r in records) / MS - 1000.0
    seen = latencies_of_open_loop(4 / 50.1, end, stall)
    ours = sorted((r.marks.ended - (r.marks.sent or 0)) / MS for r in records)
    missed = max(seen[int(p * len(seen))] - ours[int(p * 1000)] for p in (0.5, 0.9, 0.95, 0.99))
    assert missed > 2000.0
    assert found.bound == pytest.approx(missed / 1000.0, rel=0.1)


def test_an_open_loop_omits_nothing() -> None:
    """The same stall in an open loop is in its latencies: no such check."""
    records = [answered(n, n * 12.5, finished(n * 12.5, (2000.0, 5000.0)) - n * 12.5, tokens=1) for n in range(1000)]  # fmt: skip
    assert check(judged(records, rate=10.0), "coordinated omission") is None


UNBLOCKED: dict[str, Callable[[int], Record]] = {
    "long answers": lambda n: answered(n, n * 900.0, 100.0, tokens=300 if n % 10 == 0 else 8),
    "a short stall": lambda n: answered(n, n * 900.0, 800.0 if n % 10 == 0 else 20.0),
    "always slow": lambda n: answered(n, n * 9000.0, 4000.0 + n % 7),
    "slow, and some slower": lambda n: answered(n, n * 9000.0, 4000.0 if n % 10 == 0 else 1500.0),
}


@pytest.mark.parametrize("kind", UNBLOCKED)
def test_slots_that_are_not_blocked_omit_nothing(kind: str) -> None:
    """Answers of many tokens, stalls under a second, and servers that are always slow: no alarm."""
    records = [UNBLOCKED[kind](n) for n in range(200)]
    assert check(judged(records), "coordinated omission") is None


def test_a_stall_that_moves_no_percentile_is_not_told() -> None:
    """One stall of a second among 3,000 requests: what it kept from being sent is less than 1 % of them."""
    records = [answered(n, n * 200.0, 1100.0 if n == 7 else 100.0, tokens=1) for n in range(3000)]
    assert check(judged(records), "coordinated omission") is None
    assert check(judged(records[:150]), "coordinated omission") is not None
    assert check(judged(records[:5]), "coordinated omission") is None


def test_little_allows_for_the_lateness_of_the_loop() -> None:
    """Blocks that cover the ends of requests explain that engine and records differ; nothing else does."""
    records = clean()
    area = sum((r.marks.ended - r.dequeued) / 1e9 for r in records)
    off = area + 0.05 * len(records)
    block = tuple(
        (r.marks.ended - MS, 60 * MS) for r in sorted(records, key=lambda r: r.marks.ended)
    )
    explained = msgspec.structs.replace(GOOD_VITALS, area=off, blocked=block)
    assert verdict(judged(records, vitals=(explained,)), "Little's law") == "VALID"
    unexplained = msgspec.structs.replace(GOOD_VITALS, area=off)
    found = check(judged(records, vitals=(unexplained,)), "Little's law")
    assert found is not None
    assert found.verdict == "INVALID"
    assert "report this as a bug" in found.remedy
    assert found.bound == pytest.approx(0.05, rel=0.2)


def test_little_counts_attempts_that_were_tried_again() -> None:
    """A retry is two attempts on both sides."""
    again = [msgspec.structs.replace(r, superseded=True) for r in clean(40, seed=9)]
    records = [*clean(), *again]
    area = sum((r.marks.ended - r.dequeued) / 1e9 for r in records)
    both = msgspec.structs.replace(GOOD_VITALS, area=area)
    assert verdict(judged(records, vitals=(both,)), "Little's law") == "VALID"
    assert verdict(judged(records, **vitals()), "Little's law") != "VALID"


def test_the_instruments_error_touches_the_metrics_it_is_of() -> None:
    """Q6: an error of 3 ms is above the budget of a gap of 10 ms and of a TTFT of 100 ms, not of 1 s."""
    found = judged(clean(), **calibration(p99=0.003))
    assert found.metrics["ttft"].verdict == "INVALID"
    slow = [answered(n, n * 2000.0, 1000.0, gap_ms=400.0) for n in range(100)]
    assert judged(slow, **calibration(p99=0.003)).metrics["ttft"].verdict == "VALID"


def test_a_cost_model_is_found_again() -> None:
    """Least squares find the costs that made the data; one that would be negative is none."""
    rng = random.Random(4)
    features = [[rng.uniform(100, 500), rng.uniform(1e3, 9e3), rng.uniform(1e3, 9e3), rng.uniform(1e5, 1e6)] for _ in range(6)]  # fmt: skip
    cost = CostModel(request=6e-5, read=9e-6, event=3e-6, byte=2e-9)
    seconds = [cost.seconds(*row) for row in features]
    found = fit_nonnegative(np.array(features), np.array(seconds))
    assert found == pytest.approx([6e-5, 9e-6, 3e-6, 2e-9], rel=1e-6)
    negative = [sum(a * b for a, b in zip(row, (6e-5, 9e-6, 3e-6, -1e-10), strict=True)) for row in features]  # fmt: skip
    assert min(fit_nonnegative(np.array(features), np.array(negative))) == 0.0
    assert cost.measurable_rate(4.0, 0.0) == pytest.approx(1 / (9e-6 / 4 + 3e-6))


def test_no_check_of_the_load_alarms_in_clean_runs() -> None:
    """100 clean runs, closed and open: none has any warning of warm-up, trend, backlog and their kind; at night less than 1 % of 300."""
    rng, alarms = random.Random(3), []
    for seed in range(repetitions(100, nightly=300)):
        n, rate = rng.choice((30, 60, 120, 300, 600, 1500)), rng.choice((None, 10.0))
        result = judged(clean(n, seed=seed), rate=rate)
        alarms += [
            c for c in result.quality.checks if c.verdict != "VALID" and c.name != "precision"
        ]
    assert len(alarms) < repetitions(1, nightly=3), alarms
