"""Counts, reasoning and text under other names and in other places."""

import pytest
from tests.support.responses import OK, Json, chat, read
from tests.wire import corpus_gemini
from tests.wire.corpus import DONE, chunk, event

from llm_latency_lens.interpret.reading import read_events
from llm_latency_lens.model.events import Identity
from llm_latency_lens.model.recording import Ending, EndKind, Marks, Recording

USAGES: list[tuple[Json, tuple[int | None, ...]]] = [
    # DeepSeek, Moonshot, OpenRouter, LiteLLM, names of the other API, xAI, Gemini's compatible API
    (
        {
            "prompt_tokens": 100,
            "completion_tokens": 3,
            "prompt_cache_hit_tokens": 80,
            "prompt_cache_miss_tokens": 20,
        },
        (100, 3, None, 80, None),
    ),
    ({"prompt_tokens": 100, "completion_tokens": 3, "cached_tokens": 80}, (100, 3, None, 80, None)),
    (
        {
            "prompt_tokens": 100,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 9},
        },
        (100, 3, None, 80, 9),
    ),
    (
        {
            "prompt_tokens": 100,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 0},
            "prompt_cache_hit_tokens": 80,
        },
        (100, 3, None, 80, None),
    ),
    (
        {
            "prompt_tokens": 120,
            "completion_tokens": 3,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 9,
        },
        (120, 3, None, 100, 9),
    ),
    (
        {"prompt_tokens": 20, "completion_tokens": 3, "cache_read_input_tokens": 100},
        (120, 3, None, 100, None),
    ),
    (
        {"prompt_tokens": 120, "completion_tokens": 3, "cached_tokens": 100, "total_tokens": 223},
        (220, 3, None, 100, None),
    ),
    (
        {"input_tokens": 9, "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1}},
        (9, 3, 1, None, None),
    ),
    (
        {
            "prompt_tokens": 9,
            "completion_tokens": 30,
            "completion_tokens_details": {"thinking_tokens": 20},
        },
        (9, 30, 20, None, None),
    ),
    (
        {"prompt_tokens": 9, "completion_tokens": 30, "reasoning_tokens": 20},
        (9, 30, 20, None, None),
    ),
    (
        {"prompt_tokens": 9, "completion_tokens": 4, "reasoning_tokens": 20, "total_tokens": 33},
        (9, 24, 20, None, None),
    ),
    (
        {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623},
        (20, 603, 405, None, None),
    ),
    (
        {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 219},
        (20, 198, None, None, None),
    ),
    (
        {
            "prompt_tokens": 21,
            "completion_tokens": 0,
            "total_tokens": 81,
            "completion_tokens_details": {"reasoning_tokens": 60},
        },
        (21, 60, 60, None, None),
    ),
    ({"prompt_tokens": 9.0, "completion_tokens": 3.0}, (9, 3, None, None, None)),
    ({"prompt_tokens": 10**30, "completion_tokens": -1}, (None, 2, None, None, None)),
]


@pytest.mark.parametrize(("usage", "expected"), USAGES)
@pytest.mark.parametrize("place", ["chunk", "choice", "x_groq"])
def test_w24_counts_under_other_names_and_in_other_places(
    usage: Json, expected: tuple[int | None, ...], place: str
) -> None:
    """W24: input, output, reasoning, cached, written; reasoning and cache are among the whole."""
    last = {
        "chunk": {"id": "x", "choices": [], "usage": usage},
        "choice": {"id": "x", "choices": [{"index": 0, "delta": {}, "usage": usage}]},
        "x_groq": {"id": "x", "choices": [], "x_groq": {"usage": usage}},
    }
    body = chunk({"content": "a"}) + chunk({"content": "b"}) + chunk({}, "stop")
    tokens = read("openai_chat", body + event(last[place]) + DONE).tokens
    found = (tokens.input, tokens.output, tokens.reasoning, tokens.cached, tokens.cache_write)
    assert found == expected


def test_w24_usage_is_merged_field_by_field() -> None:
    """W24: a count that is left out, or 0, erases nothing."""
    usages: tuple[Json, ...] = (
        {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4}},
        {"prompt_tokens": 0, "completion_tokens": 2},
        {"completion_tokens": 0},
    )
    body = chunk({"content": "a"}) + chunk({"content": "b"}) + chunk({}, "stop")
    counts = b"".join(event({"id": "x", "choices": [], "usage": usage}) for usage in usages)
    tokens = read("openai_chat", body + counts + DONE).tokens
    assert (tokens.input, tokens.output, tokens.cached) == (9, 2, 4)


@pytest.mark.parametrize(
    ("start", "delta", "expected"),
    [
        ((20, 100, 0), {"input_tokens": 0}, (120, 100)),
        ((20, 100, 0), {"input_tokens": 20}, (120, 100)),
        ((20, 100, 0), {"input_tokens": 120}, (120, 100)),
        ((20, 100, 0), {"input_tokens": 20, "cache_read_input_tokens": 100}, (120, 100)),
        ((0, 0, 0), {"input_tokens": 14, "cache_read_input_tokens": 6}, (20, 6)),
        ((0, None, None), {"input_tokens": 123}, (123, None)),
        ((20, None, None), {}, (20, None)),
    ],
)
def test_w24_anthropics_counts_come_twice(
    start: tuple[int | None, ...], delta: Json, expected: tuple[int, int | None]
) -> None:
    """W24: with the start or with the delta, the cache's parts in either, or the sum of all."""
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    usage = {name: count for name, count in zip(names, start, strict=True) if count is not None}
    body = (
        event({"type": "message_start", "message": {"usage": {**usage, "output_tokens": 1}}})
        + event({"type": "content_block_delta", "delta": {"text": "a"}})
        + event(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {**delta, "output_tokens": 5},
            }
        )
        + event({"type": "message_stop"})
    )
    tokens = read("anthropic", body).tokens
    assert (tokens.input, tokens.cached, tokens.output) == (*expected, 5)


def test_w24_geminis_thoughts_stay_counted_when_a_chunk_leaves_them_out() -> None:
    """W24: whichever of thoughts and candidates the last chunks leave out, the output is both."""
    thoughts, answer = {"thoughtsTokenCount": 50}, {"candidatesTokenCount": 21}
    for counts in (
        (thoughts, answer),
        ({**thoughts, "candidatesTokenCount": 20}, answer, thoughts),
    ):
        chunks = [
            corpus_gemini.chunk([{"text": "a"}], usageMetadata={"promptTokenCount": 8, **count})
            for count in counts
        ]
        last = {"candidates": [{"index": 0, "finishReason": "STOP"}]}
        tokens = read("gemini", corpus_gemini.sse(*chunks, last)).tokens
        assert (tokens.input, tokens.output, tokens.reasoning) == (8, 71, 50)


REASONING: list[tuple[Json, str]] = [
    ({"reasoning_content": "hm"}, "reasoning"),
    ({"reasoning": "hm"}, "reasoning"),
    ({"reasoning_text": "hm"}, "reasoning"),
    ({"thinking": "hm"}, "reasoning"),
    ({"thinking": {"content": "hm"}}, "reasoning"),
    (
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        "reasoning",
    ),
    ({"content": [{"type": "reasoning", "text": "hm"}]}, "reasoning"),
    ({"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, "reasoning"),
    ({"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}, "reasoning"),
    (
        {
            "content": "",
            "reasoning": "hm",
            "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
        },
        "reasoning",
    ),
    ({"content": [{"type": "text", "text": "hm"}]}, "text"),
    ({"content": [{"type": "output_text", "text": "hm"}]}, "text"),
]


@pytest.mark.parametrize(("delta", "expected"), REASONING)
def test_w26_reasoning_and_text_under_any_name_and_in_parts(delta: Json, expected: str) -> None:
    """W26: Mistral, OpenRouter, GitHub, MiniMax and others; each delta is one token event."""
    record = read("openai_chat", chunk(delta) * 3 + chunk({}, "stop") + DONE)
    assert (record.first_kind, record.tokens.events, record.characters) == (expected, 3, 6)


def test_w26_encrypted_reasoning_is_withheld() -> None:
    """W26: of the counted reasoning none streamed, so that decode speed leaves it out."""
    details = [{"type": "reasoning.encrypted", "data": "xyz"}]
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 602,
        "completion_tokens_details": {"reasoning_tokens": 600},
    }
    record = read("openai_chat", chunk({"reasoning_details": details}) + chat(usage=usage))
    assert (record.tokens.events, record.tokens.hidden) == (2, 600)


def test_identity_is_kept_from_the_chunk_that_has_it() -> None:
    """A chunk without the model's name changes nothing; another name does."""
    bare = event({"choices": [{"index": 0, "delta": {"content": "a"}}]})
    first = event({"id": "x", "model": "m", "system_fingerprint": "fp", "choices": []})
    record = read("openai_chat", first + bare * 3 + chunk({}, "stop", model="m") + DONE)
    assert (record.model, record.fingerprint, record.response_id) == ("m", "fp", "x")
    assert "model_changed" not in record.flags
    other = read("openai_chat", first + bare + chunk({}, "stop", model="other") + DONE)
    assert "model_changed" in other.flags


def test_what_a_later_identity_leaves_out_still_holds() -> None:
    """An id alone, as gateways send it with the usage, forgets neither model nor fingerprint."""
    empty = Recording(marks=Marks(ended=1), ending=Ending(EndKind.COMPLETE))
    reading = read_events(empty, [(1, Identity("m", "fp", None)), (2, Identity(None, None, "x"))])
    assert (reading.identity, reading.flags) == (Identity("m", "fp", "x"), set())


@pytest.mark.parametrize(
    ("events", "texts"),
    [
        ([("response.output_text.done", {"text": "hello"})], 1),
        (
            [
                ("response.output_text.delta", {"delta": "hel"}),
                ("response.output_text.delta", {"delta": "lo"}),
                ("response.output_text.done", {"text": "hello"}),
            ],
            2,
        ),
        (
            [
                ("response.output_text.delta", {"delta": "hello", "item_id": "a"}),
                ("response.output_text.done", {"text": "hello", "item_id": "b"}),
            ],
            1,
        ),
        (
            [
                ("response.output_text.done", {"text": "he", "item_id": "a"}),
                ("response.output_text.done", {"text": "he", "item_id": "a"}),
            ],
            1,
        ),
        (
            [
                ("response.output_item.added", {"item": {"type": "function_call", "name": "f"}}),
                ("response.function_call_arguments.done", {"arguments": "{}"}),
            ],
            2,
        ),
        (
            [
                ("response.reasoning_summary_text.done", {"text": "hm"}),
                ("response.output_text.delta", {"delta": "hello"}),
            ],
            2,
        ),
        ([], 1),
    ],
)
def test_text_of_responses_that_comes_whole_is_output_once(
    events: list[tuple[str, Json]], texts: int
) -> None:
    """Deltas, the whole text behind them, or only one of the two; ids that do not agree."""
    output = [{"type": "message", "content": [{"type": "output_text", "text": "hello"}]}]
    named = any("output_text" in name for name, _ in events) or not events
    response = {"status": "completed", "output": output if named else []}
    body = b"".join(event({"type": name, **fields}) for name, fields in events)
    record = read(
        "openai_responses", body + event({"type": "response.completed", "response": response})
    )
    assert (record.outcome.kind, record.tokens.events) == (OK, texts)
