"""Tokens of which it is not known whether, when or in which event they streamed: both ends are kept."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from tests.unit.test_token_counts import (
    bounds,
    finished,
    streamed,
    texts,
    tpot,
    usage,
)
from tests.wire.corpus import chunk

from llm_latency_lens.criteria.limit import parse_limits
from llm_latency_lens.interpret.repetition import repetition
from llm_latency_lens.interpret.tally import KEPT, Tally
from llm_latency_lens.metrics.checks.evidence import Evidence
from llm_latency_lens.metrics.definitions import BY_NAME, METRICS, QUANTITIES, resting_on
from llm_latency_lens.metrics.delivery import held_back, is_whole
from llm_latency_lens.metrics.quality import run_checks, verdict_of
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.events import Delta
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import Check

CALL = {"tool_calls": [{"function": {"name": "get", "arguments": '{"a": "' + "x" * 100 + '"}'}}]}
Pieces = list[tuple[int, bytes]]


def counted_steps(count: int) -> Pieces:
    """The role, then empty deltas 10 ms apart, each with the server's count."""
    role = (90, chunk({"role": "assistant", "content": ""}))
    return [
        role,
        *((100 + 10 * i, chunk({"content": ""}, usage=usage(i))) for i in range(1, count + 1)),
    ]


def checks_of(records: Sequence[Record], goodput: str = "") -> tuple[Summary, tuple[Check, ...]]:
    """What a run of these records is told."""
    summary = Summary(parse_limits(goodput))
    for number, record in enumerate(records):
        summary.add(msgspec.structs.replace(record, number=number))
    evidence = Evidence(
        summary=summary,
        counts=Counts(planned=len(records), not_sent=0),
        metrics=summary.distributions(),
        planned_rate=None,
    )
    return summary, run_checks(evidence)


def verdicts(record: Record, *names: str) -> dict[str, str]:
    """The verdicts of metrics in a run of thirty such answers."""
    _, checks = checks_of([record] * 30)
    return {name: verdict_of(name, checks)[0] for name in names}


def words(record: Record, name: str) -> str:
    """What one check says of thirty such answers."""
    _, checks = checks_of([record] * 30)
    return next((check.words for check in checks if check.name == name), "")


def test_steps_that_may_have_come_with_the_only_delta_make_it_a_whole_delivery() -> None:
    """39 counted empty deltas, then a call of 112 characters: one token or forty, and TTFT is void."""
    found = streamed(
        [*counted_steps(39), (500, chunk(CALL, usage=usage(40))), finished(501, usage(40))]
    )
    assert found.tokens.streamed == (1.0, 40.0)
    assert is_whole(found)
    assert BY_NAME["tps_request"].of(found) == pytest.approx(40 / 0.5)
    assert verdicts(found, "ttft", "tps_request") == {"ttft": "INVALID", "tps_request": "VALID"}


def test_a_call_in_two_deltas_of_one_read_has_room_for_the_steps_together() -> None:
    """The name first, the arguments behind it in the same read: forty tokens came together."""
    name = {"tool_calls": [{"function": {"name": "get", "arguments": ""}}]}
    last = chunk(name, usage=usage(40)) + chunk(CALL, usage=usage(41))
    found = streamed([*counted_steps(39), (500, last), finished(501, usage(41))])
    assert found.tokens.streamed == (2.0, 41.0)
    assert is_whole(found)


def test_steps_without_room_in_the_next_delta_were_hidden() -> None:
    """Thirty steps can't be in two bytes: at most one, and TPOT of what follows is exact."""
    later = [(400 + 10 * i, chunk({"content": "ab"}, usage=usage(31 + i))) for i in range(10)]
    found = streamed([*counted_steps(30), *later, finished(500, usage(40))])
    assert found.tokens.streamed == (10.0, 11.0)
    assert tpot(found) == pytest.approx(10.0)
    assert bounds(found) == pytest.approx((10.0, 10.0))
    assert verdicts(found, "tpot", "ttft") == {"tpot": "VALID", "ttft": "VALID"}
    assert "75.0%" in words(found, "generated and streamed tokens")


def test_tokens_withheld_until_a_character_is_whole_are_not_one_an_event() -> None:
    """Two empty deltas, then a character of three tokens: no ITL, and TPOT's range holds 10 ms."""
    pieces: Pieces = [(90, chunk({"role": "assistant", "content": ""}))]
    for i in range(60):
        pieces.append((100 + 10 * i, chunk({"content": "\N{GRINNING FACE}" if i % 3 == 2 else ""})))
    found = streamed([*pieces, finished(701, usage(60))])
    low, high = bounds(found)
    assert low < 10.0 < high
    summary, checks = checks_of([found] * 30)
    assert "itl" not in summary.distributions()
    assert BY_NAME["tps_request"].of(found) == pytest.approx(60 / 0.69)
    for name in ("tpot", "decode_speed", "itl"):
        assert verdict_of(name, checks)[0] == "INVALID"


def test_empty_deltas_after_the_last_token_may_have_been_steps() -> None:
    """Twenty events, fifty trailing empty deltas, 70 tokens: TPOT may be 20 ms, by what streamed."""
    after = [(500 + 20 * i, chunk({"content": ""})) for i in range(50)]
    found = streamed([*texts(20, 20), *after, finished(1900, usage(70))])
    low, high = bounds(found)
    assert low < 20.0 <= high
    assert "hidden_steps" in found.flags


@pytest.mark.parametrize(
    ("first", "tokens", "later", "count"),
    [(" 0, 1, 2, 3, 4, 5, 6, 7,", 24, " another", 24), ("1234567890" * 2, 20, " long" * 4, 20)],
)
def test_every_split_of_tokens_over_events_is_in_the_range(
    first: str, tokens: int, later: str, count: int
) -> None:
    """The first event bundles short tokens, each later one is a single token: 10 ms is not excluded."""
    pieces = [(100, chunk({"content": first})), *texts(count, 10, later, begin=110)]
    found = streamed([*pieces, finished(900, usage(tokens + count))])
    least, most = found.tokens.rest or (0.0, 0.0)
    assert least <= count <= most
    low, high = bounds(found)
    assert low <= 10.0 <= high * (1 + 1e-9)
    assert verdicts(found, "tpot")["tpot"] == "INVALID"
    assert "read late" not in words(found, "arrival stamps")
    assert "not known exactly" in words(found, "tokens after the first read")


@pytest.mark.parametrize(("events", "expected"), [(8, "WARN"), (64, "VALID")])
def test_one_token_more_than_events_is_an_end_of_text_or_an_event_of_two(
    events: int, expected: str
) -> None:
    """The end comes at once with the last token: both readings are in the range of TPOT."""
    last = 100 + 20 * (events - 1)
    found = streamed([*texts(events, 20), finished(last, usage(events + 1), "stop")])
    low, high = bounds(found)
    assert (low, high) == pytest.approx((20.0 * (events - 1) / events, 20.0))
    assert verdicts(found, "tpot")["tpot"] == expected


def choices(order: list[int], every: int, together: bool = False) -> Record:  # noqa: FBT001, FBT002
    """An answer with several choices, whose deltas come in this order."""

    def piece(choice: int) -> bytes:
        value = {"choices": [{"index": choice, "delta": {"content": "ab"}}]}
        return f"data: {json.dumps(value)}\n\n".encode()

    step = 2 if together else 1
    pieces = [
        (100 + every * (i // step), b"".join(map(piece, order[i : i + step])))
        for i in range(0, len(order), step)
    ]
    return streamed([*pieces, finished(900, usage(len(order)))])


@pytest.mark.parametrize(
    ("record", "gap"),
    [(choices([0, 1] * 20, 10, together=True), 10), (choices([0, 1] * 20, 5), 10)],
)
def test_choices_are_not_mixed(record: Record, gap: int) -> None:
    """Gaps are those of one choice, tokens of one are not known, nobody is said to hold one back."""
    assert (tpot(record), record.tokens.output, record.tokens.hidden) == (None, 40, None)
    summary, checks = checks_of([record] * 30)
    metrics = summary.distributions()
    assert metrics["icl"].p50 == pytest.approx(gap / 1e3)
    assert not {"itl", "tpot", "decode_speed"} & set(metrics)
    assert metrics["ttft"].p50 == pytest.approx(0.1)
    assert held_back(record) == 0
    assert verdict_of("ttft", checks)[0] == "VALID"
    assert any("several choices" in check.words for check in checks)


def test_choices_one_after_the_other_end_with_the_last_of_any() -> None:
    """e2e and tokens per second are of all choices, gaps of the first."""
    found = choices([0] * 20 + [1] * 20, 10)
    assert BY_NAME["e2e"].of(found) == pytest.approx(0.49)
    assert BY_NAME["tps_request"].of(found) == pytest.approx(40 / 0.49)
    assert len(found.arrivals) == 20


def test_a_single_choice_with_another_index_is_the_answer() -> None:
    """Only index 1 ever comes: it is measured as usual."""
    found = choices([1] * 20, 10)
    assert tpot(found) == pytest.approx(10.0)
    assert "several_choices" not in found.flags


def test_candidates_of_gemini_are_choices() -> None:
    """Their index tells them apart too."""

    def piece(index: int) -> bytes:
        part = {"role": "model", "parts": [{"text": "ab"}]}
        return (
            f"data: {json.dumps({'candidates': [{'index': index, 'content': part}]})}\n\n".encode()
        )

    end = {
        "candidates": [{"index": 0, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 40},
    }
    pieces = [(100 + 5 * i, piece(i % 2)) for i in range(40)]
    found = streamed([*pieces, (900, f"data: {json.dumps(end)}\n\n".encode())], "gemini")
    assert "several_choices" in found.flags
    assert len(found.arrivals) == 20


def test_content_blocks_and_output_items_are_no_choices() -> None:
    """Anthropic's and OpenAI's Responses' indices number parts of one answer."""

    def named(name: str, **value: Any) -> bytes:  # noqa: ANN401 - fields of an event
        return f"event: {name}\ndata: {json.dumps({'type': name, **value})}\n\n".encode()

    blocks = [
        (100 + 10 * i, named("content_block_delta", index=i // 10, delta={"type": "text_delta", "text": "ab"}))
        for i in range(20)
    ]  # fmt: skip
    items = [
        (100 + 10 * i, named("response.output_text.delta", output_index=i // 10, delta="ab"))
        for i in range(20)
    ]
    for pieces, dialect in ((blocks, "anthropic"), (items, "openai_responses")):
        found = streamed(pieces, dialect)
        assert len(found.arrivals) == 20
        assert "several_choices" not in found.flags


@pytest.mark.parametrize("in_one_read", [False, True])
def test_cumulative_deltas_void_characters_alone(*, in_one_read: bool) -> None:
    """Each delta repeats all text before it: characters are counted ten times over, instants hold."""
    text = "The quick brown fox jumps over the lazy dog, twice a day and once more at night."
    parts = [chunk({"content": text[: 4 * i]}) for i in range(1, 21)]
    pieces = [(100 + (0 if in_one_read else 10 * i), part) for i, part in enumerate(parts)]
    found = streamed([*pieces, finished(900, usage(20))])
    assert "cumulative_text" in found.flags
    expected = {"chars_per_second": "INVALID", "e2e": "VALID"}
    assert verdicts(found, *expected) == expected


def test_a_last_delta_that_repeats_the_answer_voids_what_rests_on_it() -> None:
    """300 ms after the text it comes once more: the end, TPOT and characters are not the answer's."""
    said = [f" word{i}" for i in range(20)]
    pieces = [(100 + 10 * i, chunk({"content": text})) for i, text in enumerate(said)]
    found = streamed([*pieces, (590, chunk({"content": "".join(said)})), finished(600, usage(20))])
    assert "repeated_text" in found.flags
    names = ("e2e", "tpot", "chars_per_second", "tps_request", "ntpot", "icl")
    assert verdicts(found, *names) == dict.fromkeys(names, "INVALID")
    assert verdicts(found, "ttft")["ttft"] == "VALID"


def test_ordinary_text_repeats_nothing() -> None:
    """Growing words, equal lines and a long last piece that begins alike are no repetition."""
    said = ["a", "an", "and", " the same line\n", " the same line\n", "a" + " long end" * 9]
    pieces = [(100 + 10 * i, chunk({"content": text})) for i, text in enumerate(said)]
    found = streamed([*pieces, finished(600, usage(6))])
    assert not {"cumulative_text", "repeated_text"} & set(found.flags)


def test_a_count_far_below_the_events_voids_everything_that_rests_on_it() -> None:
    """A server that counts one token for forty events: no metric of tokens is VALID."""
    found = streamed([*texts(40, 10), finished(900, usage(1))])
    _, checks = checks_of([found] * 30, "tpot<1s")
    names = resting_on("tokens.output", "tokens.streamed")
    assert {"throughput", "tps_request", "decode_speed", "cost", "ntpot", "itl"} <= set(names)
    for name in (*names, "goodput"):
        assert verdict_of(name, checks)[0] == "INVALID", name


def test_what_rests_on_token_counts_is_derived_from_every_definition() -> None:
    """A metric whose needs name a count is touched; one without is not."""
    counts = {"tokens.output", "tokens.streamed"}
    needed = {m.name for m in METRICS if set(m.needs) & counts}
    needed |= {name for name, needs in QUANTITIES.items() if set(needs) & counts}
    assert set(resting_on(*counts)) == needed
    assert not any(need == "tokens" for m in METRICS for need in m.needs)


def test_events_that_come_in_steps_are_not_said_to_be_held_back() -> None:
    """Two events a write from the start: ICL holds, and both explanations are named."""
    pieces = [(100 + 20 * i, chunk({"content": "ab"}) * 2) for i in range(25)]
    found = streamed([*pieces, finished(900, usage(50))])
    assert verdicts(found, "icl", "tpot") == {"icl": "VALID", "tpot": "VALID"}
    said = words(found, "delayed first token")
    assert "one step of the server makes several tokens" in said
    assert "was held back" not in said


def test_throughput_counts_tokens_that_did_not_stream() -> None:
    """Thirty hidden steps and ten tokens of text are forty tokens."""
    later = [(400 + 10 * i, chunk({"content": "ab"}, usage=usage(31 + i))) for i in range(10)]
    found = streamed([*counted_steps(30), *later, finished(500, usage(40))])
    summary, _ = checks_of([found])
    wall = summary.timeline.throughput()
    assert wall.wall_output_tokens == pytest.approx(40 / wall.wall)


def test_itl_is_withheld_where_events_may_hold_several_tokens() -> None:
    """Five counted steps before each delta, without room in it: perhaps they streamed all the same."""
    pieces: Pieces = []
    for i in range(60):
        text = "ab" if i % 6 == 0 else ""
        pieces.append((100 + 10 * i, chunk({"content": text}, usage=usage(i + 1))))
    found = streamed([*pieces, finished(900, usage(60))])
    assert BY_NAME["tokens_per_event"].of(found) == pytest.approx(1.0)
    summary, _ = checks_of([found] * 30)
    assert "itl" not in summary.distributions()


def test_a_long_answer_is_not_kept_whole() -> None:
    """A million token events take no memory of their own: those beyond a bound are only counted."""
    tally, event = Tally(), Delta("text", "x")
    for count in range(1, KEPT + 10):
        tally.add(event, [count])
    assert (len(tally.deltas), tally.total) == (KEPT, KEPT + 9)
    assert repetition(tally) is None


@pytest.mark.parametrize(
    ("text", "tokens", "value", "doubted"),
    [
        ("word ", 420, None, True),  # 21 tokens in five bytes
        ("ab", 120, None, True),  # 6 in two bytes
        ("word ", 80, 2.5, True),  # 4 in five bytes: hardly, but possible
        ("word word ", 40, 5.0, False),
        ("\N{CJK UNIFIED IDEOGRAPH-4F60}\N{CJK UNIFIED IDEOGRAPH-597D}", 40, 5.0, False),
    ],
)
def test_tokens_that_the_text_has_no_room_for_did_not_stream(
    text: str, tokens: int, value: float | None, *, doubted: bool
) -> None:
    """Twenty events 10 ms apart, and a count with hidden reasoning in it that nothing itemises."""
    record = streamed([*texts(20, 10, text), finished(300, usage(tokens))])
    assert ("streamed_tokens_estimated" in record.flags) is doubted
    least, most = record.tokens.streamed or (tokens, tokens)
    assert (least == most) is not doubted
    assert tpot(record) == (value if value is None else pytest.approx(value, rel=0.05))
    if value is None:
        return
    low, high = bounds(record)
    assert low <= value * 1.02
    # One token an event is possible, and so the bounds hold what follows from it.
    assert (high >= 9.5) is doubted
