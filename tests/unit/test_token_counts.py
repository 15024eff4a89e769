"""How many tokens streamed, and how many after the first read: what TPOT divides by."""

import json
import random
from array import array
from typing import Any

import pytest
from tests.wire.corpus import DONE, chunk

from llm_latency_lens.interpret.interpret import Subject, interpret
from llm_latency_lens.metrics.definitions import BY_NAME
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.recording import Attempt, Ending, EndKind, Head, Marks, Recording

SENT = 1_000_000
MS = 1_000_000
HEAD = Head(200, (("content-type", "text/event-stream"),))


def streamed(
    pieces: list[tuple[int, bytes]],
    dialect: str = "openai_chat",
    head: Head = HEAD,
    **more: Any,  # noqa: ANN401
) -> Record:
    """The record of an answer whose pieces came at so many ms after the request, each in a read."""
    rows, size = array("q"), 0
    for at, piece in pieces:
        size += len(piece)
        rows.extend((size, SENT + at * MS, SENT + at * MS, SENT + at * MS))
    recording = Recording(
        marks=Marks(sent=SENT, ended=SENT + (pieces[-1][0] + 1) * MS),
        ending=Ending(EndKind.COMPLETE),
        head=head,
        body=b"".join(piece for _, piece in pieces),
        reads=rows.tobytes(),
    )
    attempt = Attempt(
        number=1, phase="measure", worker=0, intended=SENT, dequeued=SENT, recording=recording
    )
    return interpret(attempt, Subject(target="m", dialect=dialect, **more))


def usage(output: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a usage block
    """A usage block."""
    return {"prompt_tokens": 9, "completion_tokens": output, **more}


def finished(at: int, counts: dict[str, Any] | None, reason: str = "length") -> tuple[int, bytes]:
    """The end of a chat stream, with its usage."""
    tail = chunk({}, reason) if counts is None else chunk({}, reason, usage=counts)
    return at, tail + DONE


def texts(count: int, every: int, text: str = "ab", begin: int = 100) -> list[tuple[int, bytes]]:
    """So many text deltas, `every` ms apart."""
    return [(begin + i * every, chunk({"content": text})) for i in range(count)]


def tpot(record: Record) -> float | None:
    """In ms."""
    value = BY_NAME["tpot"].of(record)
    return None if value is None else value * 1e3


def bounds(record: Record) -> tuple[float, float]:
    """Those of TPOT, in ms."""
    metric = BY_NAME["tpot"]
    found = metric.bounds(record) if metric.bounds is not None else None
    assert found is not None
    return found[0] * 1e3, found[1] * 1e3


@pytest.mark.parametrize(("events", "gap", "per"), [(2, 500, 50), (5, 100, 20), (10, 20, 4)])
def test_the_tokens_of_the_first_event_are_not_divided_by(events: int, gap: int, per: int) -> None:
    """Several tokens an event: the time of the first ones is in no span."""
    found = streamed([*texts(events, gap, "w " * per), finished(9000, usage(events * per))])
    assert tpot(found) == pytest.approx(gap / per)
    low, high = bounds(found)
    assert low < gap / per < high


def test_tokens_that_the_peer_sent_together_are_counted_with_the_first() -> None:
    """Fifty events in one segment, 500 ms, fifty more: 10 ms a token, not 5."""
    both = [(100, chunk({"content": "ab"}) * 50), (600, chunk({"content": "ab"}) * 50)]
    found = streamed([*both, finished(700, usage(100))])
    assert tpot(found) == pytest.approx(10.0)
    assert bounds(found) == pytest.approx((10.0, 10.0))


def test_the_servers_own_count_tells_the_tokens_of_the_first_event() -> None:
    """Usage with every chunk: 7 tokens of few characters first, then 1 a chunk; no doubt is left."""
    pieces = [(100, chunk({"content": "a"}, usage=usage(7)))]
    pieces += [
        (100 + i * 20, chunk({"content": "abcdef"}, usage=usage(7 + i))) for i in range(1, 11)
    ]
    found = streamed([*pieces, finished(400, usage(17))])
    assert tpot(found) == pytest.approx(20.0)
    assert bounds(found) == pytest.approx((20.0, 20.0))


def test_apportioning_by_characters_covers_the_truth() -> None:
    """Random tokens in random bunches: the range of what came after the first holds it, mostly."""
    held, values = 0, []
    for seed in range(300):
        rng = random.Random(seed)
        lengths = [max(round(rng.lognormvariate(1.3, 0.5)), 1) for _ in range(120)]
        pieces, first, at, begin = [], 0, 100, 0
        while begin < len(lengths):
            bunch = rng.randrange(1, 12)
            text = "x" * sum(lengths[begin : begin + bunch])
            pieces.append((at, chunk({"content": text})))
            first = first or bunch
            begin, at = begin + bunch, at + 50
        found = streamed([*pieces, finished(at, usage(120))])
        low, high = found.tokens.rest or (0.0, 0.0)
        held += low <= 120 - first <= high
        values.append(120 - found.tokens.first - (120 - first))
    assert held >= 0.9 * 300
    assert abs(sum(values) / len(values)) < 0.5


def test_more_events_than_tokens_are_less_than_a_token_each() -> None:
    """A server that cuts tokens in two: forty pieces 10 ms apart are twenty tokens, 20 ms apart."""
    found = streamed([*texts(40, 10), finished(900, usage(20))])
    assert tpot(found) == pytest.approx(20.0)


def test_an_end_of_text_token_never_streams() -> None:
    """One token more than events where the model stopped by itself: 20 ms a token exactly."""
    found = streamed([*texts(16, 20), finished(420, usage(17), "stop")])
    assert tpot(found) == pytest.approx(20.0)
    assert bounds(found) == pytest.approx((20.0, 20.0))
    assert found.tokens.hidden == 1


def test_one_token_too_many_leaves_a_range_where_nothing_explains_it() -> None:
    """Cut off by its limit, some event holds two tokens: perhaps the first one."""
    found = streamed([*texts(30, 20), finished(900, usage(31))])
    assert bounds(found) == pytest.approx((20.0 * 29 / 30, 20.0))


def test_without_usage_events_are_counted_and_the_source_says_so() -> None:
    """Nothing else is known of the tokens."""
    found = streamed([*texts(10, 20, "four whole words here"), finished(900, None)])
    assert (found.tokens.output, found.tokens.source) == (10, "chunks")
    assert BY_NAME["tokens_per_event"].of(found) is None


def test_a_contradicted_output_leaves_the_input_alone() -> None:
    """`completion_tokens: 0` beside ten tokens: only the output is not believed."""
    found = streamed([*texts(10, 20), finished(900, usage(0))])
    assert (found.tokens.input, found.tokens.output, found.tokens.source) == (9, 10, "chunks")
    assert "usage_contradictory" in found.flags


def reasoning(count: int, every: int, begin: int = 100) -> list[tuple[int, bytes]]:
    """So many reasoning deltas."""
    return [(begin + i * every, chunk({"reasoning_content": "ab"})) for i in range(count)]


def details(tokens: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a usage block
    """The reasoning in a usage block."""
    return {"completion_tokens_details": {"reasoning_tokens": tokens}, **more}


def test_hidden_reasoning_is_not_divided_by() -> None:
    """600 tokens of thought that never streamed, 20 of text."""
    found = streamed([*texts(20, 20), finished(900, usage(620, **details(600)))])
    assert (found.tokens.output, found.tokens.hidden) == (620, 600)
    assert tpot(found) == pytest.approx(20.0)
    assert bounds(found) == pytest.approx((20.0, 20.0))


def test_reasoning_beside_the_completion_tokens_is_output() -> None:
    """`total_tokens` is the sum of all three: 20 of reasoning, streamed, and 4 of text."""
    pieces = [*reasoning(20, 20), *texts(4, 20, begin=500)]
    counts = usage(4, **details(20, total_tokens=33))
    found = streamed([*pieces, finished(900, counts)])
    assert (found.tokens.output, found.tokens.reasoning) == (24, 20)
    assert tpot(found) == pytest.approx(20.0)


def test_hidden_reasoning_beside_the_completion_tokens_is_output_and_not_divided_by() -> None:
    """The same, and none of it streamed."""
    found = streamed([*texts(4, 50), finished(900, usage(4, **details(20, total_tokens=33)))])
    assert (found.tokens.output, found.tokens.hidden) == (24, 20)
    assert tpot(found) == pytest.approx(50.0)


def test_reasoning_among_the_completion_tokens_stays_there() -> None:
    """`total_tokens` is prompt and completion: nothing is added."""
    pieces = [*reasoning(20, 20), *texts(4, 20, begin=500)]
    found = streamed([*pieces, finished(900, usage(24, **details(20, total_tokens=33)))])
    assert (found.tokens.output, found.tokens.hidden) == (24, 0)
    assert tpot(found) == pytest.approx(20.0)


def test_reasoning_that_came_as_text_is_not_taken_for_hidden() -> None:
    """A server without a parser counts reasoning and streams it in the text: all of it streamed."""
    found = streamed([*texts(24, 20), finished(900, usage(24, **details(20)))])
    assert found.tokens.hidden == 0
    assert tpot(found) == pytest.approx(20.0)


def test_reasoning_streamed_in_part_is_estimated_with_its_range() -> None:
    """Ten of 600 tokens of reasoning streamed, then 20 of text: 16 to 41 of them, so no TPOT."""
    pieces = [*reasoning(10, 20), *texts(20, 20, begin=300)]
    found = streamed([*pieces, finished(900, usage(620, **details(600)))])
    assert tpot(found) is None
    least, most = found.tokens.streamed or (0.0, 0.0)
    assert least < 30 < most
    assert "streamed_tokens_estimated" in found.flags


def named(name: str, **value: Any) -> bytes:  # noqa: ANN401 - fields of an event
    """An event whose type is in its data too."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **value})}\n\n".encode()


def responses(summaries: int, words: int, counted: int) -> list[tuple[int, bytes]]:
    """OpenAI's Responses: a summary of the reasoning, then text; 20 ms a delta."""
    kinds = ["response.reasoning_summary_text.delta"] * summaries
    kinds += ["response.output_text.delta"] * words
    pieces = [(100 + i * 20, named(kind, delta="ab")) for i, kind in enumerate(kinds)]
    end = {
        "status": "completed",
        "usage": {
            "input_tokens": 9,
            "output_tokens": counted + words,
            "output_tokens_details": {"reasoning_tokens": counted},
        },
    }
    return [*pieces, (900, named("response.completed", response=end))]


def test_a_summary_of_the_reasoning_is_not_the_reasoning() -> None:
    """Five deltas of summary for 600 tokens: the divisor is near 24, with a range."""
    found = streamed(responses(5, 20, 600), "openai_responses")
    assert tpot(found) == pytest.approx(20.0, rel=0.05)
    assert "streamed_tokens_estimated" in found.flags
    assert found.tokens.output == 620


def test_a_summary_as_long_as_two_thirds_of_the_reasoning_is_still_a_summary() -> None:
    """The dialect tells it from reasoning itself."""
    found = streamed(responses(20, 20, 30), "openai_responses")
    assert found.tokens.hidden == 10
    assert "streamed_tokens_estimated" in found.flags


def thoughts(text: str) -> bytes:
    """A chunk of Gemini with a thought."""
    part = {"text": text, "thought": True}
    value = {"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}}]}
    return f"data: {json.dumps(value)}\n\n".encode()


def test_thoughts_of_gemini_are_summaries() -> None:
    """Three summaries for 600 thoughts, 20 tokens of text."""
    pieces = [(100 + i * 20, thoughts("ab")) for i in range(3)]
    plain = {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "ab"}]}}]}
    pieces += [(160 + i * 20, f"data: {json.dumps(plain)}\n\n".encode()) for i in range(20)]
    end = {
        "candidates": [{"index": 0, "finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": 8,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 600,
        },
    }
    pieces.append((900, f"data: {json.dumps(end)}\n\n".encode()))
    found = streamed(pieces, "gemini")
    assert tpot(found) == pytest.approx(20.0, rel=0.05)
    assert "streamed_tokens_estimated" in found.flags


def thinking_block(per_event: int, count: int | None) -> list[tuple[int, bytes]]:
    """Anthropic: four signed thinking deltas and twenty of text, with `per_event` tokens counted each."""
    start = {"type": "thinking", "thinking": "", "signature": ""}
    pieces = [(90, named("content_block_start", index=0, content_block=start))]
    for i in range(24):
        kind, key = ("thinking_delta", "thinking") if i < 4 else ("text_delta", "text")
        delta = {"type": kind, key: "abcd"}
        pieces.append((100 + i * 20, named("content_block_delta", index=0, delta=delta)))
    signature = {"type": "signature_delta", "signature": "Eq"}
    pieces.append((600, named("content_block_delta", index=0, delta=signature)))
    details = {} if count is None else {"output_tokens_details": {"thinking_tokens": count}}
    counts = {"input_tokens": 9, "output_tokens": 24 * per_event, **details}
    end = named("message_delta", delta={"stop_reason": "end_turn"}, usage=counts)
    return [*pieces, (900, end + named("message_stop"))]


def test_signed_thinking_that_nobody_counts_leaves_tpot_unknown() -> None:
    """More tokens than events, and any number of them may be thoughts that never streamed."""
    found = streamed(thinking_block(10, None), "anthropic")
    assert (tpot(found), found.tokens.hidden, found.tokens.output) == (None, None, 240)
    assert BY_NAME["tps_request"].of(found) == pytest.approx(240 / 0.56)
    assert BY_NAME["chars_per_second"].of(found) == pytest.approx(96 / 0.56)
    assert "streamed_tokens_unknown" in found.flags


def test_signed_thinking_with_an_event_for_each_token_streamed_in_full() -> None:
    """The counts agree, so nothing was withheld."""
    found = streamed(thinking_block(1, None), "anthropic")
    assert tpot(found) == pytest.approx(20.0)
    assert found.flags == ()


def test_counted_thinking_is_read_from_anthropics_usage() -> None:
    """`thinking_tokens`: 220 of 240 tokens, of which about four streamed."""
    found = streamed(thinking_block(10, 220), "anthropic")
    assert found.tokens.reasoning == 220
    assert tpot(found) == pytest.approx(20.0, rel=0.05)


def test_counts_of_single_chunks_are_not_taken_for_running_counts() -> None:
    """Usage 1 in every chunk and 20 at the end: 20 ms a token."""
    pieces = [(100 + i * 20, chunk({"content": "ab"}, usage=usage(1))) for i in range(20)]
    found = streamed([*pieces, finished(900, usage(20))])
    assert tpot(found) == pytest.approx(20.0)


def test_empty_deltas_that_explain_only_a_part_leave_a_range() -> None:
    """Ten empty deltas before twenty events of seventy tokens: perhaps they are no steps at all."""
    pieces = [(i * 20, chunk({"content": ""})) for i in range(11)]
    found = streamed([*pieces, *texts(20, 20, begin=1020), finished(1900, usage(70))])
    low, high = bounds(found)
    assert low < 380 / 66.5 < high
    assert "hidden_steps" in found.flags


def test_steps_before_the_first_token_are_not_divided_by() -> None:
    """Fifty empty deltas with growing usage, then twenty tokens."""
    pieces = [(i * 20, chunk({"content": ""}, usage=usage(i))) for i in range(51)]
    pieces += [(1020 + i * 20, chunk({"content": "ab"}, usage=usage(51 + i))) for i in range(20)]
    found = streamed([*pieces, finished(1900, usage(70))])
    assert tpot(found) == pytest.approx(20.0)
    assert bounds(found) == pytest.approx((20.0, 20.0))
    assert BY_NAME["tps_request"].of(found) == pytest.approx(70 / 1.4)


def test_steps_after_the_last_token_are_not_divided_by() -> None:
    """A tool call that the parser never lets out: twenty tokens, then fifty empty deltas."""
    pieces = [(100 + i * 20, chunk({"content": "ab"}, usage=usage(1 + i))) for i in range(20)]
    pieces += [(500 + i * 20, chunk({"content": ""}, usage=usage(21 + i))) for i in range(50)]
    found = streamed([*pieces, finished(1900, usage(70))])
    assert tpot(found) == pytest.approx(20.0)


def test_empty_deltas_that_explain_the_missing_events_count_as_hidden_steps() -> None:
    """The same without usage in the chunks: as many empty deltas as tokens without an event."""
    pieces = [(i * 20, chunk({"content": ""})) for i in range(51)]
    found = streamed([*pieces, *texts(20, 20, begin=1020), finished(1900, usage(70))])
    assert tpot(found) == pytest.approx(20.0)


def test_steps_between_tokens_are_doubted_with_both_readings() -> None:
    """Ten tokens, thirty hidden steps, ten tokens: 42 ms by what streamed, 20 by what was made."""
    kinds = ["ab"] * 10 + [""] * 30 + ["ab"] * 10
    pieces = [
        (100 + i * 20, chunk({"content": text}, usage=usage(1 + i))) for i, text in enumerate(kinds)
    ]
    found = streamed([*pieces, finished(1900, usage(50))])
    assert tpot(found) == pytest.approx(980 / 19)
    assert bounds(found) == pytest.approx((20.0, 980 / 19))
    assert "hidden_steps" in found.flags


def test_an_answer_in_one_read_has_no_tpot() -> None:
    """All tokens share an instant."""
    whole = b"".join(piece for _, piece in texts(20, 0))
    assert tpot(streamed([(100, whole), finished(200, usage(20))])) is None


DOCUMENT = Head(200, (("content-type", "application/json"),))
STREAM_METRICS = (
    "ttft", "ttft_from_intended", "ttfvt", "ttfe", "thinking", "tpot", "decode_speed",
    "tokens_per_event", "stall_count", "coalesced", "coalesced_by_peer", "read_late",
)  # fmt: skip


def test_an_unstreamed_answer_has_an_end_and_no_first_token() -> None:
    """`--no-stream`: e2e is the time to the end of the response, and rates rest on it."""
    message = {"message": {"role": "assistant", "content": "w " * 10}, "finish_reason": "stop"}
    body = json.dumps({"choices": [message], "usage": usage(10)}).encode()
    found = streamed([(100, body[:40]), (480, body[40:])], head=DOCUMENT, streamed=False)
    assert found.streamed is False
    assert {name: BY_NAME[name].of(found) for name in STREAM_METRICS} == dict.fromkeys(
        STREAM_METRICS
    )
    assert BY_NAME["e2e"].of(found) == pytest.approx(0.481)
    assert BY_NAME["tps_request"].of(found) == pytest.approx(10 / 0.481)
    assert BY_NAME["ntpot"].of(found) == pytest.approx(0.0481)
    for name in ("ttft", "ttfvt", "ttfe", "tpot"):
        metric = BY_NAME[name]
        assert metric.bounds is not None
        assert metric.bounds(found) is None


def test_embeddings_have_a_latency() -> None:
    """No token at all, and e2e is the whole answer's."""
    body = {"data": [{"embedding": [0.1] * 8}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    found = streamed(
        [(20, json.dumps(body).encode())], "openai_embeddings", DOCUMENT, streamed=False
    )
    assert found.outcome.kind.value == "ok"
    assert BY_NAME["e2e"].of(found) == pytest.approx(0.021)
    assert BY_NAME["ttft"].of(found) is None


def test_a_stream_that_came_unasked_is_a_stream() -> None:
    """The server streamed though it was asked not to: its tokens have instants."""
    found = streamed([*texts(5, 20), finished(900, usage(5))], streamed=False)
    assert found.streamed is True
    assert BY_NAME["ttft"].of(found) == pytest.approx(0.1)


def test_characters_of_every_kind_are_counted() -> None:
    """Reasoning, text and tools, escapes and many bytes a character included."""
    call = {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
    pieces = [(100, chunk({"reasoning_content": "hm"})), (120, chunk(call))]
    pieces += texts(30, 20, 'é"\n', begin=140)
    found = streamed([*pieces, finished(900, usage(32))])
    assert found.characters == 2 + 3 + 30 * 3


def test_characters_with_escapes_are_counted_after_a_plain_event() -> None:
    """Alike events are read many at a time; what JSON escapes is one character all the same."""
    pieces = [*texts(3, 20), *texts(30, 20, "a\n", begin=160)]
    found = streamed([*pieces, finished(900, usage(33))])
    assert found.characters == 33 * 2


def test_the_characters_of_a_first_read_of_many_alike_events_are_its_own() -> None:
    """Five long events in one read, thirty short ones each in its own: 500 of 560 tokens came first."""
    first = chunk({"content": "x" * 100}) * 5
    found = streamed([(100, first), *texts(30, 20, begin=120), finished(900, usage(560))])
    assert found.tokens.first == pytest.approx(500.0)


def test_a_count_in_the_middle_of_the_first_read_is_not_that_of_the_read() -> None:
    """The second event of the first read came after the count: characters tell instead."""
    both = chunk({"content": "ab"}, usage=usage(1)) + chunk({"content": "ab"})
    pieces = [(100, both)]
    pieces += [(100 + i * 20, chunk({"content": "ab"}, usage=usage(2 + i))) for i in range(1, 11)]
    found = streamed([*pieces, finished(900, usage(12))])
    assert found.tokens.first == pytest.approx(2.0)
    assert tpot(found) == pytest.approx(20.0)


def test_a_first_count_without_the_answers_tokens_is_not_believed() -> None:
    """Gemini may count the thoughts alone at first: characters tell the tokens of the first chunk."""

    def counted(i: int) -> bytes:
        part = {"content": {"role": "model", "parts": [{"text": "abcd"}]}, "index": 0}
        counts = {"promptTokenCount": 8, "thoughtsTokenCount": 600}
        if i:
            counts["candidatesTokenCount"] = 4 * (i + 1)
        value = {"candidates": [part], "usageMetadata": counts}
        return f"data: {json.dumps(value)}\n\n".encode()

    end = {"candidates": [{"index": 0, "finishReason": "MAX_TOKENS"}]}
    pieces = [(100 + i * 80, counted(i)) for i in range(10)]
    pieces.append((900, f"data: {json.dumps(end)}\n\n".encode()))
    found = streamed(pieces, "gemini")
    assert (found.tokens.output, found.tokens.hidden) == (640, 600)
    assert tpot(found) == pytest.approx(20.0)
