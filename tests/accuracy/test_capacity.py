"""The search for capacity on a queue whose true capacity is known: never above it, and close below.

The truth is the highest rate at which long runs of the same queue keep the objective; virtual time.
"""

import functools
import itertools

import numpy as np
import pytest
from msgspec import Struct
from tests.support.queueing import MS, PROMPT, served
from tests.support.records import answered
from tests.support.repetition import NIGHTLY, repetitions

from llm_latency_lens.criteria.objective import parse_objectives
from llm_latency_lens.metrics.objective_judge import ObjectiveJudge
from llm_latency_lens.simulator.batching import Batching
from llm_latency_lens.stats.capacity import Bracket, CapacitySearch

MODEL = Batching(prefill_rate=8000.0, step_base=10 * MS, step_per_sequence=MS // 2, slots=32)
TOKENS = 32
LIMIT = 0.2


@functools.cache
def truth() -> float:
    """By bisection over runs of 20,000 requests, the first tenth left out."""
    low, high = 0.3 * MODEL.capacity(PROMPT, TOKENS), MODEL.capacity(PROMPT, TOKENS)
    for _ in range(9):
        middle = (low + high) / 2.0
        waits = [
            one.ttft for one in itertools.islice(served(MODEL, middle, TOKENS, 1), 2000, 20_000)
        ]
        low, high = (middle, high) if np.quantile(waits, 0.95) < LIMIT else (low, middle)
    return low


class Found(Struct, frozen=True):
    """A search's end, and the requests it took."""

    bracket: Bracket
    requests: int


def search(seed: int, most_requests: int) -> Found:
    """One search from a fifth of the rate that the slots could serve."""
    busy = MODEL.capacity(PROMPT, TOKENS)
    found = CapacitySearch(0.2 * busy, 4.0 * busy, precision=0.03)
    objectives, requests = parse_objectives(f"ttft.p95<{LIMIT * 1000:.0f}ms"), 0
    for step in itertools.count():
        rate = found.next_rate
        if rate is None:
            break
        judge = ObjectiveJudge(objectives, found.alpha, again=found.retesting)
        load = itertools.islice(served(MODEL, rate, TOKENS, 1000 * seed + step), most_requests)
        for number, one in enumerate(load):
            gap = (one.last - one.first) / MS
            record = answered(number, one.arrived / MS, 1000.0 * one.ttft, tokens=2, gap_ms=gap)
            if judge.add(record) != "undecided" or judge.futile(most_requests):
                break
        found.tell(judge.judgement, judge.seen, far=judge.far)
        requests += judge.seen
    return Found(found.bracket, requests)


def test_a_search_never_reports_more_than_the_capacity() -> None:
    """Five seeds (ten at night) with steps of at most 6,000 requests: below the truth each time, and never far below."""
    for seed in range(repetitions(5, nightly=10)):
        bracket = search(seed, 6000).bracket
        assert bracket.passed is not None, bracket
        assert 0.7 * truth() < bracket.passed <= truth(), bracket
        assert bracket.failed is None or bracket.failed > truth() * 0.97, bracket


@pytest.mark.skipif(not NIGHTLY, reason="takes minutes; run it with: make nightly")
def test_a_hundred_searches_are_within_ten_percent_and_never_above() -> None:
    """100 seeds with steps of at most 40,000 requests; what is said to fail surely lies above, too."""
    brackets = [search(seed, 40_000).bracket for seed in range(100)]
    shares = np.array([(bracket.passed or 0.0) / truth() for bracket in brackets])
    failed = np.array([(bracket.failed or np.inf) / truth() for bracket in brackets])
    assert shares.max() <= 1.0
    assert (shares >= 0.9).mean() >= 0.95
    assert (failed > 0.97).mean() >= 0.95
