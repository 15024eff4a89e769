"""Quantiles, intervals and sample sizes, against brute force and exact binomial sums."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.stats.quantiles import (
    Weighted,
    interval_ranks,
    minimum_samples,
    quantile,
)

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200)


@given(VALUES, st.floats(0, 1))
def test_a_quantile_is_type_7(values: list[float], p: float) -> None:
    """As numpy's default has it."""
    ordered = np.sort(np.array(values))
    assert quantile(ordered, p) == pytest.approx(
        float(np.percentile(ordered, p * 100)), rel=1e-9, abs=1e-6
    )


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(1, 5)), min_size=1, max_size=40),
    st.floats(0, 1),
)
def test_a_weighted_quantile_is_that_of_repeated_values(
    pairs: list[tuple[float, int]], p: float
) -> None:
    """A weight of k is the value k times."""
    repeated = np.sort(np.array([value for value, weight in pairs for _ in range(weight)]))
    weighted = Weighted(np.array([v for v, _ in pairs]), np.array([float(w) for _, w in pairs]))
    found = weighted.quantile(p)
    assert found == pytest.approx(quantile(repeated, p), rel=1e-9, abs=1e-6)


def exact_cdf(n: int, p: Fraction, k: int) -> Fraction:
    """P(B <= k) in whole fractions."""
    return sum((math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1)), Fraction(0))


@pytest.mark.parametrize(
    ("p", "n"), [(0.5, 6), (0.75, 13), (0.9, 36), (0.95, 72), (0.99, 368), (0.999, 3688)]
)
def test_q13_minimum_samples(p: float, n: int) -> None:
    """Q13: the smallest n for which an interval exists: there it is, one fewer and it is gone."""
    assert minimum_samples(p) == n
    assert interval_ranks(n, p) is not None
    assert interval_ranks(n - 1, p) is None


@pytest.mark.parametrize(
    ("n", "p"), [(6, "1/2"), (20, "1/2"), (40, "9/10"), (100, "3/4"), (80, "19/20"), (150, "19/20")]
)
def test_interval_ranks_are_exact_and_as_narrow_as_they_can_be(n: int, p: str) -> None:
    """Each side errs with at most 2.5 %, and one rank further in it would err with more."""
    exact, alpha = Fraction(p), Fraction(1, 40)
    ranks = interval_ranks(n, float(exact))
    assert ranks is not None
    lower, upper = ranks
    assert exact_cdf(n, exact, lower) <= alpha < exact_cdf(n, exact, lower + 1)
    assert 1 - exact_cdf(n, exact, upper) <= alpha < 1 - exact_cdf(n, exact, upper - 1)


def test_intervals_cover_what_they_promise() -> None:
    """Of 2,000 samples of 100, at least 95 % (less three binomial standard errors) hold the true p90."""
    rng = random.Random(7)
    truth, hits, n = -math.log(0.1), 0, 100
    ranks = interval_ranks(n, 0.9)
    assert ranks is not None
    for _ in range(2000):
        sample = sorted(rng.expovariate(1.0) for _ in range(n))
        hits += sample[ranks[0]] <= truth <= sample[ranks[1]]
    assert hits / 2000 >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 2000)
    assert hits / 2000 <= 0.995


def test_a_million_samples_agree_with_the_normal_approximation() -> None:
    """Far beyond brute force, ranks lie where theory has them."""
    n, p = 1_000_000, 0.99
    ranks = interval_ranks(n, p)
    assert ranks is not None
    spread = 1.96 * math.sqrt(n * p * (1 - p))
    assert ranks[0] == pytest.approx(n * p - spread, abs=3)
    assert ranks[1] == pytest.approx(n * p + spread, abs=3)
