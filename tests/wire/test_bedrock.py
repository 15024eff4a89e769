"""Bedrock's event stream: checksums catch every flipped bit, lengths are not believed, botocore agrees."""

import itertools
import json
import struct
import zlib
from collections.abc import Iterator

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.corpus_bedrock import (
    CORPUS,
    FAILED,
    GUARDED,
    METADATA,
    START,
    STREAM_TYPE,
    TEXT,
    THINKING,
    THROTTLED,
    TOOL,
    delta,
    end,
    event,
    framed,
    header,
)

from llm_latency_lens.model.events import (
    Delta,
    Finish,
    Malformed,
    Opening,
    ServerError,
    ServerTimings,
    StreamEvent,
    Unknown,
    Unterminated,
    Usage,
)
from llm_latency_lens.simulator.voices import bedrock as voice
from llm_latency_lens.wire import bedrock

COUNTED = Usage(input=15, output=3, cached=8, cache_write=2)


def decoded(*pieces: bytes, most: int = 1 << 20) -> list[StreamEvent]:
    """The events of a stream."""
    return [found for _, found in bedrock.decode(pieces, STREAM_TYPE, most)]


def tokens(events: list[StreamEvent]) -> list[Delta]:
    """The generated tokens among events."""
    return [found for found in events if isinstance(found, Delta)]


def test_a_text_stream_is_read_whole() -> None:
    """Role, text, reason, counts (the cached parts added to the input), the server's own time."""
    assert decoded(TEXT) == [
        Opening(),
        Delta("text", "Hel"),
        Delta("text", "lo 漢"),
        Finish("stop"),
        COUNTED,
        ServerTimings(total=1.25),
    ]


def test_w26_reasoning_is_apart_and_a_signature_is_no_token() -> None:
    """W26."""
    assert tokens(decoded(THINKING)) == [Delta("reasoning", "hm"), Delta("text", "42")]
    assert Finish("length") in decoded(THINKING)


def test_w27_a_tool_call_is_a_name_and_its_input() -> None:
    """W27."""
    assert tokens(decoded(TOOL)) == [
        Delta("tool", "f"),
        Delta("tool", '{"a"'),
        Delta("tool", ":1}"),
    ]
    assert Finish("tool_calls") in decoded(TOOL)


def test_w29_a_guardrail_is_a_filtered_answer() -> None:
    """W29."""
    assert Finish("content_filter", 0, "filtered", "guardrail_intervened") in decoded(GUARDED)


@pytest.mark.parametrize("before", [b"", START, START + delta(0, text="a"), TEXT])
def test_w15_an_exception_is_an_error_wherever_it_comes(before: bytes) -> None:
    """W15: before the first token, after some, after the end."""
    events = decoded(before + THROTTLED)
    assert events[-1] == ServerError("throttlingException", "slow down")
    assert tokens(events) == tokens(decoded(before))


def test_w15_an_error_message_without_a_body_is_read_from_its_headers() -> None:
    """W15: the other form."""
    headers = (
        header(":message-type", "error")
        + header(":error-code", "500")
        + header(":error-message", "boom")
    )
    assert decoded(framed(headers, b"")) == [ServerError("500", "boom")]


@given(st.sampled_from(sorted(CORPUS)), st.lists(st.integers(0, 2000), max_size=12))
def test_w1_any_cuts_give_the_same_events(name: str, cuts: list[int]) -> None:
    """W1: positions too."""
    stream = CORPUS[name]
    edges = [0, *sorted({cut % len(stream) for cut in cuts}), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
    whole = list(bedrock.decode((stream,), STREAM_TYPE, 1 << 20))
    assert list(bedrock.decode(pieces, STREAM_TYPE, 1 << 20)) == whole


def test_w34_every_bit_flip_is_detected() -> None:
    """W34: of a stream of three messages; never a wrong token, and the check that failed is named."""
    stream = START + delta(0, text="Hel") + delta(0, text="lo")
    whole = decoded(stream)
    for bit in range(len(stream) * 8):
        broken = bytearray(stream)
        broken[bit // 8] ^= 1 << bit % 8
        events = decoded(bytes(broken))
        assert isinstance(events[-1], Malformed), bit
        assert events[-1].detail.startswith("crc: the checksum of a message"), bit
        assert events[:-1] == whole[: len(events) - 1], bit


@pytest.mark.parametrize("at", range(len(TEXT)))
def test_w17_a_stream_that_ends_anywhere_keeps_what_was_whole(at: int) -> None:
    """W17: a message cut off is said, and nothing of it is read."""
    events, whole = decoded(TEXT[:at]), decoded(TEXT)
    rest = [found for found in events if not isinstance(found, Unterminated)]
    assert rest == whole[: len(rest)]
    assert not any(isinstance(found, Malformed) for found in events)


def relabelled(total: int, block: int, rest: bytes = b"") -> bytes:
    """A prelude that lies about its lengths, under a right checksum."""
    prelude = struct.pack(">II", total, block)
    return prelude + struct.pack(">I", zlib.crc32(prelude)) + rest


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (relabelled(15, 0), "frame: a message of 15 bytes"),
        (relabelled(40, 30), "frame: a message of 40 bytes"),
        (relabelled(0xFFFFFFFF, 8), "event_too_large"),
        (framed(b"\x01a\x0avalue", b""), "frame: a header has the unknown type 10"),
        (framed(b"\x01a\x07\xff\xffv", b""), "frame: the headers"),
        (framed(b"\xffa", b""), "frame: the headers"),
        (framed(b"\x01\xff\x00", b""), "frame: the headers"),
    ],
)
def test_w34_lying_lengths_and_headers_are_named(stream: bytes, words: str) -> None:
    """W8, W34: right checksums over wrong contents; a huge length is refused at its prelude."""
    assert decoded(stream)[-1].detail.startswith(words)  # type: ignore[union-attr] # Malformed, or it fails


def test_w34_headers_of_every_type_are_stepped_over() -> None:
    """W34: only strings are kept, the others have their sizes."""
    others = b"".join(
        (
            b"\x01a\x00",
            b"\x01b\x01",
            b"\x01c\x02x",
            b"\x01d\x03xx",
            b"\x01e\x04xxxx",
            b"\x01f\x05xxxxxxxx",
            b"\x01g\x06\x00\x03xyz",
            b"\x01h\x08xxxxxxxx",
            b"\x01i\x09" + b"x" * 16,
        )
    )
    named = others + header(":event-type", "messageStop") + header(":message-type", "event")
    assert decoded(framed(named, b'{"stopReason": "end_turn"}')) == [Finish("stop")]


def test_w22_a_payload_that_is_no_json_ends_decoding() -> None:
    """W22: under right checksums."""
    headers = header(":event-type", "messageStop") + header(":message-type", "event")
    events = decoded(framed(headers, b"{nope") + TEXT)
    assert [type(found) for found in events] == [Malformed]


def test_w32_unknown_events_are_counted_and_passed_over() -> None:
    """W32."""
    assert decoded(event("somethingNew", {"x": 1}) + TEXT) == [
        Unknown("somethingNew"),
        *decoded(TEXT),
    ]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({}, None),
        ({"inputTokens": 5, "outputTokens": 3}, Usage(input=5, output=3)),
        ({"inputTokens": None, "outputTokens": -1}, Usage()),
        ({"outputTokens": "3", "cacheReadInputTokens": 2}, Usage(cached=2)),
    ],
)
def test_w24_usage_is_taken_at_its_word_or_unknown(
    usage: dict[str, object], expected: Usage | None
) -> None:
    """W24: what is no count is unknown, never 0."""
    found = [e for e in decoded(event("metadata", {"usage": usage})) if isinstance(e, Usage)]
    assert found == ([expected] if expected is not None else [])


def botocores(stream: bytes) -> Iterator[tuple[dict[str, str], bytes]]:
    """What botocore reads."""
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    for message in buffer:
        yield message.headers, message.payload


@pytest.mark.parametrize("name", [name for name in CORPUS if name != "cut"])
def test_botocore_reads_the_corpus_as_we_do(name: str) -> None:
    """The oracle of the framing: the same number of messages, the same texts."""
    texts = [
        json.loads(payload)["delta"]["text"]
        for headers, payload in botocores(CORPUS[name])
        if headers.get(":event-type") == "contentBlockDelta"
        and "text" in json.loads(payload)["delta"]
    ]
    ours = [found.text for found in tokens(decoded(CORPUS[name])) if found.kind == "text"]
    assert ours == texts


def test_botocore_reads_what_the_simulator_frames() -> None:
    """And so do we."""
    frame = voice.frame(
        {":event-type": "messageStop", ":message-type": "event"}, b'{"stopReason":"end_turn"}'
    )
    assert [headers[":event-type"] for headers, _ in botocores(frame)] == ["messageStop"]
    assert decoded(frame) == [Finish("stop")]


def test_a_whole_answer_is_read() -> None:
    """Not streamed: content, reason, counts, time."""
    document = {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "x"}}},
                    {"text": "Hello"},
                    {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}},
                ],
            }
        },
        "stopReason": "tool_use",
        "usage": {"inputTokens": 5, "outputTokens": 3},
        "metrics": {"latencyMs": 10},
    }
    events = [
        e for _, e in bedrock.decode((json.dumps(document).encode(),), "application/json", 99)
    ]
    assert tokens(events) == [
        Delta("reasoning", "hm"),
        Delta("text", "Hello"),
        Delta("tool", "f"),
        Delta("tool", '{"a":1}'),
    ]
    assert Finish("tool_calls") in events
    assert Usage(input=5, output=3) in events


def test_error_bodies_have_a_type_and_a_message() -> None:
    """Either spelling; a page as it stands."""
    body = b'{"__type": "com.amazon#ThrottlingException", "Message": "slow"}'
    assert bedrock.read_error(body) == ServerError("ThrottlingException", "slow")
    assert bedrock.read_error(b"<html>") == ServerError("error", "<html>")


def test_an_end_after_the_reason_loses_nothing_but_counts() -> None:
    """The metadata may be missing."""
    assert decoded((START + delta(0, text="a") + end(0, "end_turn")).removesuffix(METADATA))[
        -1
    ] == Finish("stop")
    assert FAILED.endswith(THROTTLED)
