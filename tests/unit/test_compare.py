"""Comparisons as folds over records: what is different is found, what is equal is not, and doubt is said."""

import random
from collections import Counter

import pytest
from tests.support.records import answered, interleaved, refused

from llm_latency_lens.compare import plan_comparison
from llm_latency_lens.errors import UsageError
from llm_latency_lens.load import Load
from llm_latency_lens.metrics.contrasts import Question, contrasts, noise_floor
from llm_latency_lens.metrics.pairs import Pairs
from llm_latency_lens.model.comparison import Contrast
from llm_latency_lens.model.record import Record
from llm_latency_lens.profiler import Profiler
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
