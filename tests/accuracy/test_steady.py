"""A wave of a queue is neither a trend nor a warm-up; a queue that grows is a trend."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from tests.attack.calibrations import Process, autoregressive, queue

from llm_latency_lens.metrics.checks.steady import _unlike
from llm_latency_lens.stats.quantiles import Floats
from llm_latency_lens.stats.series import steady_from, trend

SURE, TRIALS = 0.999, 200
LEVEL = 0.02
"""So many of the runs of a steady process may be said to change: the tests are set to fewer."""
STEADY = [(autoregressive, 0.5), (autoregressive, 0.9), (queue, 0.5), (queue, 0.8)]


def bound() -> float:
    """The share of alarms that the level allows, with three standard errors."""
    return LEVEL + 3.0 * math.sqrt(LEVEL * (1.0 - LEVEL) / TRIALS)


def has_trend(series: Floats) -> bool:
    """Slopes that take neighbours for independent saw a trend in one of seven queues."""
    found = trend(series, SURE)
    return found is not None and not found.interval[0] <= 0.0 <= found.interval[1]


def has_warm_up(series: Floats) -> bool:
    """The cut of MSER-5 falls where a wave ends: one queue in five was said to warm up."""
    cut = steady_from(series)
    return _unlike(series, len(series) // 2 if cut is None else cut)


@pytest.mark.parametrize("alarm", [has_trend, has_warm_up])
@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize(("process", "strength"), STEADY)
def test_a_steady_process_whose_neighbours_are_alike_is_steady(
    process: Process, strength: float, n: int, alarm: Callable[[Floats], bool]
) -> None:
    """Neither a trend nor a warm-up is seen more often than the level allows."""
    rng = np.random.Generator(np.random.PCG64(5))
    alarms = sum(map(alarm, process(rng, TRIALS, n, strength)))
    assert alarms / TRIALS <= bound()


def in_flight(rng: np.random.Generator, n: int, utilisation: float) -> Floats:
    """Requests in flight at each arrival at one server of mean service 1, empty at first."""
    arrivals = np.cumsum(rng.exponential(1.0 / utilisation, n))
    ends, free = np.empty(n), 0.0
    for i, work in enumerate(rng.exponential(1.0, n)):
        free = max(free, arrivals[i]) + work
        ends[i] = free
    waiting = np.arange(1, n + 1) - np.searchsorted(ends, arrivals)
    return waiting.astype(np.float64)


@pytest.mark.parametrize(("utilisation", "fewest"), [(0.8, 0.0), (2.0, 0.9), (4.0, 0.9)])
def test_a_queue_that_grows_has_a_trend(utilisation: float, fewest: float) -> None:
    """What is sure of a random walk with a drift is seen, and a waiting room that fills is not."""
    rng = np.random.Generator(np.random.PCG64(7))
    seen = 0
    for _ in range(TRIALS):
        found = trend(in_flight(rng, 400, utilisation), SURE)
        seen += found is not None and found.interval[0] > 0.5
    assert seen / TRIALS >= fewest
    assert fewest > 0.0 or seen / TRIALS <= bound()
