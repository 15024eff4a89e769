"""OpenAI's chat dialect: what servers send is taken at its word, and nothing they send raises."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.events import one_by_one
from tests.wire import corpus
from tests.wire.corpus import CORPUS, DONE, USAGE, chunk, event

from llm_latency_lens.model.events import (
    BadText,
    Delta,
    Document,
    Done,
    Finish,
    Identity,
    Malformed,
    Opening,
    Ping,
    ServerError,
    ServerTimings,
    StreamEvent,
    Unknown,
    Unterminated,
    Usage,
)
from llm_latency_lens.model.request import Message, Request, Target, Url
from llm_latency_lens.wire import openai_chat
from llm_latency_lens.wire.openai_chunk import read_chunk

STREAM = "text/event-stream"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["content", "delta", "index", "choices", "usage", "prompt_tokens"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def decoded(*pieces: bytes, content_type: str = STREAM) -> list[StreamEvent]:
    """The events of a body."""
    return [found for _, found in one_by_one(openai_chat.decode(pieces, content_type, 1 << 20))]


def deltas(stream: bytes) -> list[tuple[str, str]]:
    """Kind and text of every delta."""
    return [(found.kind, found.text) for found in decoded(stream) if isinstance(found, Delta)]


@pytest.mark.parametrize("name", CORPUS)
def test_w1_every_cut_decodes_alike(name: str) -> None:
    """W1: events with their offsets, for a cut at every byte."""
    stream = CORPUS[name]
    whole = list(openai_chat.decode((stream,), STREAM, 1 << 20))
    assert len(whole) > 1
    for at in range(len(stream) + 1):
        assert list(openai_chat.decode((stream[:at], stream[at:]), STREAM, 1 << 20)) == whole


def test_the_whole_story_of_an_openai_stream() -> None:
    """Identity once, the empty role delta is no token, usage with empty choices, the end."""
    assert decoded(corpus.OPENAI) == [
        Identity("m", "fp_1", "chatcmpl-1"),
        Opening(),
        Delta("text", "Hel"),
        Delta("text", "lo"),
        Finish("stop"),
        Usage(7, 3),
        Done(),
    ]


def test_w3_unicode_survives_the_dialect() -> None:
    """W3: separators that Python's text splitting would trip over arrive whole."""
    assert deltas(corpus.UNICODE) == [("text", "a\u2028b\u0085c\x0bd\x1ce 😀 漢")]


def test_w4_multi_line_data_and_unspaced_fields() -> None:
    """W4: data over two lines, data without a blank, other fields between."""
    assert deltas(corpus.MULTI_LINE) == [("text", "x")]
    assert deltas(corpus.FIELDS) == [("text", "x")]


def test_w5_comments_are_pings() -> None:
    """W5: keep-alives are counted apart from tokens."""
    events = decoded(corpus.OPENROUTER)
    assert events[:3] == [Ping(), Ping(), Ping()]
    assert deltas(corpus.OPENROUTER) == [("text", "Hi")]


def test_w7_events_of_one_read_keep_their_order_and_offsets() -> None:
    """W7: five events in one piece end at five offsets."""
    stream = chunk({"content": "x"}) * 5
    events = one_by_one(openai_chat.decode((stream,), STREAM, 1 << 20))
    found = [offset for offset, event in events if isinstance(event, Delta)]
    assert found == [len(stream) // 5 * (i + 1) for i in range(5)]


def test_w8_an_endless_event_is_malformed() -> None:
    """W8: too large an event ends decoding with its name."""
    events = [e for _, e in openai_chat.decode((b"data: " + b"x" * 300,), STREAM, 100)]
    assert isinstance(events[-1], Malformed)
    assert events[-1].detail.startswith("event_too_large")


def test_w9_the_last_event_counts_without_its_blank_line() -> None:
    """W9: an unfinished last line is read and flagged."""
    stream = chunk({"content": "a"}) + chunk({"content": "b"}, "stop").rstrip(b"\n")
    assert Unterminated() in decoded(stream)
    assert deltas(stream) == [("text", "a"), ("text", "b")]


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b'{"error":{"message":"bad key","type":"auth_error"}}', "auth_error", "bad key"),
        (b'{"error":{"message":"slow","code":"rate"}}', "rate", "slow"),
        (b'{"error":"plain"}', "error", "plain"),
        (b'{"detail":"Not Found"}', "error", "Not Found"),
        (b"<html><style>b{}</style>502 <b>Bad</b></html>", "error", "502 Bad"),
        (b"", "error", ""),
        (b'{"error":{"message":[1]}}', "error", ""),
    ],
)
def test_w14_error_bodies(body: bytes, kind: str, message: str) -> None:
    """W14: the provider's words where there are any, the raw text where not."""
    assert openai_chat.read_error(body) == ServerError(kind, message)


@pytest.mark.parametrize(
    "stream",
    [
        corpus.ERROR_INSIDE,
        b'event: error\ndata: {"message": "overloaded"}\n\n',
        event({"error": {"message": "overloaded"}}),
    ],
)
def test_w15_an_error_inside_a_200_is_an_error(stream: bytes) -> None:
    """W15: in the middle, named by the event, or first."""
    assert any(isinstance(found, ServerError) for found in decoded(stream))


def test_w16_a_missing_end_marker_is_visible() -> None:
    """W16: without [DONE] there is no Done; the finish reason stays."""
    events = decoded(corpus.OPENAI.removesuffix(DONE))
    assert Done() not in events
    assert Finish("stop") in events


def test_w17_half_an_event_is_malformed_and_keeps_what_came() -> None:
    """W17: bytes that stop inside an event never become a token."""
    stream = chunk({"content": "a"}) + chunk({"content": "b"})[:40]
    events = decoded(stream)
    assert deltas(stream) == [("text", "a")]
    assert isinstance(events[-1], Malformed)


def test_w21_bad_utf8_is_replaced_and_counted() -> None:
    """W21: a code point cut in two events becomes U+FFFD in each, and both are token activity."""
    first = chunk({"content": "X"}).replace(b"X", b"\xe6\xbc")
    second = chunk({"content": "X"}).replace(b"X", b"\xa2")
    events = decoded(first + second)
    assert [e for e in events if isinstance(e, BadText)] == [BadText(1), BadText(1)]
    assert sum(isinstance(e, Delta) for e in events) == 2


@pytest.mark.parametrize("bad", [b"{", b"nonsense", b"[1]", b'"x"', b"NaN", b'{"choices":[}'])
def test_w22_invalid_json_is_malformed(bad: bytes) -> None:
    """W22: named, never skipped in silence; nothing after it is read."""
    stream = chunk({"content": "a"}) + b"data: " + bad + b"\n\n" + chunk({"content": "z"})
    events = decoded(stream)
    assert isinstance(events[-1], Malformed)
    assert events[-1].detail.startswith("invalid_json")
    assert deltas(stream) == [("text", "a")]


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices":[{"index":0,"delta":{"content":NaN}}]}',
        b'{"created":' + b"9" * 5000 + b',"choices":[]}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"choices":null}',
        b'{"choices":"none"}',
        b'{"choices":[null,1,{"delta":null},{"delta":{"content":7}}]}',
        b'{"choices":[],"choices":[{"delta":{"content":"x"}}]}',
        b'{"choices":[],"usage":"many"}',
        b'{"choices":[{"index":"0","delta":{"content":"x"}}]}',
    ],
)
def test_w23_json_traps_never_raise(data: bytes) -> None:
    """W23: NaN, giant integers, deep nesting, null choices, doubled keys: an event or Malformed."""
    events = decoded(b"data: " + data + b"\n\n")
    assert all(not isinstance(found, Done) for found in events)


@given(JSON)
def test_w23_any_json_decodes_without_an_exception(value: object) -> None:
    """W23: whatever JSON a server invents."""
    decoded(b"data: " + json.dumps(value).encode() + b"\n\n")


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (USAGE, [Usage(7, 3)]),
        (None, []),
        ("many", []),
        ({"prompt_tokens": -1, "completion_tokens": 3}, [Usage(None, 3)]),
        ({"prompt_tokens": 1.5, "completion_tokens": True}, [Usage()]),
        (
            {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}},
            [Usage(None, 9, 4)],
        ),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}, [Usage(5, cached=4)]),
        ({"prompt_tokens": 5, "prompt_tokens_details": None}, [Usage(5)]),
    ],
)
def test_w24_usage_in_every_shape(usage: Any, expected: list[Usage]) -> None:  # noqa: ANN401 - JSON
    """W24: what is missing, null or impossible is unknown, never 0."""
    events = decoded(event({"choices": [], "usage": usage}))
    assert [found for found in events if isinstance(found, Usage)] == expected


def test_w24_repeated_usage_is_told_each_time() -> None:
    """W24: cumulative usage, as some servers send it with every chunk."""
    stream = chunk({"content": "a"}, usage={"completion_tokens": 1}) + chunk(
        {"content": "b"}, usage={"completion_tokens": 2}
    )
    assert [found for found in decoded(stream) if isinstance(found, Usage)] == [
        Usage(output=1),
        Usage(output=2),
    ]


@pytest.mark.parametrize(
    "delta", [{"role": "assistant"}, {"role": "assistant", "content": ""}, {"content": None}, {}]
)
def test_w25_role_only_and_empty_deltas_are_openings(delta: dict[str, Any]) -> None:
    """W25: they belong to the answer and are no tokens."""
    events = decoded(chunk(delta))
    assert Opening() in events
    assert not any(isinstance(found, Delta) for found in events)


def test_w26_reasoning_is_its_own_kind() -> None:
    """W26: reasoning_content or reasoning, apart from the visible text."""
    assert deltas(corpus.DEEPSEEK) == [
        ("reasoning", "Let me"),
        ("reasoning", " think"),
        ("text", "42"),
    ]
    assert deltas(chunk({"reasoning": "hm", "content": ""})) == [("reasoning", "hm")]


def test_w27_tool_calls_are_tokens() -> None:
    """W27: name and arguments of calls, old function calls too."""
    assert deltas(corpus.TOOLS) == [("tool", "f"), ("tool", '{"a"'), ("tool", ":1}")]
    assert deltas(chunk({"function_call": {"name": "g", "arguments": "{}"}})) == [("tool", "g{}")]


def test_w28_several_tokens_in_one_event_are_one_delta() -> None:
    """W28: the dialect invents no tokens; the usage beside it tells how many there were."""
    assert deltas(chunk({"content": "four tokens in one"})) == [("text", "four tokens in one")]


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (chunk({"content": "x"}, "content_filter"), Finish("content_filter", 0, "filtered")),
        (corpus.REFUSAL, Finish("refusal", 0, "filtered")),
        (chunk({"content": "x"}, "length"), Finish("length")),
    ],
)
def test_w29_finish_reasons(stream: bytes, reason: Finish) -> None:
    """W29: filtered, refused, cut by length: the reason is kept."""
    assert reason in decoded(stream)


def test_w30_choices_stay_apart() -> None:
    """W30: interleaved choices keep their index."""
    found = [(e.choice, e.text) for e in decoded(corpus.TWO_CHOICES) if isinstance(e, Delta)]
    assert found == [(0, "a"), (1, "b"), (1, "c")]
    assert Finish("stop", 1) in decoded(corpus.TWO_CHOICES)


def test_w31_the_trailing_usage_chunk_holds_no_token() -> None:
    """W31: nothing after the last delta is a delta, so it can't move the last token."""
    events = decoded(corpus.LLAMA_CPP)
    last = max(i for i, found in enumerate(events) if isinstance(found, Delta))
    assert [type(found) for found in events[last + 1 :]] == [Finish, Usage, ServerTimings, Done]


def test_w31_llama_cpp_timings_are_in_seconds() -> None:
    """The server's own account: milliseconds on the wire, seconds here."""
    timings = next(found for found in decoded(corpus.LLAMA_CPP) if isinstance(found, ServerTimings))
    assert timings.prompt == pytest.approx(0.0042)
    assert (timings.prompt_tokens, timings.generated_tokens) == (29, 5)


def test_w32_unknown_events_are_counted_and_ignored() -> None:
    """W32: other event types, other fields."""
    stream = b'event: x_new\ndata: {"a":1}\n\n' + chunk({"content": "a"}, new_field={"deep": [1]})
    assert decoded(stream)[0] == Unknown("x_new")
    assert deltas(stream) == [("text", "a")]


def test_w35_an_empty_choices_prologue_is_no_opening() -> None:
    """W35: Azure's filter results come first and begin nothing."""
    assert decoded(corpus.AZURE)[0] == Identity("m", None, "chatcmpl-1")


def test_w36_padding_is_no_token() -> None:
    """W36: the obfuscation field changes nothing."""
    assert deltas(corpus.PADDED) == [("text", "x")]


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/xml"])
def test_w41_a_page_instead_of_a_stream_is_malformed(content_type: str) -> None:
    """W41: a captive portal's 200 is named by its content type."""
    events = decoded(b"<html>login</html>", content_type=content_type)
    assert isinstance(events[0], Malformed)
    assert events[0].detail.startswith("content_type")


@pytest.mark.parametrize(
    "stream", [DONE, chunk({"role": "assistant"}) + chunk({}, "stop") + DONE, b""]
)
def test_w42_a_stream_without_tokens_has_no_delta(stream: bytes) -> None:
    """W42: an empty answer stays empty."""
    assert deltas(stream) == []


def test_a_missing_content_type_is_sniffed() -> None:
    """Servers that name no type still stream."""
    assert Done() in decoded(corpus.OPENAI, content_type="")
    assert isinstance(decoded(b"<html>", content_type="")[0], Malformed)


def test_a_document_is_read_at_its_end() -> None:
    """An answer that is not streamed: everything at the offset of the last byte."""
    document = {
        "id": "1",
        "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
        ],
        "usage": USAGE,
    }
    body = json.dumps(document).encode()
    found = list(openai_chat.decode((body[:9], body[9:]), "application/json", 1 << 20))
    assert {offset for offset, _ in found} == {len(body)}
    assert [e for _, e in found] == [
        Document(),
        Identity("m", None, "1"),
        Delta("text", "Hi"),
        Finish("stop"),
        Usage(7, 3),
        Done(),
    ]


@given(st.text(min_size=1))
def test_any_text_survives_a_round_trip(text: str) -> None:
    """Whatever a model says arrives as it was said."""
    text = text.encode("utf-8", "replace").decode()
    assert deltas(chunk({"content": text})) == [("text", text)]


@given(st.sampled_from(list(CORPUS)), st.integers(0, 3000), st.integers(0, 255))
def test_one_flipped_byte_never_raises(name: str, at: int, value: int) -> None:
    """A damaged stream decodes to something; it never raises."""
    stream = bytearray(CORPUS[name])
    stream[at % len(stream)] = value
    decoded(bytes(stream))


@given(JSON)
def test_the_quick_way_and_the_lenient_way_agree(value: Any) -> None:  # noqa: ANN401 - JSON
    """What the typed decoder accepts, the lenient one reads alike."""
    data = json.dumps(
        {"choices": [{"index": 0, "delta": {"content": value}}], "model": "m"}
    ).encode()
    quick, _ = read_chunk(data)
    lenient, _ = read_chunk(b'{"id":7,' + data[1:])  # an id of the wrong type takes the other way
    assert quick.choices == lenient.choices


TARGET = Target(
    provider="openai", dialect="openai_chat", model="m", base_url=Url("http", "h", 80, "/v1")
)


def test_encode_streams_and_asks_for_usage() -> None:
    """The request a server gets."""
    request = Request(
        messages=(Message("user", "hi"),), max_tokens=5, temperature=0.5, extra={"seed": 1}
    )
    http = openai_chat.encode(request, TARGET)
    assert (http.method, str(http.url)) == ("POST", "http://h/v1/chat/completions")
    assert json.loads(http.body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
        "temperature": 0.5,
        "seed": 1,
    }
    assert ("Accept-Encoding", "identity") in http.headers


def test_encode_names_the_limit_as_the_official_api_wants_it() -> None:
    """api.openai.com refuses max_tokens for newer models."""
    target = Target(
        provider="openai",
        dialect="openai_chat",
        model="m",
        base_url=Url("https", "api.openai.com", 443, "/v1"),
    )
    body = json.loads(
        openai_chat.encode(Request(messages=(), max_tokens=5, stream=False), target).body
    )
    assert body == {"model": "m", "messages": [], "stream": False, "max_completion_tokens": 5}
