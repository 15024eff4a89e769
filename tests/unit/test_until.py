"""Measuring until a percentile is known well: which requests are looked at, what is said last."""

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.records import answered, refused

from llm_latency_lens.criteria.precision import parse_precision
from llm_latency_lens.criteria.until import PrecisionWatch, precision_of
from llm_latency_lens.model.record import Record

GOAL = parse_precision("ttft.p50+-5%")


def ttft(number: int) -> float:
    """Milliseconds that spread over a fifth."""
    return 100.0 + (37 * number) % 21


def request(number: int) -> Record:
    """A request that succeeded."""
    return answered(number, number * 50.0, ttft(number))


def test_a_precision_is_reached_once_the_interval_is_narrow() -> None:
    """Soon, with the true median inside; what is too few for an interval is never reached."""
    watch = PrecisionWatch(GOAL)
    number = 0
    while not watch.add(request(number)):
        number += 1
        assert number < 2000
    found = watch.precision()
    assert found.reached
    assert found.interval is not None
    assert found.width is not None
    assert found.width <= 0.05
    assert found.interval[0] <= 0.110 <= found.interval[1]
    few = PrecisionWatch(parse_precision("ttft.p95+-1%"))
    few.add(request(0))
    assert (few.precision().reached, few.precision().interval) == (False, None)


def test_a_request_that_has_not_ended_holds_up_those_behind_it() -> None:
    """Without number 3 nothing behind it is looked at; when it ends, in whatever way, all are."""
    for last in (request(3), refused(3, 150.0)):
        watch = PrecisionWatch(GOAL)
        for number in range(500):
            if number != 3:
                assert not watch.add(request(number))
        assert watch.add(last)


def test_a_failed_request_takes_its_place_without_a_value() -> None:
    """Every second one fails: the others are looked at, and counted."""
    watch = PrecisionWatch(GOAL)
    for number in range(1000):
        watch.add(request(number) if number % 2 else refused(number, number * 50.0))
    assert watch.reached
    assert watch.precision().n == 500


def test_an_attempt_that_another_followed_and_warm_up_are_in_no_place() -> None:
    """A number is that of its last attempt in the measured phase."""
    watch = PrecisionWatch(GOAL)
    for number in range(1, 500):
        watch.add(request(number))
    watch.add(msgspec.structs.replace(request(0), superseded=True))
    watch.add(msgspec.structs.replace(request(0), phase="warmup"))
    assert not watch.reached
    assert watch.add(request(0))


@given(st.integers(1, 4), st.randoms(use_true_random=False))
def test_the_end_is_the_same_whatever_order_requests_ended_in(
    workers: int, shuffled: random.Random
) -> None:
    """Numbers dealt to workers in turn, each at its own pace: the last word is of their order."""
    queues = [
        [request(number) for number in range(worker, 60, workers)] for worker in range(workers)
    ]
    watch = PrecisionWatch(parse_precision("ttft.p50+-0.1%"))
    while any(queues):
        watch.add(shuffled.choice([queue for queue in queues if queue]).pop(0))
    values = [round(ttft(number) * 1e6) / 1e9 for number in range(60)]
    assert watch.precision() == precision_of(watch.goal, values)
    assert watch.precision().n == 60


def test_a_run_ends_where_no_answer_has_the_metric() -> None:
    """Answers that did not stream have no TTFT: after twenty of them nothing more is sent."""
    watch = PrecisionWatch(GOAL)
    whole = [msgspec.structs.replace(request(number), streamed=False) for number in range(20)]
    assert [watch.add(record) for record in whole] == [False] * 19 + [True]
    assert (watch.reached, watch.precision().n) == (False, 0)


def test_slow_differences_that_do_not_matter_leave_the_median_known() -> None:
    """A wave of 1 % over four hundred requests is strong dependence, and no reason to go on."""
    values = [0.050 * (1.0 + 0.01 * math.sin(number / 60.0)) for number in range(400)]
    found = precision_of(GOAL, values)
    assert found.reached
    assert found.interval is not None
    assert found.interval[0] <= 0.050 <= found.interval[1]
    wide = [0.050 * (1.0 + 0.5 * math.sin(number / 60.0)) for number in range(400)]
    assert precision_of(GOAL, wide).interval is None


def test_what_ends_after_the_goal_was_reached_is_in_the_last_word() -> None:
    """Slow requests that were in flight count, and the interval is no wider than when it ended."""
    watch, number = PrecisionWatch(GOAL), 0
    while not watch.add(request(number)):
        number += 1
    at_the_end = watch.precision()
    for late in range(number + 1, number + 11):
        watch.add(answered(late, late * 50.0, 900.0))
    found = watch.precision()
    assert found.n == at_the_end.n + 10
    assert found.interval is not None
    assert at_the_end.interval is not None
    assert at_the_end.interval[0] <= found.interval[0] <= found.interval[1]
    assert found.interval[1] <= at_the_end.interval[1]
    assert found.value is not None
    assert found.value == pytest.approx(at_the_end.value, rel=0.05)
