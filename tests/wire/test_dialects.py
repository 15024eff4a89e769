"""What holds for every dialect: any cut decodes alike, damage never raises, errors and pages are named."""

import importlib
import json
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import corpus, corpus_anthropic, corpus_responses

from llm_latency_lens.model.events import (
    Delta,
    Done,
    Finish,
    Identity,
    Malformed,
    Opening,
    Ping,
    ServerError,
    StreamEvent,
    Unknown,
    Usage,
)
from llm_latency_lens.model.request import Message, Request, Target, Url
from llm_latency_lens.wire.dialect import DIALECTS, load_dialect

STREAM = "text/event-stream"
CORPORA: dict[str, ModuleType] = {
    "openai_chat": corpus,
    "anthropic": corpus_anthropic,
    "openai_responses": corpus_responses,
}
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


def decoded(dialect: str, *pieces: bytes, content_type: str = STREAM) -> list[StreamEvent]:
    """The events of a body."""
    return [found for _, found in load_dialect(dialect).decode(pieces, content_type, 1 << 20)]


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
        assert {"encode", "decode", "read_error"} <= set(dir(importlib.import_module(path)))


@pytest.mark.parametrize(("dialect", "name"), STREAMS)
def test_w1_every_cut_decodes_alike(dialect: str, name: str) -> None:
    """W1: events and offsets, for a cut at every byte."""
    stream = stream_of(dialect, name)
    decode = load_dialect(dialect).decode
    whole = list(decode((stream,), STREAM, 1 << 20))
    assert whole
    for at in range(len(stream) + 1):
        assert list(decode((stream[:at], stream[at:]), STREAM, 1 << 20)) == whole


@pytest.mark.parametrize(("dialect", "name"), STREAMS)
@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_w2_other_line_ends_mean_the_same(dialect: str, name: str, end: bytes) -> None:
    """W2: CRLF and CR."""
    stream = stream_of(dialect, name)
    if name == "multi_line":
        return  # its line end is part of the JSON
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
    decoded(dialect, b"data: " + data + b"\n\n")
    decoded(dialect, data, content_type="application/json")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("bad", [b"{", b"[1]", b"NaN", b'{"a":' * 100_000, b'{"n":' + b"9" * 5000])
def test_w22_invalid_json_is_malformed(dialect: str, bad: bytes) -> None:
    """W22, W23: named, and nothing after it is read."""
    events = decoded(
        dialect, b"data: " + bad + b"\n\n" + stream_of(dialect, next(iter(CORPORA[dialect].CORPUS)))
    )
    assert [type(event) for event in events] == [Malformed]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_w41_a_page_instead_of_a_stream_is_malformed(dialect: str) -> None:
    """W41: named by its content type."""
    events = decoded(dialect, b"<html>", content_type="text/html")
    assert isinstance(events[0], Malformed)
    assert events[0].detail.startswith("content_type")


@pytest.mark.parametrize("dialect", DIALECTS)
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
        Usage(40, 1, None, 10, 5),
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
    assert Finish("refusal") in decoded("anthropic", corpus_anthropic.REFUSED)


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
    assert Finish("refusal") in decoded("openai_responses", corpus_responses.REFUSED)


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
        "error", "slow down"
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
    assert deltas(events) == [("reasoning", "hm"), ("text", "Hi"), ("tool", "f{}")]
    assert events[-3:] == [Finish("tool_calls"), Usage(20, 11, 6, 4), Done()]


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


def test_anthropics_limit_is_mandatory() -> None:
    """The API refuses requests without one."""
    request = load_dialect("anthropic").encode(
        Request(messages=(Message("user", "x"),)), target("anthropic")
    )
    assert json.loads(request.body)["max_tokens"] == 1024
