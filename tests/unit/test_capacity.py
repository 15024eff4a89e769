"""The pure parts of a search: which rate comes next, what an objective is."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.accuracy.test_calibration import decided

from llm_latency_lens.stats.capacity import Bracket, CapacitySearch, fewest_requests


def searched(capacity: float, *, start: float = 1.0, most: float = 1000.0) -> Bracket:
    """A search on a server that is exact: it passes up to its capacity and fails above."""
    search = CapacitySearch(start, most)
    while (rate := search.next_rate) is not None:
        search.tell("pass" if rate <= capacity else "fail", 100)
    return search.bracket


@given(st.floats(0.01, 900))
def test_an_exact_server_is_bracketed_within_the_precision(capacity: float) -> None:
    """The ends lie within 5 %; the lower has passed three times, the upper has failed twice."""
    bracket = searched(capacity)
    assert bracket.passed is not None
    assert bracket.failed is not None
    assert bracket.passed <= capacity < bracket.failed <= bracket.passed * 1.0500001
    assert (
        sum(step.rate == bracket.passed and step.judgement == "pass" for step in bracket.steps) == 3
    )
    fails = [s for s in bracket.steps if s.rate == bracket.failed and s.judgement == "fail"]
    assert len(fails) == 2
    assert bracket.end == "bracketed"
    assert len(bracket.steps) < 40


def test_a_server_that_holds_the_most_that_may_be_tried() -> None:
    """There is no upper end, and the reason is said."""
    bracket = searched(1e9, most=50.0)
    assert (bracket.passed, bracket.failed) == (50.0, None)
    assert bracket.end == "highest"


def test_a_server_that_holds_nothing() -> None:
    """There is no lower end, and the lowest rate itself was tried."""
    bracket = searched(0.0)
    assert bracket.passed is None
    assert bracket.end == "lowest"


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


def test_far_judgements_change_the_rate_by_more() -> None:
    """A clear pass quadruples the rate, a clear failure quarters it; others double and halve it."""
    search = CapacitySearch(10.0, 1000.0)
    search.tell("pass", 100, far=True)
    assert search.next_rate == 40.0
    search.tell("pass", 100)
    assert search.next_rate == 80.0
    search, tried = CapacitySearch(10.0, 1000.0, lowest=2.0), []
    while (rate := search.next_rate) is not None:
        tried.append(rate)
        search.tell("fail", 100, far=True)
    assert tried == [10.0, 2.5, 2.0]
    assert search.bracket.end == "lowest"


def test_a_failure_that_does_not_hold_is_not_reported() -> None:
    """Failing once, then passing: the upper end is the next rate that fails twice."""
    search = CapacitySearch(1.0, 1000.0)
    fails: dict[float, int] = {}
    while (rate := search.next_rate) is not None:
        fails[rate] = fails.get(rate, 0) + 1
        unlucky = 10.0 < rate <= 15.0 and fails[rate] == 1
        search.tell("fail" if rate > 15.0 or unlucky else "pass", 100)
    assert search.bracket.failed is not None
    assert search.bracket.failed > 15.0
    assert search.bracket.passed is not None
    assert search.bracket.passed <= 10.0


def test_a_search_that_must_settle_proves_its_best_rate() -> None:
    """After `settle` the highest rate that passed is tried until it has passed three times."""
    search = CapacitySearch(1.0, 1000.0)
    for judgement in ("pass", "pass", "fail"):
        search.tell(judgement, 100)
    search.settle()
    tried = []
    while (rate := search.next_rate) is not None:
        tried.append(rate)
        search.tell("pass", 100)
    assert tried == [2.0, 2.0]
    assert (search.bracket.passed, search.bracket.failed) == (2.0, 4.0)
    assert search.bracket.end == "settled"


def test_the_rates_ahead_are_those_of_a_server_that_holds_everything() -> None:
    """What is still to be tried is foretold exactly, and telling it changes nothing."""
    search = CapacitySearch(1.0, 6.0)
    ahead = search.ahead()
    tried = []
    while (rate := search.next_rate) is not None:
        tried.append(rate)
        search.tell("pass", 100)
    assert ahead == tuple(tried) == (1.0, 2.0, 4.0, 6.0, 6.0, 6.0)


@given(st.sampled_from([0.5, 0.1, 0.05, 0.01]), st.floats(0.0005, 0.05))
def test_the_fewest_requests_are_those_that_the_test_itself_needs(
    share: float, alpha: float
) -> None:
    """Without a violation the sequential test passes at exactly this number."""
    kept = np.zeros(2000, np.bool_)
    assert decided(kept, share, alpha) == ("pass", fewest_requests(share, alpha))
