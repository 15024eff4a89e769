"""Q15: output lengths against those that were asked for; an early end by itself is no fault."""

import msgspec
import pytest
from tests.support.records import answered
from tests.unit.test_checks import check, judged

from llm_latency_lens.model.record import Record, TokenCounts
from llm_latency_lens.model.request import Request
from llm_latency_lens.model.result import Result
from llm_latency_lens.workload.workload import asked_tokens

SHORTER, LONGER = "answers shorter than asked for", "answers longer than asked for"
ENDED = "answers that ended by themselves"


def lengths(got: int, asked: tuple[int, int | None], finish: str = "stop") -> Result:
    """A run of answers with `got` tokens each."""
    return judged([one(n, got, asked, finish) for n in range(200)])


def one(number: int, got: int, asked: tuple[int, int | None], finish: str = "stop") -> Record:
    """An answer 10 ms a token."""
    return answered(
        number, number * 900.0, 50.0, tokens=got, asked_tokens=asked, finish_reason=finish
    )


@pytest.mark.parametrize(
    ("got", "asked", "finish", "name"),
    [
        (8, (100, 100), "length", SHORTER),
        (98, (100, None), "stop", SHORTER),
        (103, (100, 100), "length", LONGER),
        (60, (0, 50), "length", LONGER),
        (40, (0, 50), "length", SHORTER),
        (40, (0, 50), "stop", ENDED),
    ],
)
def test_q15_a_length_that_was_not_kept_is_doubted(
    got: int, asked: tuple[int, int | None], finish: str, name: str
) -> None:
    """Q15: beyond 1 % of a fixed length, 10 % of a limit; with the tokens and what they move."""
    result = lengths(got, asked, finish)
    found = {c.name: c for c in result.quality.checks if c.name in {SHORTER, LONGER, ENDED}}
    assert set(found) == {name}
    assert found[name].verdict == ("VALID" if name == ENDED else "WARN")
    assert f"{got} tokens on average" in found[name].words
    if name != ENDED:
        assert result.metrics["e2e"].verdict == "WARN"
        assert result.metrics["ttft"].verdict == "VALID"
        assert found[name].bound == pytest.approx(0.01 * abs(got - (asked[1] or asked[0])))


@pytest.mark.parametrize(
    ("got", "asked"),
    [(100, (100, 100)), (99, (100, 100)), (17, (16, 16)), (55, (0, 50)), (7, (0, None))],
)
def test_q15_lengths_within_the_tolerance_are_not_doubted(
    got: int, asked: tuple[int, int | None]
) -> None:
    """Q15: a token more or less is the end-of-text token, which some servers count."""
    result = lengths(got, asked, "length")
    assert not [c for c in result.quality.checks if c.name in {SHORTER, LONGER, ENDED}]


def test_q15_uncounted_answers_are_doubted_only_where_too_many_events_came() -> None:
    """Q15: an event has one token or more, so that few events say nothing."""
    chunks = TokenCounts(input=7, output=8, source="chunks", events=8)
    assert check(judged([counted(n, chunks, (100, 100)) for n in range(200)]), SHORTER) is None
    assert check(judged([counted(n, chunks, (0, 4)) for n in range(200)]), LONGER) is not None


def counted(number: int, tokens: TokenCounts, asked: tuple[int, int | None]) -> Record:
    """An answer of eight events with these counts."""
    return msgspec.structs.replace(one(number, 8, asked), tokens=tokens)


def test_q15_what_a_request_asks_for() -> None:
    """Q15: --ignore-eos fixes the length at the limit; without it the limit is only a limit."""
    assert asked_tokens(Request(messages=(), max_tokens=9)) == (0, 9)
    assert asked_tokens(Request(messages=(), max_tokens=9, min_tokens=4)) == (4, 9)
    assert asked_tokens(Request(messages=(), max_tokens=9, ignore_eos=True)) == (9, 9)
