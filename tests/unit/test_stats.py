"""The statistics, each against scipy, brute force or exact sums."""

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.stats.beta import (
    binomial_cdf,
    log_regularized,
    share_interval,
    student_t_quantile,
)
from llm_latency_lens.stats.clusters import Clusters
from llm_latency_lens.stats.compare import (
    Difference,
    holm,
    judge,
    paired_location,
    pairs_wanted,
    quantile_permutation,
    sign_flip_permutation,
    unpaired_location,
)
from llm_latency_lens.stats.dependence import (
    autocorrelation,
    dependence,
    joint_tau,
    long_run_variance,
    rank_autocorrelation,
    ranks,
    tail_dependence,
)
from llm_latency_lens.stats.means import mean_interval
from llm_latency_lens.stats.quantiles import Floats, interval_ranks
from llm_latency_lens.stats.sequential import (
    anytime_ranks,
    log_evidence_above,
    log_evidence_below,
)
from llm_latency_lens.stats.series import change_points, steady_from, trend
from llm_latency_lens.stats.sketch import Sketch


@given(st.floats(0.05, 3000), st.floats(0.05, 3000), st.floats(0.0001, 0.9999))
def test_the_incomplete_beta_function_is_scipys(a: float, b: float, x: float) -> None:
    """Wherever scipy's value is not too small for a float."""
    expected = float(scipy.special.betainc(a, b, x))
    if expected > 1e-290:
        assert math.exp(log_regularized(a, b, x)) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(("a", "b", "x"), [(900.0, 10.0, 0.05), (2.0, 3000.0, 0.9)])
def test_its_logarithm_goes_on_where_floats_end(a: float, b: float, x: float) -> None:
    """Far tails are finite numbers, and the two sides still add up to one."""
    low, high = log_regularized(a, b, x), log_regularized(b, a, 1 - x)
    assert low < 0 or high < 0
    assert math.exp(low) + math.exp(high) == pytest.approx(1.0)


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.01, 0.99))
def test_the_binomial_distribution_is_an_exact_sum(k: int, n: int, p: float) -> None:
    """Against the sum of its terms."""
    exact = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(min(k, n) + 1))
    assert binomial_cdf(k, n, p) == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize("df", [1, 4, 30, 500])
@pytest.mark.parametrize("p", [0.6, 0.95, 0.975, 0.999])
def test_students_quantile_is_scipys(df: int, p: float) -> None:
    """To nine digits."""
    assert student_t_quantile(p, df) == pytest.approx(float(scipy.stats.t.ppf(p, df)), rel=1e-9)


@pytest.mark.parametrize(("count", "n"), [(0, 10), (3, 10), (10, 10), (990, 1000), (1, 5000)])
def test_an_exact_share_interval_is_scipys(count: int, n: int) -> None:
    """Clopper-Pearson."""
    expected = scipy.stats.binomtest(count, n).proportion_ci(0.95, "exact")
    assert share_interval(count, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def ar1(n: int, rho: float, seed: int) -> Floats:
    """A series whose autocorrelation time is (1 + rho) / (1 - rho)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    noise = rng.normal(size=n)
    found = np.empty(n)
    found[0] = noise[0] / math.sqrt(1 - rho * rho)
    for i in range(1, n):
        found[i] = rho * found[i - 1] + noise[i]
    return found


@pytest.mark.parametrize(("rho", "tau"), [(0.0, 1.0), (0.5, 3.0), (0.8, 9.0)])
def test_q12_dependence_is_that_of_the_process(rho: float, tau: float) -> None:
    """Q12: known in closed form for an AR(1)."""
    found = np.mean([dependence(ar1(4000, rho, seed)) for seed in range(20)])
    assert found == pytest.approx(tau, rel=0.15)
    assert tail_dependence(ar1(4000, rho, 1), 0.95) >= 1.0


def test_q12_constant_and_short_series_are_no_evidence_of_dependence() -> None:
    """Nothing to divide by, nothing to tell."""
    assert dependence(np.ones(100)) == 1.0
    assert dependence(np.arange(5.0)) == 1.0


def test_q12_a_short_correlated_series_has_no_known_dependence() -> None:
    """Q12: 400 values of tau 19 are 21 independent ones: not known; 4,000 are enough."""
    short, long = ar1(400, 0.9, 3), ar1(4000, 0.9, 3)
    found = rank_autocorrelation(short)
    assert (found.evidence, found.is_known()) == ("strong", False)
    assert 700 <= found.wanted() <= 4000
    assert tail_dependence(short, 0.95) == math.inf
    assert interval_ranks(400, 0.95, tau=tail_dependence(short, 0.95)) is None
    assert anytime_ranks(400, 0.95, tau=math.inf) is None
    assert rank_autocorrelation(long).is_known()
    assert 5 < tail_dependence(long, 0.95) < 25


def test_q12_neighbours_that_repel_each_other_are_no_dependence() -> None:
    """Q12: what alternates makes a mean better known; nothing is widened or withheld."""
    found = autocorrelation(ar1(400, -0.6, 3))
    assert (found.tau, found.is_known()) == (1.0, True)


def test_q12_single_large_values_do_not_hide_dependence() -> None:
    """Q12: three huge outliers: the values show nothing any more, the ranks do."""
    series = ar1(400, 0.8, 5)
    series[[50, 200, 350]] = 1e4
    assert autocorrelation(series).evidence == "none"
    assert rank_autocorrelation(series).evidence == "strong"


def test_q12_dependence_that_may_be_chance_widens_and_withholds_nothing() -> None:
    """Q12: a first autocorrelation at the edge of chance: tau is its upper limit."""
    weak = next(
        found
        for seed in range(200)
        if (found := autocorrelation(ar1(200, 0.1, seed))).evidence == "weak"
    )
    assert weak.is_known()
    assert 1.0 < weak.tau == weak.upper < 3.0
    assert joint_tau(weak, weak) == weak.tau


def test_equal_values_share_their_rank() -> None:
    """Against scipy: an order of equal values would be a trend that is not there."""
    values = np.array([3.0, 1.0, 3.0, 2.0, 3.0, 1.0])
    assert ranks(values).tolist() == scipy.stats.rankdata(values).tolist()


def test_a_mean_interval_is_students_where_nothing_is_skewed() -> None:
    """Against scipy on normal values; skewness moves it, correlation widens or withholds it."""
    rng = np.random.Generator(np.random.PCG64(7))
    normal = rng.normal(10.0, 1.0, 500)
    found = mean_interval(normal)
    expected = scipy.stats.ttest_1samp(normal, 0.0).confidence_interval()
    assert found == pytest.approx((expected.low, expected.high), abs=0.003)
    skewed = rng.lognormal(0.0, 1.0, 100)
    low, high = mean_interval(skewed) or (0.0, 0.0)
    assert high - skewed.mean() > 1.2 * (skewed.mean() - low)
    independent, correlated = ar1(4000, 0.0, 1), ar1(4000, 0.8, 1)
    widths = [
        np.diff(mean_interval(x) or (0.0, 0.0))[0] / x.std() for x in (independent, correlated)
    ]
    assert widths[1] / widths[0] == pytest.approx(3.2, rel=0.2)
    assert mean_interval(ar1(400, 0.9, 1)) is None
    assert mean_interval(np.ones(50)) == (1.0, 1.0)


def test_intervals_of_clusters_follow_the_clusters() -> None:
    """Gaps that resemble each other within a request count as one, independent ones as many."""
    rng = np.random.Generator(np.random.PCG64(8))
    lengths, ones = np.full(200, 50.0), np.ones(10_000)
    free = rng.lognormal(0.0, 0.5, 10_000)
    tied = np.repeat(rng.lognormal(0.0, 0.5, 200), 50) * rng.lognormal(0.0, 0.01, 10_000)
    widths = []
    for values in (free, tied):
        clusters = Clusters(values, ones, lengths)
        for ends in (clusters.interval(0.5), clusters.mean_interval()):
            assert ends is not None
            widths.append(ends[1] - ends[0])
    assert widths[2] / widths[0] == pytest.approx(50.0**0.5, rel=0.5)
    assert widths[3] / widths[1] == pytest.approx(50.0**0.5, rel=0.3)
    assert Clusters(free, ones, lengths).interval(0.99) is not None
    assert Clusters(tied, ones, lengths).interval(0.9) is not None
    half = Clusters(tied[:5000], ones[:5000], lengths[:100])
    assert half.interval(0.95) is None, "five requests are the whole tail"
    assert Clusters(free[:450], ones[:450], lengths[:9]).interval(0.5) is None


def test_p_values_of_correlated_pairs_take_blocks() -> None:
    """A wave that is no difference: by single pairs it is one, by blocks of three tau it is not."""
    wave = ar1(400, 0.9, 21)
    wave -= wave.mean() - 0.35 * wave.std()
    assert sign_flip_permutation(wave, seed=1) < 0.001
    assert sign_flip_permutation(wave, seed=1, tau=19.0) > 0.05
    noise = 0.01 * ar1(400, 0.0, 2)
    single, blocks = (
        quantile_permutation(noise, wave, 0.5, seed=1, tau=tau) for tau in (1.0, 19.0)
    )
    assert single < blocks
    assert sign_flip_permutation(wave, seed=1, tau=200.0) == 1.0
    sums = wave[:390].reshape(-1, 15).sum(axis=1)
    assert sign_flip_permutation(wave, seed=1, tau=5.0) > 1.2 * sign_flip_permutation(sums, seed=1)


def test_long_run_variance_of_an_ar1() -> None:
    """1 / (1 - rho)^2 for unit noise."""
    found = np.mean([long_run_variance(ar1(5000, 0.5, seed)) for seed in range(20)])
    assert found == pytest.approx(4.0, rel=0.15)


PAIRS = st.lists(st.tuples(st.floats(0.001, 100), st.floats(0.001, 100)), min_size=6, max_size=40)


@given(PAIRS)
def test_a_paired_location_is_the_median_of_walsh_averages(
    pairs: list[tuple[float, float]],
) -> None:
    """Against listing them all, interval ends too."""
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    logs = np.log(b / a)
    walsh = np.sort([(logs[i] + logs[j]) / 2 for i in range(len(a)) for j in range(i, len(a))])
    found = paired_location(a, b)
    assert found is not None
    assert math.log(found.ratio) == pytest.approx(float(np.median(walsh)), abs=1e-9)
    assert any(math.log(found.interval[0]) == pytest.approx(w, abs=1e-9) for w in walsh)
    assert found.interval[0] <= found.ratio * (1 + 1e-9) <= found.interval[1] * (1 + 2e-9)


@given(PAIRS)
def test_an_unpaired_location_is_the_median_of_all_differences(
    pairs: list[tuple[float, float]],
) -> None:
    """Against listing them all."""
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    found = unpaired_location(a, b[:-1] if len(b) > 6 else b)
    every = np.log(b[:-1] if len(b) > 6 else b)[None, :] - np.log(a)[:, None]
    assert found is not None
    assert math.log(found.ratio) == pytest.approx(float(np.median(every)), abs=1e-9)


def test_a_paired_interval_agrees_with_the_signed_rank_test() -> None:
    """A ratio inside the 95 % interval is not rejected at 5 % by scipy's test, one outside is."""
    rng = np.random.Generator(np.random.PCG64(3))
    a = rng.lognormal(size=60)
    b = a * rng.lognormal(0.1, 0.3, 60)
    found = paired_location(a, b)
    assert found is not None

    def rejected(ratio: float) -> bool:
        test = scipy.stats.wilcoxon(np.log(b / a / ratio), method="asymptotic")
        return bool(test.pvalue < 0.05)

    assert not rejected(found.interval[0] * 1.003)
    assert rejected(found.interval[0] * 0.99)
    assert not rejected(found.interval[1] * 0.997)
    assert rejected(found.interval[1] * 1.01)


def test_permutation_p_values_find_a_shift_and_nothing_where_there_is_none() -> None:
    """Sign flips against scipy's exact t-like answer; a tail that doubled is found."""
    rng = np.random.Generator(np.random.PCG64(11))
    differences = rng.normal(0.3, 1.0, 60)
    expected = scipy.stats.ttest_1samp(differences, 0.0).pvalue
    assert sign_flip_permutation(differences, seed=1) == pytest.approx(expected, abs=0.01)
    a, b = rng.lognormal(0, 0.3, 300), rng.lognormal(0, 0.3, 300)
    assert quantile_permutation(np.log(a), np.log(b), 0.9, seed=1) > 0.05
    b = np.where(rng.random(300) < 0.2, 3 * b, b)
    assert quantile_permutation(np.log(a), np.log(b), 0.9, seed=1) < 0.01


@pytest.mark.parametrize(
    ("ratio", "interval", "verdict"),
    [
        (1.20, (1.1, 1.3), "slower"),
        (0.80, (0.7, 0.9), "faster"),
        (1.01, (0.98, 1.04), "equivalent"),
        (1.03, (1.01, 1.04), "equivalent"),
        (1.04, (1.01, 1.07), "inconclusive"),
        (1.20, (0.9, 1.5), "inconclusive"),
    ],
)
def test_a_judgement_has_three_values(
    ratio: float, interval: tuple[float, float], verdict: str
) -> None:
    """Sure and large, surely small, or neither; the last says how many pairs would settle it."""
    found = Difference(ratio=ratio, interval=interval, n=50)
    assert judge(found, 0.05) == verdict
    if verdict == "inconclusive":
        assert pairs_wanted(found, 0.05) > 50
    assert judge(None, 0.05) == "inconclusive"


def test_holms_adjustment() -> None:
    """By hand: the smallest times three, the next times two, never falling."""
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "c": 0.06, "b": 0.06}
    )


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
@pytest.mark.parametrize(("violations", "n"), [(0, 40), (3, 40), (7, 300), (40, 200)])
def test_e_values_are_mixtures_of_likelihood_ratios(violations: int, n: int, share: float) -> None:
    """Against the integral itself, by quadrature over the rates on either side."""
    a, b = 1.0, (1 - share) / share

    def ratio(rate: float) -> float:
        logs = violations * math.log(rate / share) + (n - violations) * math.log(
            (1 - rate) / (1 - share)
        )
        return math.exp(logs) * float(scipy.stats.beta.pdf(rate, a, b))

    grid = (np.arange(200_000) + 0.5) / 200_000
    values = np.exp(
        violations * np.log(grid / share) + (n - violations) * np.log((1 - grid) / (1 - share))
    ) * scipy.stats.beta.pdf(grid, a, b)
    mass = scipy.stats.beta.cdf(share, a, b)
    below = values[grid < share].sum() / 200_000 / mass
    above = values[grid > share].sum() / 200_000 / (1 - mass)
    assert ratio(share) > 0
    assert log_evidence_below(violations, n, share) == pytest.approx(math.log(below), abs=2e-3)
    assert log_evidence_above(violations, n, share) == pytest.approx(math.log(above), abs=2e-3)


@pytest.mark.parametrize("p", [0.5, 0.9, 0.99])
def test_anytime_ranks_are_wider_than_those_of_one_look(p: float) -> None:
    """And exist only later."""
    n = 3000
    once, always = interval_ranks(n, p), anytime_ranks(n, p)
    assert once is not None
    assert always is not None
    assert always[0] < once[0] <= n * p <= once[1] < always[1]
    assert anytime_ranks(20, 0.99) is None


def test_wider_ranks_for_dependent_values() -> None:
    """Four values that carry the information of one: twice as far out, or no interval."""
    free, tied = interval_ranks(1000, 0.9), interval_ranks(1000, 0.9, tau=4.0)
    assert free is not None
    assert tied is not None
    assert 900 - tied[0] == pytest.approx(2 * (900 - free[0]), abs=4)
    assert tied[1] - 900 == pytest.approx(2 * (free[1] - 900), abs=4)
    assert interval_ranks(1000, 0.5, tau=math.inf) is None
    assert interval_ranks(1000, 0.99, tau=4.0) is None


def test_mser_cuts_a_ramp_and_keeps_flat_data() -> None:
    """A warm-up of 60 falling values is cut, noise is not, a run that never settles has no steady part."""
    rng = np.random.Generator(np.random.PCG64(2))
    flat = rng.normal(100, 5, 400)
    ramp = flat.copy()
    ramp[:60] += np.linspace(200, 0, 60)
    cut = steady_from(ramp)
    assert cut is not None
    assert 25 <= cut <= 70
    assert (steady_from(flat) or 0) <= 100
    assert steady_from(100.0 * np.exp(-np.arange(400) / 150.0)) is None


def test_a_trend_has_the_slope_that_was_put_in() -> None:
    """30 % over the run, with the interval about it; none in noise."""
    rng = np.random.Generator(np.random.PCG64(4))
    flat = rng.lognormal(0, 0.2, 600)
    rising = flat * np.linspace(1.0, 1.3, 600)
    found, none = trend(rising), trend(flat)
    assert found is not None
    assert none is not None
    assert found.interval[0] < 0.26 < found.interval[1]
    assert found.interval[0] > 0.1
    assert none.interval[0] < 0 < none.interval[1]
    assert trend(flat[:20]) is None


def test_a_step_is_found_where_it_is() -> None:
    """One of 10 % in noise, two steps in order, none in a flat series or below 5 %."""
    rng = np.random.Generator(np.random.PCG64(8))
    noise = rng.lognormal(0, 0.05, 240)
    stepped = noise * np.where(np.arange(240) < 120, 1.0, 1.1)
    (found,) = change_points(stepped)
    assert found.index == pytest.approx(120, abs=4)
    assert found.after / found.before == pytest.approx(1.1, abs=0.03)
    twice = noise * np.where(np.arange(240) < 80, 1.0, np.where(np.arange(240) < 160, 1.3, 1.0))
    assert [round(c.index, -1) for c in change_points(twice)] == [80, 160]
    assert change_points(noise) == ()
    assert change_points(noise * np.where(np.arange(240) < 120, 1.0, 1.03)) == ()


@given(
    st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1e9)), min_size=1, max_size=200),
    st.floats(0, 1),
)
def test_a_sketchs_quantile_is_within_its_stated_error(values: list[float], p: float) -> None:
    """Of the value with that rank."""
    sketch = Sketch(0.01)
    sketch.extend(values)
    exact = sorted(values)[max(1, math.ceil(p * len(values))) - 1]
    assert sketch.quantile(p) == pytest.approx(exact, rel=0.0100001, abs=0)


@given(st.lists(st.floats(1e-6, 1e6), max_size=50), st.lists(st.floats(1e-6, 1e6), max_size=50))
def test_merged_sketches_are_the_sketch_of_all(first: list[float], second: list[float]) -> None:
    """Bucket for bucket."""
    one, other, whole = Sketch(), Sketch(), Sketch()
    one.extend(first)
    other.extend(second)
    whole.extend([*first, *second])
    one.merge(other)
    assert (one.count, one.zeros, one.buckets) == (whole.count, whole.zeros, whole.buckets)


def test_a_sketch_refuses_what_it_cant_hold() -> None:
    """Negative and infinite values, errors out of range, unlike sketches."""
    for value in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="finite values"):
            Sketch().add(value)
    with pytest.raises(ValueError, match="between 0 and 1"):
        Sketch(1.0)
    with pytest.raises(ValueError, match="do not merge"):
        Sketch(0.01).merge(Sketch(0.02))
    assert Sketch().quantile(0.5) is None
