"""Noise around an answer: keep-alives, end markers of others, broken text, missing blank lines."""

import pytest
from tests.support.responses import OK, PROTOCOL, chat, read
from tests.wire import corpus_anthropic, corpus_gemini, corpus_responses
from tests.wire.corpus import DONE, chunk, event

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
    [
        b"data: [DONE]\n\n",
        b"data: [DONE] \n\n",
        b"event: done\ndata:  [DONE]\n\n",
        b"[DONE]\n\n",
        b"data: [DONE]",
        b'data: "[DONE]"\n\n',
    ],
)
@pytest.mark.parametrize(
    "dialect", ["openai_chat", "anthropic", "openai_responses", "gemini", "cohere"]
)
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
    for garbage in (
        b"",
        b"data: null\n\n",
        b"data: {broken\n\n",
        b"<html>",
        b'data: {"error":"x"}\n\n',
    ):
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
        dialect = {chat(): "openai_chat", corpus_anthropic.TEXT: "anthropic"}.get(
            stream, "openai_responses"
        )
        single = stream.replace(b"\n\n", b"\n")
        found, whole = read(dialect, single), read(dialect, stream)
        assert found.outcome == whole.outcome
        assert found.tokens == whole.tokens
