"""How often a gate calls an equal run worse: measured with fixed seeds, against what it promises.

A FAIL needs the whole 95 % interval beyond the limit, so at `<+0%` an equal run fails in 2.5 %.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest

from llm_latency_lens.criteria.allowance import parse_allowances
from llm_latency_lens.criteria.change import ChangeQuestion, change_of
from llm_latency_lens.criteria.condition import state_of
from llm_latency_lens.criteria.estimate import QuantityEstimate
from llm_latency_lens.criteria.quantity import ResultQuantity, find_quantity
from llm_latency_lens.criteria.spread import known_within

Rng = np.random.Generator
TAIL = 0.025
N = 400


def slack(rate: float, trials: int) -> float:
    """Three binomial standard errors."""
    return 3.0 * math.sqrt(rate * (1.0 - rate) / trials)


def lognormal(rng: Rng) -> float:
    """The slowest of 400 requests of the usual kind."""
    return float(rng.lognormal(0.0, 0.5, N).max())


def pareto(rng: Rng) -> float:
    """The slowest of 400 requests where ever slower ones come."""
    return float(1.0 + rng.pareto(2.0, N).max())


def exponential(rng: Rng) -> float:
    """The slowest of 400 requests at a saturated queue."""
    return float(rng.exponential(1.0, N).max())


def smallest(rng: Rng) -> float:
    """The quickest of 400 requests."""
    return float(rng.lognormal(0.0, 0.5, N).min())


def rate(rng: Rng) -> float:
    """A throughput that varies by 3 % from run to run."""
    return float(rng.normal(1000.0, 30.0))


CASES: list[tuple[str, Callable[[Rng], float]]] = [
    ("ttft.max", lognormal),
    ("ttft.max", pareto),
    ("ttft.max", exponential),
    ("ttft.min", smallest),
    ("throughput.output_tokens", rate),
    ("cost.total", rate),
]


def worse(rng: Rng, draw: Callable[[Rng], float], quantity: ResultQuantity, baselines: int) -> bool:
    """Whether an equal run fails, held against so many baselines, on the side that is worse."""
    text = f"{quantity.name}>-0%" if quantity.name.startswith("thr") else f"{quantity.name}<+0%"
    (allowance,) = parse_allowances(text)
    question = ChangeQuestion(
        quantity=quantity,
        after=QuantityEstimate(value=draw(rng), n=N),
        before=tuple(QuantityEstimate(value=draw(rng), n=N) for _ in range(baselines)),
        points=False,
        family=1,
    )
    change, words = change_of(question)
    assert change is not None, words
    return state_of(allowance.relation, allowance.limit, (change.low, change.high)) == "FAIL"


@pytest.mark.parametrize("baselines", [5, 12])
@pytest.mark.parametrize(("name", "draw"), CASES, ids=[f"{n}-{d.__name__}" for n, d in CASES])
def test_an_equal_run_is_called_worse_no_more_often_than_promised(
    name: str, draw: Callable[[Rng], float], baselines: int
) -> None:
    """2,000 A/A gates each, without any allowance to hide behind."""
    rng, trials = np.random.Generator(np.random.PCG64(21)), 2000
    quantity = find_quantity(name)
    false = sum(worse(rng, draw, quantity, baselines) for _ in range(trials)) / trials
    assert false <= TAIL + slack(TAIL, trials)
    # And the level is used: a test that never fails would find nothing.
    assert false > 0.002


def test_taken_for_exact_an_equal_run_is_called_worse_in_half_of_all_cases() -> None:
    """The oracle: one maximum against another without a spread is the toss of a coin."""
    rng, trials = np.random.Generator(np.random.PCG64(22)), 1000
    coin = sum(lognormal(rng) > lognormal(rng) for _ in range(trials)) / trials
    assert abs(coin - 0.5) < slack(0.5, trials)


@pytest.mark.parametrize(("name", "draw"), CASES, ids=[f"{n}-{d.__name__}" for n, d in CASES])
def test_a_run_with_repeats_covers_where_the_workload_lies(
    name: str, draw: Callable[[Rng], float]
) -> None:
    """95 % of thresholds' intervals hold the (log) mean of 20,000 runs, with five repeats."""
    rng, trials = np.random.Generator(np.random.PCG64(23)), 2000
    quantity = find_quantity(name)
    centre = math.exp(float(np.mean(np.log([draw(rng) for _ in range(20_000)]))))
    held = 0
    for _ in range(trials):
        repeats = [QuantityEstimate(value=draw(rng), n=N) for _ in range(5)]
        interval = known_within(quantity, QuantityEstimate(value=draw(rng), n=N), repeats)
        assert interval is not None
        held += interval[0] <= centre <= interval[1]
    assert held / trials >= 0.95 - slack(0.95, trials)


def test_a_run_that_is_worse_is_found() -> None:
    """Throughput fell by a quarter, with 3 % of spread and five baselines: 95 % are found."""
    rng, trials, found = np.random.Generator(np.random.PCG64(24)), 300, 0
    quantity = find_quantity("throughput.output_tokens")
    for _ in range(trials):
        question = ChangeQuestion(
            quantity=quantity,
            after=QuantityEstimate(value=0.75 * rate(rng), n=N),
            before=tuple(QuantityEstimate(value=rate(rng), n=N) for _ in range(5)),
            points=False,
            family=1,
        )
        change, _ = change_of(question)
        assert change is not None
        found += state_of(">", -0.05, (change.low, change.high)) == "FAIL"
    assert found / trials >= 0.95


def test_percentiles_of_runs_that_vary_use_the_spread_between_them() -> None:
    """Runs vary by 5 %, with intervals of +-1 %: without the spread equal runs would fail."""
    rng, trials, false, naive = np.random.Generator(np.random.PCG64(25)), 2000, 0, 0
    quantity = find_quantity("ttft.p50")

    def run() -> QuantityEstimate:
        value = float(rng.lognormal(0.0, 0.05))
        return QuantityEstimate(value=value, interval=(value * 0.99, value * 1.01), n=N)

    for _ in range(trials):
        after, before = run(), tuple(run() for _ in range(5))
        for repeats in (before, before[:1]):
            question = ChangeQuestion(
                quantity=quantity, after=after, before=repeats, points=False, family=1
            )
            change, _ = change_of(question)
            assert change is not None
            failed = state_of("<", 0.0, (change.low, change.high)) == "FAIL"
            false += failed and len(repeats) == 5
            naive += failed and len(repeats) == 1
    assert false / trials <= TAIL + slack(TAIL, trials)
    assert naive / trials > 0.3
