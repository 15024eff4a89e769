"""Do intervals cover, tests stay quiet and looks stay honest as often as they say? Measured.

Nominal rates must be met within three binomial standard errors; conservative methods may be better.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.attack.calibrations import (
    Process,
    anytime,
    autoregressive,
    differences,
    distributions,
    floors,
    pooled,
    queue,
)

from llm_latency_lens.stats.clusters import Clusters
from llm_latency_lens.stats.compare import (
    judge,
    paired_location,
    quantile_permutation,
    sign_flip_permutation,
    unpaired_location,
)
from llm_latency_lens.stats.quantiles import Floats, interval_ranks
from llm_latency_lens.stats.sequential import (
    anytime_ranks,
    log_evidence_above,
    log_evidence_below,
)
from llm_latency_lens.stats.series import change_points, trend

Rng = np.random.Generator


def generator(seed: int) -> Rng:
    """The same numbers everywhere."""
    return np.random.Generator(np.random.PCG64(seed))


def slack(rate: float, trials: int) -> float:
    """Three binomial standard errors."""
    return 3.0 * math.sqrt(rate * (1.0 - rate) / trials)


@pytest.mark.parametrize(("p", "n"), [(0.5, 50), (0.95, 300), (0.99, 800)])
def test_order_statistic_intervals_cover(p: float, n: int) -> None:
    """2,000 lognormal samples: at least 95 % hold the true quantile."""
    ranks = interval_ranks(n, p)
    assert ranks is not None
    rng, trials = generator(1), 2000
    samples = np.sort(rng.random((trials, n)), axis=1)
    hits = np.mean((samples[:, ranks[0]] <= p) & (p <= samples[:, ranks[1]]))
    assert hits >= 0.95 - slack(0.95, trials)


@pytest.mark.parametrize(
    ("process", "rho", "n"),
    [
        (autoregressive, 0.0, 100),
        (autoregressive, 0.5, 400),
        (autoregressive, 0.8, 1000),
        (autoregressive, 0.9, 1000),
        (queue, 0.5, 400),
        (queue, 0.5, 1000),
        (queue, 0.8, 1000),
    ],
)
def test_q12_intervals_that_are_printed_under_dependence_cover(
    process: Process, rho: float, n: int
) -> None:
    """Q12: p50 to p99 and the mean, 400 runs: what is printed holds as often as said."""
    rows = list(distributions(process, rho, n, 400))
    assert [row for row in rows if not row.holds] == []
    if rho <= 0.5 and n >= 400:
        assert all(row.printed > 0.6 for row in rows if row.what.startswith("p50"))


def test_q12_an_interval_that_takes_requests_for_independent_does_not_cover() -> None:
    """Q12: the same half-loaded queue, p95 of 1,000: what the correction is for."""
    rng, trials, n = generator(2), 200, 1000
    ranks = interval_ranks(n, 0.95)
    assert ranks is not None
    ordered = np.sort(queue(rng, trials, n, 0.5), axis=1)
    truth = -0.2 * math.log(0.05)
    hits = np.mean((ordered[:, ranks[0]] <= truth) & (truth <= ordered[:, ranks[1]]))
    assert hits < 0.8


@pytest.mark.parametrize(("rho", "n"), [(0.0, 100), (0.5, 400), (0.8, 400), (0.9, 100)])
def test_equal_targets_whose_requests_are_correlated_are_not_called_different(
    rho: float, n: int
) -> None:
    """A/A, location and p95: finding, interval and p-value each err in at most 5 %."""
    rows = list(differences(autoregressive, rho, n, 40))
    assert [row for row in rows if not row.holds] == []
    if rho == 0.9:
        assert all(row.printed == 0.0 for row in rows)
    if rho == 0.5:
        assert all(row.printed > 0.9 for row in rows)
    assert floors(rho, n, 40).holds


def test_q12_gaps_of_correlated_requests_and_looks_while_running_keep_their_level() -> None:
    """Q12: pooled gaps of requests at 0.5, and the interval looked at all the time, at 0.8."""
    assert [row for row in pooled(0.5, 400, 60) if not row.holds] == []
    assert anytime(autoregressive, 0.8, 1000, 100).holds


def test_intervals_of_pooled_gaps_hold_over_requests() -> None:
    """400 runs of 150 requests with 50 gaps that resemble each other: the p90 is covered."""
    rng, trials, n, each = generator(13), 400, 150, 50
    population = np.concatenate(
        [rng.lognormal(rng.normal(0, 0.5), 0.1, each) for _ in range(20_000)]
    )
    truth, hits, withheld = float(np.quantile(population, 0.9)), 0, 0
    lengths, ones = np.full(n, float(each)), np.ones(n * each)
    for _ in range(trials):
        gaps = np.concatenate([rng.lognormal(rng.normal(0, 0.5), 0.1, each) for _ in range(n)])
        interval = Clusters(gaps, ones, lengths).interval(0.9)
        hits += interval is None or interval[0] <= truth <= interval[1]
        withheld += interval is None
    assert withheld / trials < 0.1
    # Taken for independent the same intervals hold in about a quarter.
    assert hits / trials >= 0.95 - slack(0.95, trials)


@pytest.mark.parametrize("locate", [paired_location, unpaired_location])
def test_locations_cover(locate: Callable[[Floats, Floats], object]) -> None:
    """1,000 experiments with a true ratio of 1.1: 95 % of intervals hold it."""
    rng, trials, hits = generator(4), 1000, 0
    for _ in range(trials):
        a, b = rng.lognormal(0, 0.4, 60), 1.1 * rng.lognormal(0, 0.4, 60)
        found = locate(a, b)
        hits += found.interval[0] <= 1.1 <= found.interval[1]  # type: ignore[attr-defined]
    assert abs(hits / trials - 0.95) <= slack(0.95, trials) + 0.005


def test_equal_arms_are_called_different_in_at_most_five_percent() -> None:
    """A/A, paired, with drift that both share: 1,000 experiments of 60 pairs, no margin to hide behind."""
    rng, trials, alarms = generator(5), 1000, 0
    for _ in range(trials):
        drift = np.linspace(1.0, 1.1, 60)
        a, b = drift * rng.lognormal(0, 0.2, 60), drift * rng.lognormal(0, 0.2, 60)
        alarms += judge(paired_location(a, b), 1e-9) in {"faster", "slower"}
    assert alarms / trials <= 0.05 + slack(0.05, trials)


def test_permutation_tests_hold_their_level() -> None:
    """Equal arms: 5 % of p-values below 5 %, for means and for 90 % quantiles of unequal shapes' like."""
    rng, trials = generator(6), 300
    means = sum(
        sign_flip_permutation(rng.standard_t(3, 40), seed=trial) < 0.05 for trial in range(trials)
    )
    tails = sum(
        quantile_permutation(rng.normal(size=60), rng.normal(size=60), 0.9, seed=trial) < 0.05
        for trial in range(trials)
    )
    assert means / trials <= 0.05 + slack(0.05, trials)
    assert tails / trials <= 0.05 + slack(0.05, trials)


def decided(violated: NDArray[np.bool_], share: float, alpha: float) -> tuple[str | None, int]:
    """What a bet that is looked at after every request decides on a rate, and after how many."""
    violations = 0
    for n, bad in enumerate(violated, 1):
        violations += bool(bad)
        below = violations < n * share
        evidence = log_evidence_below if below else log_evidence_above
        if evidence(violations, n, share) >= -math.log(alpha):
            return ("pass" if below else "fail"), n
    return None, len(violated)


@pytest.mark.parametrize(
    ("rate", "wrong"), [(0.05, "pass"), (0.05, "fail"), (0.06, "pass"), (0.04, "fail")]
)
def test_a_bet_on_a_rate_that_is_looked_at_every_time_errs_in_at_most_five_percent(
    rate: float, wrong: str
) -> None:
    """150 runs of up to 1,500 requests at or beyond the boundary, looked at after each."""
    rng, trials = generator(7), 150
    errors = sum(decided(rng.random(1500) < rate, 0.05, 0.05)[0] == wrong for _ in range(trials))
    assert errors / trials <= 0.05 + slack(0.05, trials)


def test_a_bet_on_a_rate_decides_soon_where_the_case_is_clear() -> None:
    """A violation rate of 1 % against 5 %: the median run needs at most 200 requests."""
    rng = generator(8)
    found = [decided(rng.random(2000) < 0.01, 0.05, 0.05) for _ in range(200)]
    assert {decision for decision, _ in found} <= {"pass", None}
    assert np.median([needed for _, needed in found]) <= 200


def test_intervals_that_are_looked_at_all_the_time_cover_all_the_time() -> None:
    """p90 at every tenth of 2,000 requests: at most 5 % of runs ever miss; of one-look intervals far more do."""
    rng, trials, p = generator(9), 300, 0.9
    looks = range(100, 2001, 10)
    ranks = {n: (anytime_ranks(n, p), interval_ranks(n, p)) for n in looks}
    missed = {"always": 0, "once": 0}
    for _ in range(trials):
        up_to = np.cumsum(rng.random(2000) < p)
        for kind, at in (("always", 0), ("once", 1)):
            pairs = ((n, found) for n in looks if (found := ranks[n][at]) is not None)
            # The true quantile lies between ranks l and u iff l < (values up to it) <= u.
            missed[kind] += any(not low < up_to[n - 1] <= high for n, (low, high) in pairs)
    assert missed["always"] / trials <= 0.05 + slack(0.05, trials)
    assert missed["once"] / trials > 0.2


def test_no_step_is_seen_in_series_without_one() -> None:
    """300 series each, independent, alike, and with spikes: at most 1 % alarms; a 10 % step is found in most."""
    rng, trials = generator(10), 300

    def alike(n: int) -> Floats:
        found = rng.normal(size=n)
        for i in range(1, n):
            found[i] += 0.3 * found[i - 1]
        return 100.0 + 5.0 * found

    kinds: dict[str, Callable[[int], Floats]] = {
        "independent": lambda n: rng.normal(100, 5, n),
        "lognormal": lambda n: 100 * rng.lognormal(0, 0.05, n),
        "alike": alike,
        "spikes": lambda n: rng.normal(100, 5, n) * np.where(rng.random(n) < 0.03, 5, 1),
    }
    step = np.where(np.arange(200) < 100, 1.0, 1.1)
    for name, make in kinds.items():
        alarms = sum(bool(change_points(make(200))) for _ in range(trials))
        assert alarms / trials <= 0.01 + slack(0.01, trials), name
        found = sum(bool(change_points(make(200) * step)) for _ in range(trials))
        assert found / trials >= 0.85, name


def test_trends_are_seen_in_noise_in_five_percent() -> None:
    """1,000 flat series: at most 5 % of intervals leave zero out."""
    rng, trials, alarms = generator(12), 1000, 0
    for _ in range(trials):
        found = trend(rng.lognormal(0, 0.3, 300))
        assert found is not None
        alarms += not found.interval[0] <= 0.0 <= found.interval[1]
    assert alarms / trials <= 0.05 + slack(0.05, trials)
