"""What holds for every dialect: any cut decodes alike, damage never raises, errors and pages are named."""

import importlib
import json
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.events import one_by_one
from tests.wire import (
    corpus,
    corpus_anthropic,
    corpus_bedrock,
    corpus_cohere,
    corpus_embeddings,
    corpus_gemini,
    corpus_ollama,
    corpus_responses,
)

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.events import (
    Delta,
    Document,
    Done,
    Finish,
    Identity,
    Malformed,
    Noted,
    Opening,
    Ping,
    ReasoningWithheld,
    ServerError,
    ServerTimings,
    StreamEvent,
    Unknown,
    Unterminated,
    Usage,
)
from llm_latency_lens.model.request import Message, Request, Target, Url
from llm_latency_lens.wire.dialect import DIALECTS, load_dialect

STREAM = "text/event-stream"
CORPORA: dict[str, ModuleType] = {
    "openai_chat": corpus,
    "anthropic": corpus_anthropic,
    "openai_responses": corpus_responses,
    "gemini": corpus_gemini,
    "cohere": corpus_cohere,
    "ollama": corpus_ollama,
    "openai_embeddings": corpus_embeddings,
    "bedrock": corpus_bedrock,
}
TYPE_OF = {
    "ollama": "application/x-ndjson",
    "openai_embeddings": "application/json",
    "bedrock": corpus_bedrock.STREAM_TYPE,
}
SSE_DIALECTS = [dialect for dialect in CORPORA if dialect not in TYPE_OF]
STREAMS = [(dialect, name) for dialect, module in CORPORA.items() for name in module.CORPUS]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "delta",
                    "message",
                    "content",
                    "usage",
                    "error",
                    "response",
                    "content_block",
                    "text",
                    "item",
                    "output",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
TYPES = st.sampled_from(
    [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "message_delta",
        "error",
        "response.created",
        "response.completed",
        "response.output_text.delta",
        "response.output_item.added",
        "?",
    ]
)


def decoded(dialect: str, *pieces: bytes, content_type: str | None = None) -> list[StreamEvent]:
    """The events of a body."""
    return [found for _, found in positioned(dialect, *pieces, content_type=content_type)]


def positioned(
    dialect: str, *pieces: bytes, content_type: str | None = None
) -> list[tuple[int, StreamEvent]]:
    """The events of a body with their offsets."""
    content_type = content_type or TYPE_OF.get(dialect, STREAM)
    return list(one_by_one(load_dialect(dialect).decode(pieces, content_type, 1 << 20)))


def stream_of(dialect: str, name: str) -> bytes:
    """A stream of the dialect's corpus."""
    found: bytes = CORPORA[dialect].CORPUS[name]
    return found


def deltas(events: list[StreamEvent]) -> list[tuple[str, str]]:
    """Kind and text of every delta."""
    return [(event.kind, event.text) for event in events if isinstance(event, Delta)]


def test_every_dialect_has_a_corpus() -> None:
    """A new dialect comes with its streams."""
    assert set(CORPORA) == set(DIALECTS)
    for path in DIALECTS.values():
        module = importlib.import_module(path)
        assert {"encode", "decode", "read_error", "settings"} <= set(dir(module))
        assert isinstance(module.streams, bool)
        assert isinstance(module.has_end_marker, bool)


def test_a_module_that_is_no_dialect_is_refused_by_what_it_lacks() -> None:
    """A plugin that states no facts is named before anything is sent."""
    with pytest.raises(UsageError, match="has no encode, decode, read_error, streams"):
        load_dialect("llm_latency_lens.wire.sse")


@pytest.mark.parametrize(("dialect", "name"), STREAMS)
def test_w1_every_cut_decodes_alike(dialect: str, name: str) -> None:
    """W1: events and offsets, for a cut at every byte."""
    stream = stream_of(dialect, name)
    whole = positioned(dialect, stream)
    assert whole
    for at in range(len(stream) + 1):
        assert positioned(dialect, stream[:at], stream[at:]) == whole


@pytest.mark.parametrize(("dialect", "name"), STREAMS)
@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_w2_other_line_ends_mean_the_same(dialect: str, name: str, end: bytes) -> None:
    """W2: CRLF and CR."""
    stream = stream_of(dialect, name).replace(b"\r\n", b"\n")
    if name == "multi_line" or dialect == "bedrock" or (dialect == "ollama" and end == b"\r"):
        return  # there a line end is part of the JSON, or no line end
    assert decoded(dialect, stream.replace(b"\n", end)) == decoded(dialect, stream)


@given(st.sampled_from(STREAMS), st.integers(0, 5000), st.integers(0, 255))
def test_one_flipped_byte_never_raises(which: tuple[str, str], at: int, value: int) -> None:
    """A damaged stream decodes to something."""
    stream = bytearray(stream_of(*which))
    stream[at % len(stream)] = value
    decoded(which[0], bytes(stream))


@given(st.sampled_from(list(DIALECTS)), TYPES, JSON)
def test_w23_any_json_decodes_without_an_exception(dialect: str, name: str, value: object) -> None:
    """W23: objects of any shape under the types that the dialects know, streamed or whole."""
    body = value if isinstance(value, dict) else {"delta": value}
    data = json.dumps({**body, "type": name}).encode()
    decoded(dialect, b"data: " + data + b"\n\n", content_type=STREAM)
    decoded(dialect, data, content_type="application/json")
    decoded(dialect, data + b"\n" + data)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("bad", [b"{", b"[1]", b"NaN", b'{"a":' * 100_000, b'{"n":' + b"9" * 5000])
def test_w22_invalid_json_is_malformed(dialect: str, bad: bytes) -> None:
    """W22, W23: named, and nothing after it is read."""
    good = stream_of(dialect, next(iter(CORPORA[dialect].CORPUS)))
    framed = bad + b"\n" if dialect in TYPE_OF else b"data: " + bad + b"\n\n"
    stream = framed if dialect == "openai_embeddings" else framed + good
    found = [type(event) for event in decoded(dialect, stream)]
    assert [kind for kind in found if kind not in {Document, Noted}] == [Malformed]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_w41_a_page_instead_of_a_stream_is_malformed(dialect: str) -> None:
    """W41: named by its content type."""
    events = decoded(dialect, b"<html>", content_type="text/html")
    assert isinstance(events[0], Malformed)
    assert events[0].detail.startswith("content_type")


@pytest.mark.parametrize("dialect", [name for name in SSE_DIALECTS if name != "gemini"])
def test_w32_unknown_events_are_counted(dialect: str) -> None:
    """W32: an event of tomorrow."""
    assert decoded(dialect, b'event: brand_new\ndata: {"x": 1}\n\n') == [Unknown("brand_new")]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_w14_error_bodies(dialect: str) -> None:
    """W14: type and message, or the text as it came."""
    read_error = load_dialect(dialect).read_error
    assert read_error(
        b'{"type":"error","error":{"type":"auth","message":"bad key"}}'
    ) == ServerError("auth", "bad key")
    assert read_error(b"<html>") == ServerError("error", "<html>")


def test_the_whole_story_of_an_anthropic_stream() -> None:
    """Input in three parts, a ping, two deltas, why it stopped, the output's count, the end."""
    assert decoded("anthropic", corpus_anthropic.TEXT) == [
        Identity("c", None, "msg_1"),
        Opening(),
        Usage(40, 1, None, 10, 5, final=False),
        Opening(),
        Ping(),
        Delta("text", "Hel"),
        Delta("text", "lo 漢"),
        Finish("stop"),
        Usage(40, 15, None, 10, 5),
        Done(),
    ]


def test_w26_anthropic_thinking_is_reasoning_and_a_signature_is_no_token() -> None:
    """W26: thinking, a signature, then the answer."""
    events = decoded("anthropic", corpus_anthropic.THINKING)
    assert deltas(events) == [("reasoning", "Let me"), ("text", "42")]
    assert Finish("length") in events


def test_w27_anthropic_tools_are_tokens() -> None:
    """W27: the name with its block, the input in pieces, the empty piece is none."""
    events = decoded("anthropic", corpus_anthropic.TOOL)
    assert deltas(events) == [
        ("tool", "get_weather"),
        ("tool", '{"location"'),
        ("tool", ': "Paris"}'),
    ]
    assert Finish("tool_calls") in events


def test_w15_anthropic_is_overloaded_inside_a_200() -> None:
    """W15: type and words."""
    assert decoded("anthropic", corpus_anthropic.OVERLOADED)[-1] == ServerError(
        "overloaded_error", "Overloaded"
    )
    assert Finish("refusal", 0, "filtered") in decoded("anthropic", corpus_anthropic.REFUSED)


def test_an_anthropic_document() -> None:
    """Not streamed: blocks, stop reason and usage of one message."""
    message = {
        "type": "message",
        "id": "m",
        "model": "c",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "Hi"},
            {"type": "tool_use", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "output_tokens": 9},
    }
    events = decoded("anthropic", json.dumps(message).encode(), content_type="application/json")
    assert deltas(events) == [("reasoning", "hm"), ("text", "Hi"), ("tool", 'f{"a":1}')]
    assert events[-3:] == [Finish("tool_calls"), Usage(3, 9), Done()]


def test_the_whole_story_of_a_responses_stream() -> None:
    """Parts and items beside the deltas hold nothing new; completed is the end."""
    assert decoded("openai_responses", corpus_responses.TEXT) == [
        Identity("g", None, "resp_1"),
        Opening(),
        Delta("text", "Hel"),
        Delta("text", "lo"),
        Finish("stop"),
        Usage(20, 11, 6, 4),
        Done(),
    ]


def test_w26_w29_responses_reasoning_refusal_and_limits() -> None:
    """W26, W29: reasoning in any form, why it is incomplete, what was refused."""
    events = decoded("openai_responses", corpus_responses.REASONING)
    assert deltas(events) == [("reasoning", "Think"), ("reasoning", "ing"), ("text", "42")]
    assert Finish("length") in events
    assert Finish("refusal", 0, "filtered") in decoded("openai_responses", corpus_responses.REFUSED)


def test_w27_responses_tools() -> None:
    """W27: the name with its item, the arguments in pieces."""
    events = decoded("openai_responses", corpus_responses.TOOL)
    assert deltas(events) == [("tool", "f"), ("tool", '{"a"'), ("tool", ":1}")]
    assert Finish("tool_calls") in events


def test_w15_responses_fail_inside_a_200() -> None:
    """W15: a failed response, or an error event of its own."""
    assert ServerError("server_error", "boom") in decoded(
        "openai_responses", corpus_responses.FAILED
    )
    assert decoded("openai_responses", corpus_responses.ERROR)[-1] == ServerError(
        "rate_limit_exceeded", "slow down"
    )


def test_w16_a_responses_stream_has_no_marker_but_its_last_event() -> None:
    """W16: without it there is no end."""
    cut = corpus_responses.TEXT.rpartition(b"event: response.completed")[0]
    assert not [e for e in decoded("openai_responses", cut) if isinstance(e, Done | Finish)]


def test_a_responses_document() -> None:
    """Not streamed: items of one response."""
    document = corpus_responses.response(
        "completed",
        usage=corpus_responses.USAGE,
        output=[
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]},
            {"type": "function_call", "name": "f", "arguments": "{}"},
        ],
    )
    events = decoded(
        "openai_responses", json.dumps(document).encode(), content_type="application/json"
    )
    assert deltas(events) == [("reasoning", "hm"), ("text", "Hi"), ("tool", "f"), ("tool", "{}")]
    assert events[-3:] == [Finish("tool_calls"), Usage(20, 11, 6, 4), Done()]


@pytest.mark.parametrize("name", corpus_gemini.ARRAYS)
def test_w33_geminis_array_form_reads_as_its_stream(name: str) -> None:
    """W33: cut at every byte; the same events as SSE, and the closing bracket is an end."""
    body = corpus_gemini.ARRAYS[name]
    whole = positioned("gemini", body, content_type="application/json")
    streamed = decoded("gemini", stream_of("gemini", name))
    assert [event for _, event in whole] == [*streamed, Done()]
    for at in range(len(body) + 1):
        assert positioned("gemini", body[:at], body[at:], content_type="application/json") == whole
    assert (
        positioned(
            "gemini", *(body[i : i + 1] for i in range(len(body))), content_type="application/json"
        )
        == whole
    )


def test_w33_an_array_that_breaks_off_has_no_end() -> None:
    """W33: half an element is no event."""
    body = corpus_gemini.ARRAYS["text"]
    events = decoded("gemini", body[: len(body) // 2], content_type="application/json")
    assert Done() not in events


def test_w33_an_empty_object_is_an_error() -> None:
    """W33: as the API sends when it fails without a word."""
    assert decoded("gemini", stream_of("gemini", "bare_error")) == [ServerError("error", "")]


def test_w8_an_element_beyond_the_cap_ends_the_array() -> None:
    """W8: in pieces of any size, at the same offset."""
    body = b'[{"a": "' + b"x" * 500 + b'"}]'
    decode = load_dialect("gemini").decode
    for size in (1, 7, 600):
        pieces = [body[i : i + size] for i in range(0, len(body), size)]
        found = list(decode(pieces, "application/json", 100))
        assert [(at, type(event)) for at, event in found] == [(102, Malformed)]


def test_the_whole_story_of_a_gemini_stream() -> None:
    """Identity, text, why it stopped, counts so far with each chunk."""
    assert decoded("gemini", stream_of("gemini", "text")) == [
        Identity("gemini-x", None, "r1"),
        Delta("text", "Hel"),
        Usage(4, 1),
        Delta("text", 'l"o }] \\ 漢'),
        Finish("stop"),
        Usage(4, 3),
    ]


def test_gemini_thoughts_tools_and_filters() -> None:
    """W26, W27, W29: thoughts are output too; calls; a blocked prompt; a filtered answer."""
    thinking = decoded("gemini", stream_of("gemini", "thinking"))
    assert deltas(thinking) == [("reasoning", "Let me"), ("text", "42")]
    assert thinking[-2:] == [Finish("length"), Usage(4, 9, 7, 3)]
    assert deltas(decoded("gemini", stream_of("gemini", "tool"))) == [("tool", 'f{"a":1}')]
    filtered = Finish("content_filter", 0, "filtered", "SAFETY")
    assert filtered in decoded("gemini", stream_of("gemini", "blocked"))
    assert filtered in decoded("gemini", stream_of("gemini", "filtered"))
    failed = decoded("gemini", stream_of("gemini", "error"))
    assert failed[-1] == ServerError("UNAVAILABLE", "overloaded")


@given(JSON, JSON, JSON)
def test_geminis_quick_way_and_its_other_way_agree(
    parts: object, usage: object, finish: object
) -> None:
    """Whatever the shape, a chunk reads alike as the first (the other way) and as the second (perhaps quick)."""
    chunk = {
        "candidates": [{"content": {"parts": parts}, "finishReason": finish}],
        "usageMetadata": usage,
    }
    again = decoded("gemini", corpus_gemini.sse(chunk, chunk))
    first = decoded("gemini", corpus_gemini.sse(chunk))
    assert again == [*first, *first[1:]]


@given(st.text(), st.booleans(), st.integers(-2, 9))
def test_geminis_plain_chunks_agree_too(text: str, thought: bool, count: int) -> None:  # noqa: FBT001 - drawn
    """The shape that takes the quick way, at its edges."""
    part = {"text": text.encode("utf-8", "replace").decode(), "thought": thought}
    chunk = corpus_gemini.chunk(
        [part], usageMetadata={"promptTokenCount": count, "candidatesTokenCount": count}
    )
    first = decoded("gemini", corpus_gemini.sse(chunk))
    again = [event for event in first[1:] if not isinstance(event, ReasoningWithheld)]
    assert decoded("gemini", corpus_gemini.sse(chunk, chunk)) == [*first, *again]


def test_the_whole_story_of_a_cohere_stream() -> None:
    """Message, content, end with reason and usage."""
    assert decoded("cohere", corpus_cohere.TEXT) == [
        Identity(None, None, "c1"),
        Opening(),
        Delta("text", "Hel"),
        Delta("text", "lo 漢"),
        Finish("stop"),
        Usage(71, 3, None, 16, billed_input=5),
        Done(),
    ]


def test_cohere_thinking_tools_and_failures() -> None:
    """W15, W26, W27."""
    thinking = decoded("cohere", corpus_cohere.THINKING)
    assert deltas(thinking) == [("reasoning", "hm"), ("text", "42")]
    assert Finish("length") in thinking
    tool = decoded("cohere", corpus_cohere.TOOL)
    assert deltas(tool) == [("reasoning", "I will"), ("tool", "f"), ("tool", '{"a":1}')]
    assert Finish("tool_calls") in tool
    assert ServerError("ERROR", "boom") in decoded("cohere", corpus_cohere.FAILED)


def test_the_whole_story_of_an_ollama_stream() -> None:
    """Lines, the last with counts and timings in nanoseconds."""
    events = decoded("ollama", corpus_ollama.TEXT)
    assert events[:5] == [
        Identity("llama3"),
        Delta("text", "Hel"),
        Delta("text", "lo 漢"),
        Finish("stop"),
        Usage(26, 290),
    ]
    timings = events[5]
    assert isinstance(timings, ServerTimings)
    assert timings.prompt == pytest.approx(0.342546)
    assert timings.total == pytest.approx(4.883583458)
    assert events[6] == Done()


def test_ollama_thinking_tools_errors_and_broken_lines() -> None:
    """W9, W15, W17, W26, W27."""
    thinking = decoded("ollama", corpus_ollama.THINKING)
    assert deltas(thinking) == [("reasoning", "hm"), ("text", "42")]
    assert Finish("length") in thinking
    assert deltas(decoded("ollama", corpus_ollama.TOOL)) == [("tool", 'f{"a":1}')]
    assert isinstance(decoded("ollama", corpus_ollama.ERROR)[-1], ServerError)
    assert [type(e) for e in decoded("ollama", corpus_ollama.CORPUS["cut"])[-2:]] == [
        Unterminated,
        Malformed,
    ]
    assert Done() in decoded("ollama", corpus_ollama.CORPUS["unterminated"])


@pytest.mark.parametrize("size", [1, 7, 300])
def test_w8_an_endless_line_ends_a_stream_of_lines(size: int) -> None:
    """W8: at the same offset whatever the pieces."""
    body = b'{"a":1}\n' + b"x" * 300
    found = list(
        load_dialect("ollama").decode(
            [body[i : i + size] for i in range(0, len(body), size)], "", 100
        )
    )
    assert (found[-1][0], type(found[-1][1])) == (8 + 101, Malformed)


WISH = Request(
    messages=(Message("system", "be brief"), Message("user", "hi")),
    max_tokens=5,
    temperature=0.5,
    extra={"top_p": 0.9},
)


def target(dialect: str) -> Target:
    """Somewhere on loopback."""
    return Target(
        provider="p",
        dialect=dialect,
        model="m",
        base_url=Url("http", "h", 80, "/v1"),
        headers=(("x-api-key", "k"),),
    )


def test_requests_are_written_in_each_dialect() -> None:
    """Path, limit, system prompt, extras and headers as each API wants them."""
    anthropic = load_dialect("anthropic").encode(WISH, target("anthropic"))
    assert str(anthropic.url) == "http://h/v1/messages"
    assert json.loads(anthropic.body) == {
        "model": "m",
        "max_tokens": 5,
        "system": "be brief",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
    }
    assert {("anthropic-version", "2023-06-01"), ("x-api-key", "k")} <= set(anthropic.headers)
    responses = load_dialect("openai_responses").encode(WISH, target("openai_responses"))
    assert str(responses.url) == "http://h/v1/responses"
    assert json.loads(responses.body) == {
        "model": "m",
        "input": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
        "max_output_tokens": 5,
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
    }


def test_requests_of_gemini_cohere_and_ollama() -> None:
    """Path, roles, limits and options as each API wants them."""
    gemini = load_dialect("gemini").encode(WISH, target("gemini"))
    assert str(gemini.url) == "http://h/v1/models/m:streamGenerateContent?alt=sse"
    assert json.loads(gemini.body) == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "generationConfig": {"maxOutputTokens": 5, "temperature": 0.5},
        "top_p": 0.9,
    }
    whole = load_dialect("gemini").encode(Request(messages=(), stream=False), target("gemini"))
    assert str(whole.url) == "http://h/v1/models/m:generateContent"
    cohere = load_dialect("cohere").encode(WISH, target("cohere"))
    assert str(cohere.url) == "http://h/v1/chat"
    assert json.loads(cohere.body)["max_tokens"] == 5
    ollama = load_dialect("ollama").encode(WISH, target("ollama"))
    assert str(ollama.url) == "http://h/v1/api/chat"
    assert json.loads(ollama.body)["options"] == {"num_predict": 5, "temperature": 0.5}


def test_documents_of_gemini_cohere_and_ollama() -> None:
    """Not streamed."""
    gemini = json.dumps(corpus_gemini.CHUNKS["text"][1]).encode()
    assert decoded("gemini", gemini, content_type="application/json")[-1] == Done()
    cohere = {
        "id": "c",
        "finish_reason": "COMPLETE",
        "message": {
            "content": [{"type": "text", "text": "Hi"}],
            "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}],
        },
        "usage": corpus_cohere.USAGE,
    }
    events = decoded("cohere", json.dumps(cohere).encode(), content_type="application/json")
    assert deltas(events) == [("text", "Hi"), ("tool", "f{}")]
    assert events[-2:] == [Usage(71, 3, None, 16, billed_input=5), Done()]
    ollama = decoded(
        "ollama",
        corpus_ollama.END.replace(b'"content": ""', b'"content": "Hi"'),
        content_type="application/json",
    )
    assert deltas(ollama) == [("text", "Hi")]
    assert ollama[-1] == Done()


def test_anthropics_limit_is_mandatory() -> None:
    """The API refuses requests without one."""
    request = load_dialect("anthropic").encode(
        Request(messages=(Message("user", "x"),)), target("anthropic")
    )
    assert json.loads(request.body)["max_tokens"] == 1024


@pytest.mark.parametrize(
    ("output", "reasoning", "total", "expected"),
    [
        (4, 20, 33, 24),  # beside the completion, and the total says so
        (24, 20, 33, 24),  # among it
        (4, 20, None, 24),  # more reasoning than completion, and no total
        (24, 20, None, 24),
        (4, 20, 13, 4),  # the total contradicts: nothing is added
        (4, None, 33, 24),  # nobody says what the rest is
        (20, None, 30, 20),  # a total that is not quite the sum
        (0, 20, 29, 20),  # nothing but reasoning
        (None, 20, 33, None),
    ],
)
def test_reasoning_counted_beside_the_completion_is_added(
    output: int | None, reasoning: int | None, total: int | None, expected: int | None
) -> None:
    """Nine tokens of prompt; the same for both dialects of OpenAI."""
    names = {
        "openai_chat": ("prompt_tokens", "completion_tokens", "completion_tokens_details"),
        "openai_responses": ("input_tokens", "output_tokens", "output_tokens_details"),
    }
    for dialect, (prompt, completion, details) in names.items():
        usage: dict[str, object] = {prompt: 9, completion: output, "total_tokens": total}
        if reasoning is not None:
            usage[details] = {"reasoning_tokens": reasoning}
        if dialect == "openai_chat":
            body = corpus.event({"id": "x", "choices": [], "usage": usage})
        else:
            end = {"status": "completed", "usage": usage}
            body = corpus.event({"type": "response.completed", "response": end})
        found = [event for event in decoded(dialect, body) if isinstance(event, Usage)]
        assert [event.output for event in found] == [expected], dialect


def test_reasoning_that_is_withheld_is_told_once_and_reasoning_in_full_is_not() -> None:
    """Summaries of Responses and Gemini, signed and redacted thinking of Anthropic; never of Chat."""
    summary = {"type": "response.reasoning_summary_text.delta", "delta": "hm"}
    full = {"type": "response.reasoning_text.delta", "delta": "hm"}
    redacted = {"type": "content_block_start", "content_block": {"type": "redacted_thinking"}}
    signed = {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "E"}}
    unsigned = {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "E"}}
    thought = corpus_gemini.chunk([{"text": "hm", "thought": True}])
    chat = corpus.chunk({"reasoning_content": "hm"})
    cases = (
        ("openai_responses", corpus.event(summary) * 2, 1),
        ("openai_responses", corpus.event(full) * 2, 0),
        ("anthropic", corpus.event(redacted), 1),
        ("anthropic", corpus.event(signed), 1),
        ("anthropic", corpus.event(unsigned), 0),
        ("gemini", corpus_gemini.sse(thought, thought), 1),
        ("openai_chat", chat * 2, 0),
    )
    for dialect, body, expected in cases:
        found = [e for e in decoded(dialect, body) if isinstance(e, ReasoningWithheld)]
        assert len(found) == expected, (dialect, body)
