"""Filters, groups, time and history over records; the language is small, and nothing else gets through."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.records import answered, refused
from tests.unit.test_gate import result

from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.analysis import grouped, history, in_time, ttft_trend
from llm_latency_lens.metrics.where import parse_where
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import Result

FAST = answered(1, 0.0, 80.0, target="openai:a", finish_reason="stop")
SLOW = answered(2, 0.0, 800.0, target="anthropic:b", finish_reason="length", worker=1)
BAD = refused(3, 0.0)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ('provider == "openai"', (True, False, True)),
        ("ttft > 500ms", (False, True, False)),
        ("ttft > 0.5s and worker == 1", (False, True, False)),
        ("ttft < 100ms or outcome == 'error_http'", (True, False, True)),
        ("not ttft < 100ms", (False, True, True)),
        ("50ms < ttft < 100ms", (True, False, False)),
        ("provider in ('anthropic', 'gemini')", (False, True, False)),
        ("finish_reason not in ['stop']", (False, True, False)),
        ("reused", (True, True, True)),
        ("status >= 500", (False, False, True)),
        ('status == "200"', (False, False, False)),
        ("model != 'a'", (False, True, True)),
        ("output_tokens == 8 and cost > 0", (False, False, False)),
        ('finish_reason == "500ms"', (False, False, False)),
    ],
)
def test_a_filter_matches_what_it_says(text: str, matches: tuple[bool, ...]) -> None:
    """Comparisons, units, lists, and, or, not; what a record can't say matches nothing."""
    test = parse_where(text)
    assert tuple(test(record) for record in (FAST, SLOW, BAD)) == matches


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ttft >", "not a filter"),
        ("tttft > 1s", "did you mean 'ttft'"),
        ("ttft", None),
        ("5 + 5 > 3", "no value"),
        ("__import__('os').system('true')", "no condition"),
        ("ttft.real > 1", "no value"),
        ("(lambda: 1)() > 0", "no value"),
        ("ttft is 5", "use =="),
        ("ttft > None", "no value"),
        ("provider in (x, y)", "plain values"),
        ("-ttft", "no condition"),
        ("'a' if ttft > 1 else 'b'", "no condition"),
    ],
)
def test_nothing_else_gets_through(text: str, said: str | None) -> None:
    """No calls, attributes, arithmetic; wrong fields are named with the nearest."""
    if said is None:
        assert parse_where(text)(FAST) is False
        return
    with pytest.raises(UsageError, match=said):
        parse_where(text)


@given(st.text(max_size=60))
def test_f2_any_text_is_a_filter_or_a_usage_error(text: str) -> None:
    """F2: nothing a user types makes anything else happen."""
    try:
        test = parse_where(text)
    except UsageError:
        return
    assert test(FAST) in {True, False}


def drawn(n: int) -> list[Record]:
    """A run of two targets, TTFT rising by half over it."""
    rng = random.Random(1)
    return [
        answered(i, i * 100.0, 100 * rng.lognormvariate(0, 0.1) * (1 + 0.5 * i / n), target=("openai:a", "gemini:b")[i % 2])
        for i in range(n)
    ]  # fmt: skip


def test_groups_and_stretches_add_up() -> None:
    """Every record is in one group and in one stretch; medians rise with the drift that was put in."""
    records = [*drawn(400), refused(400, 39_950.0)]
    groups = grouped(records, "provider")
    assert [(g.key, g.requests) for g in groups] == [("openai", 201), ("gemini", 200)]
    assert groups[0].outcomes["error_http"] == 1
    buckets = in_time(records, 10_000_000_000)
    assert [b.requests for b in buckets] == [100, 100, 100, 101]
    medians = [b.ttft_p50 for b in buckets]
    assert all(m is not None for m in medians)
    assert medians == sorted(medians, key=lambda m: m or 0.0)
    assert buckets[-1].success_rate == pytest.approx(100 / 101)
    assert buckets[0].output_tokens == pytest.approx(80.0)
    found, _ = ttft_trend(records)
    assert found is not None
    assert found.interval[0] < 0.4 < found.interval[1]


def ttft_p50(result: Result) -> float | None:
    """The quantity of the history."""
    p50: float | None = result.metrics["ttft"].p50
    return p50


def test_a_step_in_the_history_is_found_and_a_short_one_says_what_it_needs() -> None:
    """30 runs, 40 % slower from the 16th on; ten runs are too few to look."""
    runs = []
    for number in range(30):
        one = result(60, 1.0 if number < 15 else 1.4, seed=number)
        run = {**one.run, "id": f"r{number:02}", "started": f"2026-01-{number + 1:02}T00:00:00Z"}
        runs.append(msgspec.structs.replace(one, run=run))
    random.Random(2).shuffle(runs)
    found = history(runs, "ttft.p50", ttft_p50)
    assert [value[0] for value in found.runs] == [f"r{n:02}" for n in range(30)]
    assert [change.run for change in found.changes] == ["r15"]
    assert found.needs is None
    assert history(runs[:10], "ttft.p50", ttft_p50).needs == 20
