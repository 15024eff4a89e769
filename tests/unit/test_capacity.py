"""The pure parts of a search: which rate comes next, what an objective is, when a load is judged."""

from hypothesis import given
from hypothesis import strategies as st
from tests.support.records import answered, refused

from llm_latency_lens.criteria.objective import parse_objectives
from llm_latency_lens.metrics.objective import ObjectiveJudge
from llm_latency_lens.stats.capacity import Bracket, CapacitySearch


def searched(capacity: float, *, start: float = 1.0, most: float = 1000.0) -> Bracket:
    """A search on a server that is exact: it passes up to its capacity and fails above."""
    search = CapacitySearch(start, most)
    while (rate := search.next_rate) is not None:
        search.tell("pass" if rate <= capacity else "fail", 100)
    return search.bracket


@given(st.floats(0.01, 900))
def test_an_exact_server_is_bracketed_within_the_precision(capacity: float) -> None:
    """The ends pass and fail, lie within 5 %, and the lower one has passed three times."""
    bracket = searched(capacity)
    assert bracket.passed is not None
    assert bracket.failed is not None
    assert bracket.passed <= capacity < bracket.failed <= bracket.passed * 1.0500001
    assert (
        sum(step.rate == bracket.passed and step.judgement == "pass" for step in bracket.steps) == 3
    )
    assert len(bracket.steps) < 40


def test_a_server_that_holds_the_most_that_may_be_tried() -> None:
    """There is no upper end, and the reason is said."""
    bracket = searched(1e9, most=50.0)
    assert (bracket.passed, bracket.failed) == (50.0, None)
    assert "most that may be tried" in bracket.why


def test_a_server_that_holds_nothing() -> None:
    """There is no lower end."""
    bracket = searched(0.0)
    assert bracket.passed is None
    assert "not even" in bracket.why


def test_what_can_not_be_decided_is_not_gone_beyond() -> None:
    """Undecided above 10: the lower end is below, and nothing is said to have failed."""
    search = CapacitySearch(1.0, 1000.0)
    while (rate := search.next_rate) is not None:
        search.tell("pass" if rate <= 10.0 else "undecided", 100)
    bracket = search.bracket
    assert bracket.failed is None
    assert bracket.passed is not None
    assert 9.5 < bracket.passed <= 10.0


def test_a_pass_that_does_not_hold_is_given_up() -> None:
    """Passing once and failing when tried again: the end goes below it."""
    search = CapacitySearch(1.0, 1000.0)
    passes: dict[float, int] = {}
    while (rate := search.next_rate) is not None:
        passes[rate] = passes.get(rate, 0) + 1
        lucky = 10.0 < rate <= 12.0 and passes[rate] == 1
        search.tell("pass" if rate <= 10.0 or lucky else "fail", 100)
    assert search.bracket.passed is not None
    assert search.bracket.passed <= 10.0


def judged(judge: ObjectiveJudge, ttft: "list[float]") -> str:
    """What the judge says after requests with these TTFTs (ms); None stands for a failure."""
    for number, value in enumerate(ttft):
        judge.add(answered(number, number * 50.0, value))
    return judge.judgement


def test_clear_loads_are_judged_soon() -> None:
    """All below the limit pass, all above fail, failures fail; the first requests do not count."""
    objectives = parse_objectives("ttft.p95<500ms, e2e.p90<10s")
    assert [o.p for o in objectives] == [0.95, 0.9]
    jitter = [100.0 + (7 * i) % 11 for i in range(400)]
    assert judged(ObjectiveJudge(objectives, 0.01), jitter) == "pass"
    assert judged(ObjectiveJudge(objectives, 0.01), [600.0 + x for x in jitter]) == "fail"
    assert judged(ObjectiveJudge(objectives, 0.01), [900.0] * 40 + jitter) == "pass"
    failing = ObjectiveJudge(objectives, 0.01)
    for number in range(300):
        failing.add(refused(number, number * 50.0))
    assert failing.judgement == "fail"
