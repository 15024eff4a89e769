"""Comparisons as folds over records: what is different is found, what is equal is not, and doubt is said."""

import math
import random
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest
from tests.support.records import answered, interleaved, refused

from llm_latency_lens.compare import ComparisonFold, plan_comparison
from llm_latency_lens.errors import UsageError
from llm_latency_lens.load import Load
from llm_latency_lens.metrics.bias import bias_of
from llm_latency_lens.metrics.contrasts import Question, contrasts, noise_floor
from llm_latency_lens.metrics.pairs import Pairs
from llm_latency_lens.metrics.result import Setting, build_result
from llm_latency_lens.metrics.summary import Counts
from llm_latency_lens.model.comparison import Comparison, Contrast
from llm_latency_lens.model.record import Record, TokenCounts
from llm_latency_lens.model.result import Check, Distribution, Verdict
from llm_latency_lens.profiler import Profiler
from llm_latency_lens.report.advice import advise_failure
from llm_latency_lens.report.comparison import comparison_report
from llm_latency_lens.report.document import Facts, Note, Table
from llm_latency_lens.schedule.interleave import arm_of, round_of


def asked(
    records: list[Record], question: Question | None = None
) -> dict[tuple[str, str], Contrast]:
    """The contrasts of B against A by metric and statistic."""
    pairs = Pairs(2)
    for record in records:
        pairs.add(record)
    found = contrasts(pairs, ("A", "B"), question or Question(), seed=1)
    return {(one.metric, one.stat): one for one in found}


def lognormal(rng: random.Random, factor: float = 1.0) -> float:
    """A TTFT in ms with a spread of 20 %."""
    return 100.0 * factor * rng.lognormvariate(0.0, 0.2)


def test_a_slower_target_is_found_with_its_ratio() -> None:
    """20 % slower over 150 pairs: said so, the truth in the interval, and the tail too."""
    found = asked(interleaved(150, 2, lambda rng, arm, _: lognormal(rng, 1.2 if arm else 1.0)))
    one = found["ttft", "location"]
    assert (one.finding, one.primary, one.pairs) == ("more", True, 150)
    assert one.interval is not None
    assert one.interval[0] < 1.2 < one.interval[1]
    assert one.p_value is not None
    assert one.p_value < 0.01
    assert found["ttft", "p95"].ratio == pytest.approx(1.2, abs=0.15)
    assert found["tpot", "location"].finding == "equivalent"


def test_two_equal_targets_under_shared_drift_are_called_different_in_at_most_five_percent() -> (
    None
):
    """A/A, 200 runs of 60 pairs with 10 % drift and no margin: the primary question errs in at most 5 % (+3 SE)."""
    wrong = Counter(
        asked(
            interleaved(60, seed, lambda rng, _, at: lognormal(rng, 1.0 + 0.1 * at)),
            Question(margin=1e-6),
        )["ttft", "location"].finding
        for seed in range(200)
    )
    assert wrong["more"] + wrong["less"] <= 200 * 0.05 + 3 * (200 * 0.05 * 0.95) ** 0.5


def test_doubt_names_how_many_pairs_would_settle_it() -> None:
    """4 % slower with a margin of 5 % and few pairs; and a tail that so few can't support at all."""
    found = asked(interleaved(40, 3, lambda rng, arm, _: lognormal(rng, 1.04 if arm else 1.0)))
    one, tail = found["ttft", "location"], found["ttft", "p95"]
    assert one.finding == "inconclusive"
    assert one.pairs_wanted is not None
    assert one.pairs_wanted > 40
    assert (tail.ratio, tail.needs) == (None, 72)


def test_enough_pairs_find_equivalence() -> None:
    """1 % apart, 1,500 pairs, margin 5 %."""
    found = asked(interleaved(1500, 4, lambda rng, arm, _: lognormal(rng, 1.01 if arm else 1.0)))
    assert found["ttft", "location"].finding == "equivalent"


def test_only_complete_pairs_count() -> None:
    """A failed request takes its partner out, a warm-up and another's attempt count nothing."""
    records = interleaved(30, 5, lambda rng, _, __: lognormal(rng))
    records[10] = refused(10, 0.0)
    records.append(answered(60, 0.0, 100.0, phase="warmup"))
    assert asked(records)["ttft", "location"].pairs == 29


def test_intervals_widen_with_the_number_of_questions() -> None:
    """The primary question has its own 95 %, the others share theirs."""
    found = asked(interleaved(100, 6, lambda rng, _, __: lognormal(rng)))
    assert found["ttft", "location"].confidence == pytest.approx(0.95)
    assert found["e2e", "location"].confidence > 0.99
    other = asked(interleaved(100, 6, lambda rng, _, __: lognormal(rng)), Question(metric="e2e"))
    assert other["e2e", "location"].primary


def test_the_noise_floor_shrinks_with_more_requests() -> None:
    """A against itself: about 7 % with 100 requests of 20 % spread, a fourth of it with 1,600."""
    floors = {}
    for n in (100, 1600):
        pairs = Pairs(2)
        for record in interleaved(n, 7, lambda rng, _, __: lognormal(rng)):
            pairs.add(record)
        floors[n] = noise_floor(pairs.alone("ttft", 0))
    assert floors[100] is not None
    assert floors[1600] is not None
    assert 0.03 < floors[100] < 0.15
    assert floors[100] / floors[1600] == pytest.approx(4.0, rel=0.4)


@pytest.mark.parametrize("arms", [2, 3, 5])
def test_each_round_has_every_target_once_and_in_every_order(arms: int) -> None:
    """Over 3,000 rounds each target is first equally often; the same seed deals alike."""
    firsts: Counter[int] = Counter()
    for turn in range(3000):
        dealt = [arm_of(9, turn * arms + place, arms) for place in range(arms)]
        assert sorted(dealt) == list(range(arms))
        assert {round_of(turn * arms + place, arms) for place in range(arms)} == {turn}
        firsts[dealt[0]] += 1
    assert max(firsts.values()) / min(firsts.values()) < 1.25
    assert [arm_of(9, n, arms) for n in range(50)] == [arm_of(9, n, arms) for n in range(50)]
    assert [arm_of(9, n, arms) for n in range(50)] != [arm_of(8, n, arms) for n in range(50)]


def test_a_plan_is_for_each_target() -> None:
    """Twenty requests and one warm-up each, the same prompt twice; too few targets are refused."""
    one = Profiler("openai:m", base_url="http://127.0.0.1:9/v1", environment={})
    planned = plan_comparison([one, one], Load(requests=20), "hi", Question())
    phases = planned.benchmark.order.plan.phases
    assert [phase.stop.requests for phase in phases] == [2, 40]
    assert len(planned.benchmark.header.spec["arms"]) == 2
    with pytest.raises(UsageError, match="takes 2 to 8 targets"):
        plan_comparison([one], Load(requests=20), "hi", Question())
    with pytest.raises(UsageError, match="can't be compared"):
        plan_comparison([one, one], Load(requests=20), "hi", Question(metric="nonsense"))


def compared(
    records: list[Record], *checks: Check, models: tuple[str, str] = ("m", "m")
) -> Comparison:
    """The document of an interleaved run with these records and checks of the client."""
    arms = [
        Profiler(f"openai:{name}", base_url="http://127.0.0.1:9/v1", environment={})
        for name in models
    ]
    benchmark = plan_comparison(arms, Load(requests=20), "hi", Question()).benchmark
    fold = ComparisonFold(2)
    for record in records:
        fold.add(record)
    setting = Setting(
        header=benchmark.header,
        phase=benchmark.order.plan.phases[-1],
        target="openai:m",
        counts=Counts(planned=fold.whole.measured, not_sent=0),
        planned_rate=None,
        client={},
        advise=advise_failure,
    )
    whole = build_result(fold.whole, setting)
    quality = msgspec.structs.replace(whole.quality, checks=(*whole.quality.checks, *checks))
    return fold.comparison(benchmark.header, msgspec.structs.replace(whole, quality=quality))


def late(verdict: Verdict, bound: float | None) -> Check:
    """What a check says of a client that was late by up to `bound` seconds."""
    return Check(
        id="Q2",
        name="loop lag",
        verdict=verdict,
        value=bound,
        unit="s",
        words="the client was late",
        metrics=("ttft",),
        bound=bound,
    )


def primary(comparison: Comparison) -> Contrast:
    """The answer to the question asked first."""
    return next(one for one in comparison.contrasts if one.primary)


def text(comparison: Comparison) -> str:
    """Everything the report says."""
    lines: list[str] = []
    for block in comparison_report(comparison).blocks:
        if isinstance(block, Note):
            lines.append(block.text)
        elif isinstance(block, Facts):
            lines += [f"{fact.label} {fact.value} {fact.remark}" for fact in block.facts]
        elif isinstance(block, Table):
            lines += [" ".join(row) for row in block.rows]
    return "\n".join(lines)


def times(factor: float) -> Callable[[random.Random, int, float], float]:
    """Target B takes `factor` times as long as A."""
    return lambda rng, arm, _: lognormal(rng, factor if arm else 1.0)


@pytest.mark.parametrize(("factor", "finding"), [(13.0, "more"), (1.5, "inconclusive")])
def test_a_difference_beyond_a_bias_of_known_size_decides(factor: float, finding: str) -> None:
    """The client was up to 60 ms late at 100 ms: 13 times apart is more than that, 1.5 is not."""
    comparison = compared(interleaved(150, 2, times(factor)), late("INVALID", 0.060))
    one = primary(comparison)
    assert (one.finding, one.bias) == (finding, 0.060)
    assert one.interval is not None
    if finding == "more":
        assert comparison.verdict == "WARN"
        assert one.interval[0] < (1300 - 60) / (100 + 60)
        assert "exceeds what the known biases (up to 60.0 ms) can explain" in text(comparison)
    else:
        assert comparison.verdict == "INVALID"
        assert one.interval[0] < 1.0
        assert one.pairs_wanted is None
        assert "known biases of up to 60.0 ms can explain it" in text(comparison)


def test_a_bias_of_unknown_size_decides_nothing() -> None:
    """However far apart the targets are; the reason is said."""
    comparison = compared(interleaved(150, 2, times(13.0)), late("INVALID", None))
    assert (comparison.verdict, comparison.finding) == ("INVALID", "inconclusive")
    assert "the client was late" in primary(comparison).reason
    assert "the client was late" in text(comparison)


def test_a_bias_of_another_metric_leaves_the_question_alone() -> None:
    """TPOT is INVALID, TTFT is asked: the answer stands, and only TPOT has none."""
    check = msgspec.structs.replace(late("INVALID", None), metrics=("tpot",))
    comparison = compared(interleaved(150, 2, times(1.5)), check)
    findings = {(one.metric, one.stat): one.finding for one in comparison.contrasts}
    assert (comparison.finding, comparison.verdict) == ("more", "WARN")
    assert findings["tpot", "location"] == "inconclusive"


def test_a_side_with_too_few_requests_decides_nothing() -> None:
    """One target's check says INSUFFICIENT: no finding, whatever the interval is."""
    check = msgspec.structs.replace(late("INSUFFICIENT", None), name="dependence")
    comparison = compared(interleaved(150, 2, times(1.5)), check)
    assert (comparison.finding, comparison.verdict) == ("inconclusive", "INSUFFICIENT")
    assert primary(comparison).reason.startswith("dependence: ")


def test_what_bounds_hold_is_counted_once_and_on_its_own_side() -> None:
    """Ends of 2 and 5 ms about 3 ms: 1 below and 2 above, whatever the check's largest width is."""
    found = Distribution(unit="s", n=9, p50=0.003, bounds={"p50": (0.002, 0.005)})
    check = msgspec.structs.replace(late("INVALID", 0.1), size="in_bounds")
    bias = bias_of("ttft", "location", (check,), found)
    assert (bias.below, bias.above) == pytest.approx((0.001, 0.002))
    assert not bias.reason


def test_a_doubt_of_unknown_size_decides_nothing_even_where_it_only_warns() -> None:
    """Tokens counted by events on one side: 13 times apart is no finding."""
    check = msgspec.structs.replace(late("WARN", None), size="unknown")
    comparison = compared(interleaved(150, 2, times(13.0)), check)
    assert comparison.finding == "inconclusive"
    assert "the client was late" in primary(comparison).reason


def test_a_bias_widens_both_ends_and_a_width_only_the_lower() -> None:
    """Bounds add up, a width is how much earlier, other units have no bound in seconds."""
    found = Distribution(unit="s", n=9, width={"p50": 0.004, "p95": 0.02})
    checks = (late("INVALID", 0.01), late("WARN", 0.002), late("VALID", 1.0))
    bias = bias_of("ttft", "p95", checks, found)
    assert (bias.below, bias.above) == pytest.approx((0.032, 0.012))
    assert bias_of("ttft", "location", (), found).below == 0.004
    assert bias_of("e2e", "location", checks, None).below == 0.0
    everything = msgspec.structs.replace(late("INVALID", 0.01), metrics=("*",))
    assert not bias_of("ttft", "location", (everything,), None).reason
    assert bias_of("cost", "location", (everything,), None).reason


def wave(rho: float) -> Callable[[random.Random, int, float], float]:
    """Latencies of equal targets whose neighbours depend on each other by `rho`, each by itself."""
    levels = [0.0, 0.0]

    def ttft(rng: random.Random, arm: int, _: float) -> float:
        levels[arm] = rho * levels[arm] + (1.0 - rho * rho) ** 0.5 * rng.gauss(0.0, 1.0)
        return 100.0 * math.exp(0.5 * levels[arm])

    return ttft


def test_correlated_pairs_are_withheld_with_the_number_that_would_do() -> None:
    """100 pairs of targets that wander are a handful of independent ones: no interval."""
    one = asked(interleaved(100, 4, wave(0.9)))["ttft", "location"]
    assert (one.finding, one.interval) == ("inconclusive", None)
    assert one.ratio is not None
    assert one.needs is not None
    assert one.needs >= 300
    assert one.needs == one.pairs_wanted
    shown = text(compared(interleaved(100, 4, wave(0.9))))
    assert "pairs are correlated (100 carry the information of about" in shown


def test_correlated_pairs_have_wider_intervals() -> None:
    """Neighbours at 0.5: tau is three, so the interval is about 1.7 times as wide."""
    widths = []
    for rho in (0.0, 0.5):
        one = asked(interleaved(1000, 5, wave(rho)))["ttft", "location"]
        assert one.interval is not None
        widths.append(one.interval[1] / one.interval[0] - 1.0)
    assert widths[1] / widths[0] == pytest.approx(3.0**0.5, rel=0.25)


def test_correlation_below_the_bias_budget_is_none() -> None:
    """Waves of a tenth of a millisecond on 100 ms: equivalent after 60 pairs."""
    ttft = wave(0.9)
    records = interleaved(60, 4, lambda rng, arm, at: 100.0 + 0.001 * ttft(rng, arm, at))
    assert asked(records)["ttft", "location"].finding == "equivalent"


@pytest.mark.parametrize(("slower", "finding"), [(10.0, "more"), (0.0, "inconclusive")])
def test_steady_targets_are_compared_however_correlated(slower: float, finding: str) -> None:
    """20 ms against 30 ms with waves of a millisecond, 30 pairs: slower; against itself: not."""
    ttft = wave(0.9)
    records = interleaved(
        30, 4, lambda rng, arm, at: 20.0 + slower * arm + 0.01 * ttft(rng, arm, at)
    )
    one = asked(records)["ttft", "location"]
    assert one.finding == finding
    assert one.interval is not None


def test_drift_that_both_targets_share_is_no_dependence_of_pairs() -> None:
    """Both wander together: the ratio does not, and the comparison stays sharp."""
    shared: dict[int, float] = {}
    level = [0.0]

    def ttft(rng: random.Random, _: int, at: float) -> float:
        turn = round(at * 1_000_000)
        if turn not in shared:
            level[0] = 0.95 * level[0] + 0.3 * rng.gauss(0.0, 1.0)
            shared[turn] = level[0]
        return lognormal(rng) * math.exp(shared[turn])

    one = asked(interleaved(300, 6, ttft))["ttft", "location"]
    assert one.interval is not None
    assert one.interval[1] / one.interval[0] < 1.2


def answers_of(characters: int, tokens: int, arm: int, number: int) -> Record:
    """An answer of so many characters, which its server counts as so many tokens."""
    counts = TokenCounts(input=7, output=tokens, source="usage", events=8)
    record = answered(number, number * 400.0, 100.0 + number % 7, arm=arm, characters=characters)
    return msgspec.structs.replace(record, tokens=counts)


@pytest.mark.parametrize(
    ("tokens", "models", "said"),
    [
        ((50, 41), ("m", "m"), "B counts 18% fewer tokens than A for the same text"),
        ((50, 100), ("a", "b"), "B counts 100% more tokens than A for the same text"),
        ((50, 51), ("a", "b"), ""),
        ((0, 0), ("a", "b"), "A and B are different models, which may count different tokens"),
        ((0, 0), ("m", "m"), ""),
    ],
)
def test_tokens_of_different_tokenizers_are_told_apart(
    tokens: tuple[int, int], models: tuple[str, str], said: str
) -> None:
    """The same 200 characters are so many tokens here and there: said beyond 5 %, or if unknown."""
    records = [answers_of(200, tokens[number % 2], number % 2, number) for number in range(20)]
    comparison = compared(records, models=models)
    assert len(comparison.caveats) == (1 if said else 0)
    assert said in text(comparison)
