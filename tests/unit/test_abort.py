"""L6: a run ends early where a target answers nothing but errors, and not by chance."""

import random

import msgspec
import pytest
from tests.support.records import answered, refused

from llm_latency_lens.criteria.abort import AbortWatch, parse_abort
from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.record import Outcome, OutcomeKind, Record

AUTH = Outcome(OutcomeKind.ERROR_HTTP, "auth", 401, "no such key")
LIMITED = Outcome(OutcomeKind.ERROR_HTTP, "rate_limited", 429, "slow down")
REFUSED = Outcome(OutcomeKind.ERROR_CONNECT, "refused")
OK = Outcome(OutcomeKind.OK, "", 200)


def ended(number: int, outcome: Outcome, arm: int = 0, apart_ms: float = 1.0) -> Record:
    """Request `number`, sent `apart_ms` after the one before it."""
    at, succeeded = number * apart_ms, outcome.kind is OutcomeKind.OK
    record = answered(number, at, 1.0) if succeeded else refused(number, at)
    return msgspec.structs.replace(record, outcome=outcome, arm=arm)


def aborted_at(outcomes: list[Outcome], rules: str = "", apart_ms: float = 1.0) -> int | None:
    """After how many requests the run is ended; None for never."""
    watch = AbortWatch(parse_abort(rules))
    for number, outcome in enumerate(outcomes):
        if watch.add(ended(number, outcome, apart_ms=apart_ms)):
            return number + 1
    return None


@pytest.mark.parametrize("outcome", [AUTH, REFUSED])
def test_l6_five_permanent_failures_that_are_alike_end_a_run(outcome: Outcome) -> None:
    """L6: nothing is to be expected of the sixth."""
    assert aborted_at([outcome] * 10) == 5


def test_l6_what_may_pass_or_differs_is_waited_for() -> None:
    """L6: a rate limit, or failures of several kinds, end a run only after a hundred in a row."""
    assert aborted_at([LIMITED] * 200) == 100
    assert aborted_at([AUTH, REFUSED] * 100) == 100


def test_l6_a_target_that_has_answered_is_not_dead_at_once() -> None:
    """L6: a server that restarts for a second is waited for; one that stays away ends the run."""
    assert aborted_at([OK] + [REFUSED] * 1000) is None
    at = aborted_at([OK] + [REFUSED] * 1000, apart_ms=10.0)
    assert at is not None
    assert 200 < at < 212
    assert aborted_at(([OK] + [REFUSED] * 50) * 20, apart_ms=100.0) is None


def test_l6_each_target_of_a_comparison_counts_by_itself() -> None:
    """L6: the other one's successes do not hide a dead target."""
    watch = AbortWatch(parse_abort(""))
    for number in range(8):
        dead = watch.add(ended(2 * number, OK, arm=0)) or watch.add(
            ended(2 * number + 1, AUTH, arm=1)
        )
        assert dead == (number >= 4)
    assert watch.abort is not None
    assert watch.abort.failure is not None
    assert (watch.abort.failure.cause, watch.abort.failure.status) == ("auth", 401)


def test_l6_never_means_never() -> None:
    """L6: who wants to measure failures can."""
    assert aborted_at([AUTH] * 1000, "never") is None


def test_l6_a_condition_holds_for_the_last_hundred_requests() -> None:
    """L6: a target that fails after ten thousand good answers is noticed within a hundred more."""
    at = aborted_at([OK] * 10_000 + [LIMITED] * 99, "error_rate>50%")
    assert at is not None
    assert 10_050 < at < 10_080
    assert aborted_at([OK, OK, OK, LIMITED] * 200, "rate_limited_rate>=10%") is not None
    assert aborted_at([OK, LIMITED] * 200, "success_rate<20%") is None


def test_l6_a_condition_does_not_hold_by_chance() -> None:
    """L6: of 200 runs of a target that fails 40 % of 400 requests, at most one is ended."""
    ended_runs = 0
    for seed in range(200):
        rng = random.Random(seed)
        outcomes = [LIMITED if rng.random() < 0.4 else OK for _ in range(400)]
        ended_runs += aborted_at(outcomes, "error_rate>50%") is not None
    assert ended_runs <= 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("error_rate", "needs a name"),
        ("error_rate>500%", "between 0% and 100%"),
        ("ttft.p95>1s", "not 'ttft.p95'"),
        ("error_rate>5s", "not a number of ratio"),
        ("error_rate+-5%", "instead of"),
        (",", "a comma has nothing"),
    ],
)
def test_f2_wrong_abort_conditions_are_refused(text: str, words: str) -> None:
    """F2: in the grammar of all conditions, with an example."""
    with pytest.raises(UsageError, match=words):
        parse_abort(text)
