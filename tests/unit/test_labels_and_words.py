"""Bodies under wrong labels, and what is quoted of responses that are no answers."""

import gzip
import json

import pytest
from tests.support.responses import (
    FILTERED,
    OK,
    PROTOCOL,
    SSE,
    TRUNCATED,
    chat,
    read,
)
from tests.wire import corpus_ollama
from tests.wire.corpus import DONE, chunk, event

from llm_latency_lens.model.record import OutcomeKind
from llm_latency_lens.model.recording import EndKind


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
def test_w41_a_stream_is_read_under_any_label(content_type: str | None, flagged: bool) -> None:  # noqa: FBT001
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
        (
            b"<html><head><style>" + b"x" * 900 + b"</style></head><body>Log in, please</body>",
            "text/html",
            "Log in, please",
        ),
        (b"upstream connect error or disconnect/reset", "text/plain", "upstream connect error"),
        (b"upstream connect error or disconnect/reset", SSE, "upstream connect error"),
        (chunk({"content": "a"}) + b"upstream error: read ECONNRESET\n\n", SSE, "ECONNRESET"),
        (chunk({"role": "assistant"}) + DONE, SSE, '"role"'),
        (b'{"foo": "the answer is elsewhere"}', "application/json", "the answer is elsewhere"),
        (b'{"choices":[]}', "application/json", "choices"),
        (b"", SSE, "without a finish reason"),
        (b"", "text/html", "an empty body"),
        (b'"just a string"', "application/json", "just a string"),
        (b"[]", "application/json", "[]"),
    ],
)
def test_w41_the_servers_own_words_are_in_the_detail(
    body: bytes, content_type: str, words: str
) -> None:
    """W41: a 200 that is no answer says what it is."""
    record = read("openai_chat", body, content_type)
    assert record.outcome.kind not in {OK, FILTERED}
    assert words in record.outcome.detail


def test_w17_words_before_a_connection_broke_are_in_the_detail() -> None:
    """W17: a gateway says why, then the connection is reset inside the response."""
    broken = read("openai_chat", b"upstream prematurely closed", ending=EndKind.TRUNCATED)
    assert broken.outcome.kind is TRUNCATED
    assert "upstream prematurely closed" in broken.outcome.detail


def test_x14_generated_text_is_not_quoted() -> None:
    """X14: a stream that breaks off after tokens is no reason to keep the answer's text."""
    record = read("openai_chat", chunk({"content": "private words"}))
    assert record.outcome.kind is TRUNCATED
    assert "private" not in record.outcome.detail


def test_x2_quoted_words_are_scrubbed_and_cleaned() -> None:
    """X2, X10: keys, control characters, bidi controls; in details, causes and finish reasons."""
    secrets = ("sk-canary-1234",)
    texts = (
        read(
            "openai_chat",
            b"no\x1b[31m sk-canary-1234 \xd8\x9c\xe2\x80\xae here",
            "text/plain",
            secrets=secrets,
        ),
        read("openai_chat", chat(finish="x sk-canary-1234\u061c\u202e"), secrets=secrets),
        read(
            "openai_chat",
            event({"error": {"type": "sk-canary-1234", "message": "sk-canary-1234"}}),
            secrets=secrets,
        ),
    )
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
)
def test_w14_one_error_reader_for_all_dialects(body: bytes, words: str) -> None:
    """W14: the words of an error status, whatever wrote them."""
    dialects = (
        "openai_chat",
        "anthropic",
        "gemini",
        "cohere",
        "bedrock",
        "ollama",
        "openai_embeddings",
    )
    for dialect in dialects:
        record = read(dialect, body, "application/json", status=429)
        assert (record.outcome.kind, record.outcome.cause) == (
            OutcomeKind.ERROR_HTTP,
            "rate_limited",
        )
        assert words in record.outcome.detail


def test_w13_a_redirect_names_its_target() -> None:
    """W13: without the query, which may be a key."""
    location = (("location", "https://new.example.com/v1/x?key=abc"),)
    record = read("openai_chat", b"", status=307, headers=location)
    assert record.outcome.cause == "redirect"
    assert "https://new.example.com/v1/x" in record.outcome.detail
    assert "abc" not in record.outcome.detail


def test_a_document_where_a_stream_was_asked_for_is_told() -> None:
    """One JSON document is no stream, whatever its label; unstreamed, it is the answer."""
    body = json.dumps(
        {"id": "x", "choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}]}
    ).encode()
    for content_type in ("application/json", SSE, "text/plain"):
        record = read("openai_chat", body, content_type)
        assert (record.outcome.kind, record.outcome.cause) == (PROTOCOL, "content_type")
        assert read("openai_chat", body, content_type, streamed=False).outcome.kind is OK
