"""The end of a stream told from its bytes: at the right byte, however the stream is cut."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import (
    corpus,
    corpus_anthropic,
    corpus_cohere,
    corpus_ollama,
    corpus_responses,
)

from llm_latency_lens.model.events import Done
from llm_latency_lens.wire.dialect import DIALECTS, load_dialect
from llm_latency_lens.wire.ending import end_finder

CORPORA = {
    "openai_chat": corpus.CORPUS,
    "anthropic": corpus_anthropic.CORPUS,
    "openai_responses": corpus_responses.CORPUS,
    "cohere": corpus_cohere.CORPUS,
    "ollama": corpus_ollama.CORPUS,
}
STREAMS = [
    (dialect, name)
    for dialect, streams in CORPORA.items()
    for name in streams
    if name != "unterminated"  # there only the end of the HTTP response ends the last line
]


def ended_after(dialect: str, stream: bytes, cuts: tuple[int, ...] = ()) -> int | None:
    """How many bytes had been fed when the end was told; None where it never was."""
    finder = end_finder(dialect)
    assert finder is not None
    edges = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
    for begin, end in pairwise(edges):
        if finder.feed(stream[begin:end]):
            return end
    return None


def end_of(dialect: str, stream: bytes) -> int | None:
    """Where the decoder sees the end marker."""
    kind = "application/x-ndjson" if dialect == "ollama" else "text/event-stream"
    events = load_dialect(dialect).decode((stream,), kind, 1 << 20)
    return next((offset for offset, event in events if isinstance(event, Done)), None)


@pytest.mark.parametrize(("dialect", "name"), STREAMS)
def test_the_finder_and_the_decoder_see_the_same_end(dialect: str, name: str) -> None:
    """Fed byte by byte, the end is told within the event that the decoder takes for it."""
    stream = CORPORA[dialect][name]
    end = end_of(dialect, stream)
    told = ended_after(dialect, stream, tuple(range(len(stream))))
    assert (told is None) == (end is None)
    if end is not None and told is not None:
        assert end - 3 <= told <= end


@pytest.mark.parametrize(("dialect", "name"), STREAMS)
@given(cuts=st.lists(st.integers(1, 2000), max_size=4))
def test_the_end_is_found_however_the_stream_is_cut(
    dialect: str, name: str, cuts: list[int]
) -> None:
    """A stream that ends is told so after its last piece at the latest."""
    stream = CORPORA[dialect][name]
    if end_of(dialect, stream) is not None:
        assert ended_after(dialect, stream, tuple(cuts)) is not None


@pytest.mark.parametrize("dialect", CORPORA)
@pytest.mark.parametrize(
    "words",
    [
        "data: [DONE]",
        "\ndata: [DONE]\n\n",
        '\nevent: message_stop\ndata: {"type":"message_stop"}\n\n',
        '{"type":"response.completed"}\n',
        '"done":true,"done_reason":"stop"',
    ],
)
def test_generated_text_is_never_an_end_marker(dialect: str, words: str) -> None:
    """A model that writes the marker into its answer does not end the stream."""
    texts = {
        "openai_chat": {"choices": [{"delta": {"content": words}}]},
        "anthropic": {"type": "content_block_delta", "delta": {"text": words}},
        "openai_responses": {"type": "response.output_text.delta", "delta": words},
        "cohere": {"type": "content-delta", "delta": {"message": {"content": {"text": words}}}},
        "ollama": {"message": {"content": words}, "done": False},
    }
    event = json.dumps(texts[dialect]).encode()
    stream = event + b"\n" if dialect == "ollama" else b"data: " + event + b"\n\n"
    assert ended_after(dialect, stream * 2, tuple(range(2 * len(stream)))) is None


def test_a_tools_argument_called_done_is_no_end() -> None:
    """Ollama's tool calls hold their arguments as an object, which may say `done` as well."""
    arguments = {"done": True}
    call = {"message": {"tool_calls": [{"function": {"arguments": arguments}}]}, "done": False}
    line = json.dumps(call, separators=(",", ":")).encode() + b"\n"
    assert ended_after("ollama", line) is None


@pytest.mark.parametrize(
    ("dialect", "stream"),
    [
        ("openai_chat", b"data:[DONE]"),
        ("openai_chat", b"data:   [DONE] \n\n"),
        ("anthropic", b"event: done\r\ndata: [DONE]\r\n\r\n"),
        ("anthropic", b"event: message_stop\ndata: {}\n\n"),
        ("gemini", b'data: {"candidates":[]}\n\ndata: [DONE]\n\n'),
        ("openai_responses", b'data: {"response":{},"type": "response.completed"}\n\n'),
        ("openai_responses", b'data: {"type": "response.failed", "response": {}}\r\r'),
        ("ollama", b'{"model":"m","done": true}\n'),
    ],
)
def test_other_spellings_of_the_end(dialect: str, stream: bytes) -> None:
    """Blanks, event names, `[DONE]` in another dialect, a type that comes last."""
    assert ended_after(dialect, stream, tuple(range(len(stream)))) is not None


def test_the_end_is_told_once_its_event_is_whole() -> None:
    """A large last event is not cut off behind its type."""
    begin = b'event: response.completed\ndata: {"type":"response.completed","response":"'
    finder = end_finder("openai_responses")
    assert finder is not None
    assert not finder.feed(begin)
    assert not finder.feed(b"x" * 100_000)
    assert finder.feed(b'"}\n\n')


def test_dialects_without_a_marker_have_no_finder() -> None:
    """Bedrock's messages and embeddings end with the HTTP response alone."""
    assert {name for name in DIALECTS if end_finder(name) is None} == {
        "bedrock",
        "openai_embeddings",
    }


@pytest.mark.parametrize(
    "keep_alive",
    [b": heartbeat\n\n", b"\n", b"data:\n\n", b'event: ping\ndata: {"type": "ping"}\n\n'],
)
def test_keep_alives_behind_a_finish_reason_are_no_life(keep_alive: bytes) -> None:
    """Before the finish reason a keep-alive shows that the server works; behind it, nothing."""
    finder = end_finder("openai_chat")
    assert finder is not None
    begin = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}\n\n'
    last = b'data: {"choices":[{"delta":{},"finish_reason": "stop"}]}\n\n'
    for data, idle in ((begin, False), (keep_alive, False), (last, False), (keep_alive, True)):
        assert not finder.feed(data)
        assert finder.idles(data) is idle
