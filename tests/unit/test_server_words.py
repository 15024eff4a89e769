"""What gateways say, by kind: failures that look like successes, counts in odd places, noise, errors anywhere.

Each shape is one that a public bug report of a server, gateway or client tells of.
"""

import gzip
import json
from array import array
from typing import Any

import pytest
from tests.wire import corpus_anthropic, corpus_gemini, corpus_ollama, corpus_responses
from tests.wire.corpus import DONE, chunk, event

from llm_latency_lens.interpret.interpret import Subject, interpret
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.model.recording import Attempt, Ending, EndKind, Head, Marks, Recording

SSE = "text/event-stream"
Json = dict[str, Any]


def read(
    dialect: str,
    body: bytes,
    content_type: str | None = SSE,
    *,
    status: int = 200,
    ending: EndKind = EndKind.CLOSED,
    headers: tuple[tuple[str, str], ...] = (),
    **subject: Any,  # noqa: ANN401 - fields of a Subject
) -> Record:
    """The record of a response that arrived in two reads."""
    named = () if content_type is None else (("content-type", content_type),)
    half = len(body) // 2
    rows = [(end, at, at, at) for end, at in ((half, 2000), (len(body), 3000)) if end]
    recording = Recording(
        marks=Marks(sent=1000, ended=9999),
        ending=Ending(ending),
        head=Head(status, named + headers),
        body=body,
        reads=array("q", [number for row in rows for number in row]).tobytes(),
    )
    attempt = Attempt(
        number=1, phase="measure", worker=0, intended=900, dequeued=950, recording=recording
    )
    return interpret(attempt, Subject(target="t:m", dialect=dialect, **subject))


def chat(*middle: bytes, finish: str | None = "stop", usage: Json | None = None) -> bytes:
    """A chat stream of two tokens with something in between."""
    end = [] if finish is None else [chunk({}, finish)]
    counts = [] if usage is None else [event({"id": "x", "choices": [], "usage": usage})]
    return b"".join(
        [chunk({"content": "a"}), *middle, chunk({"content": "b"}), *end, *counts, DONE]
    )


def kind(record: Record) -> tuple[OutcomeKind, str]:
    """How it ended, and the finish reason."""
    return record.outcome.kind, record.finish_reason or ""


OK, FAILED = OutcomeKind.OK, OutcomeKind.ERROR_IN_STREAM
FILTERED, TRUNCATED = OutcomeKind.FILTERED, OutcomeKind.TRUNCATED
PROTOCOL = OutcomeKind.PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("reason", "outcome", "shown"),
    [
        # vLLM, OpenRouter, DeepSeek, Zhipu, Google's compatible endpoint, watsonx, Together
        ("abort", FAILED, "abort"),
        ("error", FAILED, "error"),
        ("insufficient_system_resource", FAILED, "insufficient_system_resource"),
        ("network_error", FAILED, "network_error"),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", FAILED, None),
        ("cancelled", FAILED, "cancelled"),
        ("time_limit", FAILED, "time_limit"),
        ("model_timeout", FAILED, "model_timeout"),
        ("SAFETY", FILTERED, "content_filter"),
        ("content_filter: SAFETY", FILTERED, "content_filter"),
        ("PROHIBITED_CONTENT", FILTERED, "content_filter"),
        ("sensitive", FILTERED, "content_filter"),
        ("contentFiltered", FILTERED, "content_filter"),
        ("data_inspection_failed", FILTERED, "content_filter"),
        ("eos", OK, "stop"),
        ("eos_token", OK, "stop"),
        ("end", OK, "stop"),
        ("<|eot_id|>", OK, "stop"),
        ("STOP", OK, "stop"),
        ("max_tokens", OK, "length"),
        ("MAX_TOKENS", OK, "length"),
        ("model_length", OK, "length"),
        ("max_new_tokens", OK, "length"),
        ("FINISH_LENGTH", OK, "length"),
        ("function_call", OK, "tool_calls"),
        ("brand new", OK, "brand new"),
        ("完成", OK, "完成"),
    ],
)
def test_w29_a_finish_reason_is_a_success_only_by_the_table(
    reason: str, outcome: OutcomeKind, shown: str | None
) -> None:
    """W29: words of failure and moderation in any spelling; what is unknown is flagged."""
    record = read("openai_chat", chat(finish=reason))
    assert kind(record) == (outcome, reason if shown is None else shown)
    assert ("unknown_finish_reason" in record.flags) == (shown in {"brand new", "完成"})
    if outcome is FILTERED and reason != "content_filter":
        assert reason in record.outcome.detail


def test_w29_reasons_of_every_dialect() -> None:
    """W29: failures that are called otherwise in each API, and reasons that are none yet."""

    def anthropic(reason: str) -> bytes:
        return corpus_anthropic.TEXT.replace(b"end_turn", reason.encode())

    def gemini(reason: str) -> bytes:
        last = {"candidates": [{"index": 0, "finishReason": reason}]}
        return corpus_gemini.sse(corpus_gemini.chunk([{"text": "a"}]), last)

    cases = (
        ("anthropic", anthropic("model_context_window_exceeded"), OK, "length"),
        ("anthropic", anthropic("pause_turn"), OK, "stop"),
        ("anthropic", anthropic("refusal"), FILTERED, "refusal"),
        ("anthropic", anthropic("aborted"), FAILED, "aborted"),
        ("anthropic", anthropic("compaction"), OK, "compaction"),
        ("gemini", gemini("MALFORMED_FUNCTION_CALL"), FAILED, "MALFORMED_FUNCTION_CALL"),
        ("gemini", gemini("UNEXPECTED_TOOL_CALL"), FAILED, "UNEXPECTED_TOOL_CALL"),
        ("gemini", gemini("TOO_MANY_TOOL_CALLS"), FAILED, "TOO_MANY_TOOL_CALLS"),
        ("gemini", gemini("MISSING_THOUGHT_SIGNATURE"), FAILED, "MISSING_THOUGHT_SIGNATURE"),
        ("gemini", gemini("OTHER"), FAILED, "OTHER"),
        ("gemini", gemini("LANGUAGE"), FAILED, "LANGUAGE"),
        ("gemini", gemini("RECITATION"), FILTERED, "content_filter"),
        ("gemini", gemini("SPII"), FILTERED, "content_filter"),
        ("gemini", gemini("FINISH_REASON_UNSPECIFIED"), TRUNCATED, ""),
        ("ollama", corpus_ollama.TEXT.replace(b'"stop"', b'"length"'), OK, "length"),
        ("ollama", corpus_ollama.TEXT.replace(b'"stop"', b'"unload"'), OK, "unload"),
    )
    for dialect, body, outcome, reason in cases:
        content_type = "application/x-ndjson" if dialect == "ollama" else SSE
        assert kind(read(dialect, body, content_type)) == (outcome, reason), (dialect, reason)


def test_w29_the_newest_reason_counts_and_the_worst_choice() -> None:
    """W29: servers that say `stop` with every token; one of several answers that was filtered."""
    repeated = b"".join(chunk({"content": "a"}, reason) for reason in ("stop", "stop", "length"))
    assert kind(read("openai_chat", repeated + DONE)) == (OK, "length")
    choices = [{"index": i, "delta": {"content": "a"}} for i in (0, 1)]
    ends = [
        {"index": i, "delta": {}, "finish_reason": reason}
        for i, reason in enumerate(("content_filter", "stop"))
    ]
    two = event({"id": "x", "choices": choices}) + event({"id": "x", "choices": ends}) + DONE
    assert kind(read("openai_chat", two)) == (FILTERED, "content_filter")


def test_w16_null_as_text_is_no_finish_reason() -> None:
    """W16: the answer went on when the connection broke."""
    body = chunk({"content": "a"}, "null") * 2
    record = read("openai_chat", body, ending=EndKind.RESET)
    assert kind(record) == (TRUNCATED, "")


ERRORS: dict[str, tuple[str, bytes]] = {
    "vLLM": ("boom", event({"object": "error", "message": "boom", "type": "X", "code": 500})),
    "OpenRouter": ("boom", event({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "boom"}}]})),
    "OpenRouter's upstream": ("raw words", event({"error": {"code": 429, "message": "Provider returned error", "metadata": {"raw": "raw words"}}})),
    "MiniMax": ("boom", event({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "boom"}})),
    "MiniMax with choices": ("boom", event({"choices": [{"index": 0, "delta": {}}], "base_resp": {"status_code": 1002, "status_msg": "boom"}})),
    "FastChat": ("boom", event({"text": "boom", "error_code": 50001})),
    "Baidu": ("boom", event({"error_code": 336100, "error_msg": "boom", "id": "x"})),
    "TGI": ("boom", event({"error": "boom", "error_type": "overloaded"})),
    "DashScope": ("boom", event({"code": "Throttling", "message": "boom", "request_id": "x"})),
    "iFlow": ("boom", event({"status": "449", "msg": "boom", "body": None})),
    "FastAPI": ("boom", event({"detail": "boom"})),
    "FastAPI's list": ("boom", event({"detail": [{"loc": ["body"], "msg": "boom"}]})),
    "success false": ("boom", event({"success": False, "message": "boom"})),
    "an array": ("boom", event([{"error": {"message": "boom"}}])),
    "two of them": ("boom", event({"errors": [{"message": "boom"}, {"message": "x"}]})),
    "an event of text": ("boom", b"event: error\ndata: boom\n\n"),
    "an event without a key": ("boom", b'event: error\ndata: {"code":"x","message":"boom"}\n\n'),
    "DashScope's event": ("boom", b'id:1\nevent:error\n:HTTP_STATUS/429\ndata:{"code":"T","message":"boom"}\n\n'),
    "a field": ("boom", b'error: {"code":400,"message":"boom"}\n\n'),
    "raw JSON": ("boom", b'{"error":{"message":"boom"}}\n\n'),
    "raw JSON over lines": ("boom", b'{\r\n  "error": {\r\n    "code": 503,\r\n    "message": "boom"\r\n  }\r\n}\r\n'),
    "raw array over lines": ("boom", b'[{\n  "error": {\n    "message": "boom"\n  }\n}]\n'),
    "data over lines that are not marked": ("boom", b'data: {\n  "error": {\n    "message": "boom"\n  }\n}\n\n'),
}  # fmt: skip


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic", "openai_responses", "cohere", "gemini"])  # fmt: skip
@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("place", ["alone", "after a token", "before [DONE]"])
def test_w15_an_error_is_found_in_any_shape_and_its_words_are_kept(
    name: str, dialect: str, place: str
) -> None:
    """W15: whatever the dialect, wherever in the stream."""
    if "choices" in json.dumps(str(ERRORS[name][1])) and dialect != "openai_chat":
        return  # a chunk of the chat API
    words, body = ERRORS[name]
    tokens = {
        "openai_chat": chunk({"content": "a"}),
        "anthropic": event({"type": "content_block_delta", "delta": {"text": "a"}}),
        "openai_responses": event({"type": "response.output_text.delta", "delta": "a"}),
        "cohere": event({"type": "content-delta", "delta": {"message": {"content": {"text": "a"}}}}),
        "gemini": corpus_gemini.sse(corpus_gemini.chunk([{"text": "a"}])),
    }  # fmt: skip
    body = {"alone": b"", "after a token": tokens[dialect], "before [DONE]": b""}[place] + body
    record = read(dialect, body + (DONE if place == "before [DONE]" else b""))
    assert record.outcome.kind is FAILED, record.outcome
    assert words in record.outcome.detail


def test_w15_a_status_of_success_is_no_error() -> None:
    """W15: what gateways say of requests that went well."""
    fine: tuple[Json, ...] = (
        {"base_resp": {"status_code": 0, "status_msg": "success"}},
        {"error": None},
        {"error": {}},
        {"error": {"code": 0, "message": ""}},
        {"code": 0, "message": "Success"},
        {"error_code": 0},
        {"code": 200, "msg": "ok"},
    )
    for fields in fine:
        body = chunk({"content": "a"}, **fields) + chunk({}, "stop", **fields) + DONE
        assert kind(read("openai_chat", body)) == (OK, "stop"), fields


@pytest.mark.parametrize(
    ("last", "outcome", "reason"),
    [
        ({"type": "response.failed", "response": {"error": None, "status": "failed"}}, FAILED, ""),
        ({"type": "response.failed", "response": {}}, FAILED, ""),
        ({"type": "response.failed"}, FAILED, ""),
        ({"type": "response.cancelled", "response": {"status": "cancelled"}}, FAILED, ""),
        ({"type": "response.completed", "response": {"status": "failed"}}, FAILED, ""),
        ({"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}}, OK, "length"),
        ({"type": "response.incomplete", "response": {"incomplete_details": {"reason": "content_filter"}}}, FILTERED, "content_filter"),
        ({"type": "response.incomplete", "response": {}}, OK, "incomplete"),
        ({"type": "response.completed", "response": {"status": "in_progress"}}, OK, "stop"),
        ({"type": "response.error", "message": "boom"}, FAILED, ""),
        ({"type": "error", "code": "x", "message": "boom"}, FAILED, ""),
    ],
)  # fmt: skip
def test_w15_the_names_of_responses_events_are_believed(
    last: Json, outcome: OutcomeKind, reason: str
) -> None:
    """W15: also where the response inside says nothing, and where only the event has the name."""
    begin = event({"type": "response.output_text.delta", "delta": "a"})
    assert kind(read("openai_responses", begin + event(last))) == (outcome, reason)
    name = last["type"]
    bare = json.dumps({key: value for key, value in last.items() if key != "type"})
    named = f"event: {name}\ndata: {bare}\n\n".encode()
    assert kind(read("openai_responses", begin + named)) == (outcome, reason)


NOISE = {
    "empty data": b"data:\n\n",
    "a blank": b"data: \n\n",
    "null": b"data: null\n\n",
    "a ping with no data": b"event: ping\ndata: \n\n",
    "a ping with text": b"event: ping\ndata: ping\n\n",
    "a heartbeat": b"event: heartbeat\ndata: 17\n\n",
    "keep-alive as data": b"data: keep-alive\n\n",
    "a comment as data": b"data: : OPENROUTER PROCESSING\n\n",
    "chatter": b"event: connected\ndata: ok\n\n",
    "keepalive by its type": b'event: keepalive\ndata: {"type":"keepalive","sequence_number":3}\n\n',
    "a comment": b": keep-alive\n\n",
    "a comment with one line feed": b": ping\n",
    "an id alone": b"id: 7\n\n",
    "a text line": b"hello there\n\n",
    "blank lines": b"\n\n\n",
}


@pytest.mark.parametrize("name", NOISE)
@pytest.mark.parametrize("where", ["before", "between", "after"])
@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic", "openai_responses", "gemini"])
def test_w5_noise_around_an_answer_does_not_kill_it(name: str, where: str, dialect: str) -> None:
    """W5: the same tokens, the same outcome."""
    bodies = {
        "openai_chat": chat(),
        "anthropic": corpus_anthropic.TEXT,
        "openai_responses": corpus_responses.TEXT,
        "gemini": corpus_gemini.CORPUS["text"],
    }
    whole = bodies[dialect].replace(b"\r\n", b"\n")
    parts = whole.split(b"\n\n")[:-1]
    at = {"before": 0, "between": len(parts) - 2, "after": len(parts)}[where]
    events = [part + b"\n\n" for part in parts]
    noisy = read(dialect, b"".join([*events[:at], NOISE[name], *events[at:]]))
    clean = read(dialect, whole)
    assert noisy.outcome == clean.outcome
    assert noisy.outcome.kind is OK
    counts = [(r.tokens.output, r.tokens.events, r.characters) for r in (noisy, clean)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "tail",
    [b"data: [DONE]\n\n", b"data: [DONE] \n\n", b"event: done\ndata:  [DONE]\n\n", b"[DONE]\n\n", b"data: [DONE]", b'data: "[DONE]"\n\n'],
)  # fmt: skip
@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic", "openai_responses", "gemini", "cohere"])  # fmt: skip
def test_w16_done_ends_a_stream_of_any_dialect(tail: bytes, dialect: str) -> None:
    """W16: behind the dialect's own end, or in its place; what follows is not looked at."""
    bodies = {
        "openai_chat": chunk({"content": "a"}) + chunk({}, "stop"),
        "anthropic": corpus_anthropic.TEXT,
        "openai_responses": corpus_responses.TEXT,
        "gemini": corpus_gemini.CORPUS["text"],
        "cohere": event({"type": "content-delta", "delta": {"message": {"content": {"text": "a"}}}})
        + event({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}),
    }
    for garbage in (b"", b"data: null\n\n", b"data: {broken\n\n", b"<html>", b'data: {"error":"x"}\n\n'):  # fmt: skip
        assert read(dialect, bodies[dialect] + tail + b"\n\n" + garbage).outcome.kind is OK
    instead = corpus_anthropic.TEXT.partition(b"event: message_stop")[0] + tail
    record = read("anthropic", instead)
    assert record.outcome.kind is OK
    assert "no_end_marker" not in record.flags


def test_w16_a_second_answer_behind_the_end_is_not_part_of_the_first() -> None:
    """W16: its tokens are not counted, and the record says that they came."""
    record = read("openai_chat", chat() + chat())
    assert record.tokens.events == 2
    assert "output_after_end" in record.flags


def test_w22_what_is_broken_behind_a_finish_reason_leaves_the_answer_whole() -> None:
    """W22: flagged; before a finish reason it is a protocol error as ever."""
    whole = chunk({"content": "a"}) + chunk({}, "stop")
    record = read("openai_chat", whole + b"data: {broken\n\n")
    assert record.outcome.kind is OK
    assert "malformed_after_finish" in record.flags
    assert (
        read("openai_chat", chunk({"content": "a"}) + b"data: {broken\n\n").outcome.kind is PROTOCOL
    )


def test_w21_halves_of_surrogate_pairs_are_text() -> None:
    """W21: RFC 8259 allows them; each delta stays a token."""
    halves = b"".join(
        b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text
        for text in (rb"\ud83d", rb"\ude00", rb"\\ud83d", rb"\ud83d\ude00")
    )
    record = read("openai_chat", halves + chunk({}, "stop") + DONE)
    assert (record.outcome.kind, record.tokens.events) == (OK, 4)
    assert record.characters == 1 + 1 + 6 + 1
    assert "bad_text" in record.flags


def test_w2_events_that_no_blank_line_parts() -> None:
    """W2: GLM and Kimi send tool calls so; the stamp is that of the line's read."""
    for stream in (chat(), corpus_anthropic.TEXT, corpus_responses.TEXT):
        dialect = {chat(): "openai_chat", corpus_anthropic.TEXT: "anthropic"}.get(stream, "openai_responses")  # fmt: skip
        single = stream.replace(b"\n\n", b"\n")
        found, whole = read(dialect, single), read(dialect, stream)
        assert found.outcome == whole.outcome
        assert found.tokens == whole.tokens


USAGES: list[tuple[Json, tuple[int | None, ...]]] = [
    # DeepSeek, Moonshot, OpenRouter, LiteLLM, names of the other API, xAI, Gemini's compatible API
    ({"prompt_tokens": 100, "completion_tokens": 3, "prompt_cache_hit_tokens": 80, "prompt_cache_miss_tokens": 20}, (100, 3, None, 80, None)),
    ({"prompt_tokens": 100, "completion_tokens": 3, "cached_tokens": 80}, (100, 3, None, 80, None)),
    ({"prompt_tokens": 100, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 9}}, (100, 3, None, 80, 9)),
    ({"prompt_tokens": 100, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 80}, (100, 3, None, 80, None)),
    ({"prompt_tokens": 120, "completion_tokens": 3, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 9}, (120, 3, None, 100, 9)),
    ({"prompt_tokens": 20, "completion_tokens": 3, "cache_read_input_tokens": 100}, (120, 3, None, 100, None)),
    ({"prompt_tokens": 120, "completion_tokens": 3, "cached_tokens": 100, "total_tokens": 223}, (220, 3, None, 100, None)),
    ({"input_tokens": 9, "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1}}, (9, 3, 1, None, None)),
    ({"prompt_tokens": 9, "completion_tokens": 30, "completion_tokens_details": {"thinking_tokens": 20}}, (9, 30, 20, None, None)),
    ({"prompt_tokens": 9, "completion_tokens": 30, "reasoning_tokens": 20}, (9, 30, 20, None, None)),
    ({"prompt_tokens": 9, "completion_tokens": 4, "reasoning_tokens": 20, "total_tokens": 33}, (9, 24, 20, None, None)),
    ({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}, (20, 603, 405, None, None)),
    ({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 219}, (20, 198, None, None, None)),
    ({"prompt_tokens": 21, "completion_tokens": 0, "total_tokens": 81, "completion_tokens_details": {"reasoning_tokens": 60}}, (21, 60, 60, None, None)),
    ({"prompt_tokens": 9.0, "completion_tokens": 3.0}, (9, 3, None, None, None)),
    ({"prompt_tokens": 10**30, "completion_tokens": -1}, (None, 2, None, None, None)),
]  # fmt: skip


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
        + event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {**delta, "output_tokens": 5}})
        + event({"type": "message_stop"})
    )  # fmt: skip
    tokens = read("anthropic", body).tokens
    assert (tokens.input, tokens.cached, tokens.output) == (*expected, 5)


def test_w24_geminis_thoughts_stay_counted_when_a_chunk_leaves_them_out() -> None:
    """W24: thoughts, and later only candidates; the output is both."""
    counts = ({"thoughtsTokenCount": 50}, {"candidatesTokenCount": 20, "thoughtsTokenCount": 50}, {"candidatesTokenCount": 21}, {"thoughtsTokenCount": 50})  # fmt: skip
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
    ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}, "reasoning"),
    ({"content": [{"type": "reasoning", "text": "hm"}]}, "reasoning"),
    ({"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, "reasoning"),
    ({"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}, "reasoning"),
    ({"content": "", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, "reasoning"),
    ({"content": [{"type": "text", "text": "hm"}]}, "text"),
    ({"content": [{"type": "output_text", "text": "hm"}]}, "text"),
]  # fmt: skip


@pytest.mark.parametrize(("delta", "expected"), REASONING)
def test_w26_reasoning_and_text_under_any_name_and_in_parts(delta: Json, expected: str) -> None:
    """W26: Mistral, OpenRouter, GitHub, MiniMax and others; each delta is one token event."""
    record = read("openai_chat", chunk(delta) * 3 + chunk({}, "stop") + DONE)
    assert (record.first_kind, record.tokens.events, record.characters) == (expected, 3, 6)


def test_w26_encrypted_reasoning_is_withheld() -> None:
    """W26: of the counted reasoning none streamed, so that decode speed leaves it out."""
    details = [{"type": "reasoning.encrypted", "data": "xyz"}]
    usage = {"prompt_tokens": 9, "completion_tokens": 602, "completion_tokens_details": {"reasoning_tokens": 600}}  # fmt: skip
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


@pytest.mark.parametrize(
    ("events", "texts"),
    [
        ([("response.output_text.done", {"text": "hello"})], 1),
        ([("response.output_text.delta", {"delta": "hel"}), ("response.output_text.delta", {"delta": "lo"}), ("response.output_text.done", {"text": "hello"})], 2),
        ([("response.output_text.delta", {"delta": "hello", "item_id": "a"}), ("response.output_text.done", {"text": "hello", "item_id": "b"})], 1),
        ([("response.output_text.done", {"text": "he", "item_id": "a"}), ("response.output_text.done", {"text": "he", "item_id": "a"})], 1),
        ([("response.output_item.added", {"item": {"type": "function_call", "name": "f"}}), ("response.function_call_arguments.done", {"arguments": "{}"})], 2),
        ([("response.reasoning_summary_text.done", {"text": "hm"}), ("response.output_text.delta", {"delta": "hello"})], 2),
        ([], 1),
    ],
)  # fmt: skip
def test_text_of_responses_that_comes_whole_is_output_once(
    events: list[tuple[str, Json]], texts: int
) -> None:
    """Deltas, the whole text behind them, or only one of the two; ids that do not agree."""
    output = [{"type": "message", "content": [{"type": "output_text", "text": "hello"}]}]
    named = any("output_text" in name for name, _ in events) or not events
    response = {"status": "completed", "output": output if named else []}
    body = b"".join(event({"type": name, **fields}) for name, fields in events)
    record = read("openai_responses", body + event({"type": "response.completed", "response": response}))  # fmt: skip
    assert (record.outcome.kind, record.tokens.events) == (OK, texts)


@pytest.mark.parametrize(
    ("content_type", "flagged"),
    [
        (SSE, False),
        (None, False),
        ("text/event-stream;charset=utf-8", False),
        ("text/event-stream, text/event-stream", False),
        ("text/plain; charset=utf-8", True),
        ("application/json", True),
        ("application/octet-stream", True),
        ("application/x-ndjson", True),
        ("text/html", True),
    ],
)
def test_w41_a_stream_is_read_under_any_label(content_type: str | None, flagged: bool) -> None:  # noqa: FBT001 - of this table
    """W41: flagged, not refused."""
    record = read("openai_chat", chat(), content_type)
    assert (record.outcome.kind, record.tokens.events, record.streamed) == (OK, 2, True)
    assert ("content_type_mislabelled" in record.flags) == flagged


@pytest.mark.parametrize("content_type", ["application/json", SSE, "text/plain", None])
def test_w41_lines_of_json_are_read_under_any_label(content_type: str | None) -> None:
    """W41: Ollama's lines; chunks of the chat API without framing."""
    assert read("ollama", corpus_ollama.TEXT, content_type).outcome.kind is OK
    lines = chat().replace(b"data: ", b"").replace(b"\n\n", b"\n")
    record = read("openai_chat", lines, content_type)
    assert (record.outcome.kind, record.tokens.events) == (OK, 2)


@pytest.mark.parametrize("label", ["none", "identity", "gzip", "br", "deflate", "UTF-8", None])
def test_w10_a_plain_stream_is_read_under_any_coding(label: str | None) -> None:
    """W10: the bytes outrank the header; only a wrong coding is flagged."""
    headers = () if label is None else (("content-encoding", label),)
    record = read("openai_chat", chat(), headers=headers)
    assert (record.outcome.kind, record.tokens.events) == (OK, 2)
    wrong = label in {"gzip", "br", "deflate"}
    assert record.flags == (("content_encoding_mislabelled",) if wrong else ())
    packed = read("openai_chat", gzip.compress(chat()), headers=headers)
    assert packed.tokens.events == 2
    assert ("content_encoding_mislabelled" in packed.flags) == (label != "gzip")


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b'{"detail":"Model is loading, try later"}', "application/json", "Model is loading"),
        (b"<!doctype html>\n<title>Sign in</title>\n\n", SSE, "Sign in"),
        (b"<html><head><style>" + b"x" * 900 + b"</style></head><body>Log in, please</body>", "text/html", "Log in, please"),
        (b"upstream connect error or disconnect/reset", "text/plain", "upstream connect error"),
        (b"upstream connect error or disconnect/reset", SSE, "upstream connect error"),
        (chunk({"content": "a"}) + b"upstream error: read ECONNRESET\n\n", SSE, "ECONNRESET"),
        (chunk({"role": "assistant"}) + DONE, SSE, '"role"'),
        (b'{"foo": "the answer is elsewhere"}', "application/json", "the answer is elsewhere"),
        (b'{"choices":[]}', "application/json", "choices"),
        (b'"just a string"', "application/json", "just a string"),
        (b"[]", "application/json", "[]"),
    ],
)  # fmt: skip
def test_w41_the_servers_own_words_are_in_the_detail(
    body: bytes, content_type: str, words: str
) -> None:
    """W41: a 200 that is no answer says what it is."""
    record = read("openai_chat", body, content_type)
    assert record.outcome.kind not in {OK, FILTERED}
    assert words in record.outcome.detail


def test_x14_generated_text_is_not_quoted() -> None:
    """X14: a stream that breaks off after tokens is no reason to keep the answer's text."""
    record = read("openai_chat", chunk({"content": "private words"}))
    assert record.outcome.kind is TRUNCATED
    assert "private" not in record.outcome.detail


def test_x2_quoted_words_are_scrubbed_and_cleaned() -> None:
    """X2, X10: keys, control characters, bidi controls; in details, causes and finish reasons."""
    secrets = ("sk-canary-1234",)
    texts = (
        read("openai_chat", b"no\x1b[31m sk-canary-1234 \xd8\x9c\xe2\x80\xae here", "text/plain", secrets=secrets),
        read("openai_chat", chat(finish="x sk-canary-1234\u061c\u202e"), secrets=secrets),
        read("openai_chat", event({"error": {"type": "sk-canary-1234", "message": "sk-canary-1234"}}), secrets=secrets),
    )  # fmt: skip
    for record in texts:
        shown = f"{record.outcome.detail} {record.outcome.cause} {record.finish_reason}"
        assert "canary" not in shown
        assert not {"\x1b", "\u061c", "\u202e"} & set(shown)
    assert "***" in texts[0].outcome.detail


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":{"message":"boom"}}', "boom"),
        (b'[{"error":{"code":429,"message":"boom","status":"RESOURCE_EXHAUSTED"}}]', "boom"),
        (b'data: {"error":{"message":"boom"}}\n\n', "boom"),
        (b'event: error\ndata: {"message":"boom"}\n\n', "boom"),
        (b'{"message":"boom"}', "boom"),
        (b'{"Message":"boom","__type":"com.amazon#ThrottlingException"}', "boom"),
        (b'{"base_resp":{"status_code":1004,"status_msg":"boom"}}', "boom"),
        (b'{"title":"boom","status":429}', "boom"),
        (b'{"fault":{"faultstring":"boom"}}', "boom"),
        (b'{"error":"invalid_token","error_description":"boom"}', "boom"),
        (b"<html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>", "502 Bad Gateway nginx"),
        (b"plain boom", "boom"),
        (b'"boom"', "boom"),
        (b"", ""),
    ],
)  # fmt: skip
def test_w14_one_error_reader_for_all_dialects(body: bytes, words: str) -> None:
    """W14: the words of an error status, whatever wrote them."""
    dialects = ("openai_chat", "anthropic", "gemini", "cohere", "bedrock", "ollama", "openai_embeddings")  # fmt: skip
    for dialect in dialects:
        record = read(dialect, body, "application/json", status=429)
        assert (record.outcome.kind, record.outcome.cause) == (OutcomeKind.ERROR_HTTP, "rate_limited")  # fmt: skip
        assert words in record.outcome.detail


def test_w13_a_redirect_names_its_target() -> None:
    """W13: without the query, which may be a key."""
    location = (("location", "https://new.example.com/v1/x?key=abc"),)
    record = read("openai_chat", b"", status=307, headers=location)
    assert record.outcome.cause == "redirect"
    assert "https://new.example.com/v1/x" in record.outcome.detail
    assert "abc" not in record.outcome.detail


def test_a_document_where_a_stream_was_asked_for_is_told() -> None:
    """One JSON document is no stream, whatever its label; not asked for as a stream, it is the answer."""
    body = json.dumps({"id": "x", "choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}]}).encode()  # fmt: skip
    for content_type in ("application/json", SSE, "text/plain"):
        record = read("openai_chat", body, content_type)
        assert (record.outcome.kind, record.outcome.cause) == (PROTOCOL, "content_type")
        assert read("openai_chat", body, content_type, streamed=False).outcome.kind is OK
