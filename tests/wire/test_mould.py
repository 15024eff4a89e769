"""Events read many at a time mean what they mean one by one."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.events import one_by_one
from tests.wire import corpus_anthropic
from tests.wire.corpus import CORPUS, DONE, chunk
from tests.wire.reference_sse import parse

from llm_latency_lens.model.events import BadText, Delta, Deltas, Malformed, StreamEvent, Unknown
from llm_latency_lens.wire import anthropic, openai_chat
from llm_latency_lens.wire.json_object import BadJsonError, read_object
from llm_latency_lens.wire.json_stream import decode_body

STREAM = "text/event-stream"
CAP = 1 << 20


class Reader:
    """A dialect of one field: `t` is text. Where `apart`, no event comes alone, so that none is a mould."""

    def __init__(self, *, apart: bool = False) -> None:
        self.broken = False
        self.seen = 0
        self._apart = apart

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:
        """A delta, or what else it is; breaks on what is no JSON."""
        self.seen += 1
        events = list(self._events(data, kind))
        return [*events, Unknown("apart")] if self._apart else events

    def _events(self, data: bytes, kind: str) -> Iterable[StreamEvent]:
        try:
            value, replaced = read_object(data)
        except BadJsonError:
            self.broken = data.startswith(b"end")
            yield Malformed("json")
            return
        if replaced:
            yield BadText(replaced)
        text = value.get("t")
        yield Delta("text", text) if isinstance(text, str) and text else Unknown(kind)

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """Never asked."""
        raise NotImplementedError(data)


class Counted(Reader):
    """Counts how often it was copied for a probe."""

    copies = 0

    def __copy__(self) -> "Counted":
        Counted.copies += 1
        return Counted()


def together(body: bytes, cap: int = CAP) -> list[tuple[int, StreamEvent]]:
    """Every event of a body, read with moulds."""
    return list(one_by_one(decode_body((body,), STREAM, cap, Reader())))


def apart(body: bytes, cap: int = CAP) -> list[tuple[int, StreamEvent]]:
    """Every event of a body, read without."""
    found = decode_body((body,), STREAM, cap, Reader(apart=True))
    return [one for one in found if one[1] != Unknown("apart")]


def event(text: str, *, end: str = "\n", name: str = "", ascii_only: bool = False, **more: str) -> bytes:  # fmt: skip
    """One event with a text."""
    named = f"event: {name}{end}" if name else ""
    said = json.dumps({"a": 1, "t": text, **more}, ensure_ascii=ascii_only)
    return f"{named}data: {said}{end}{end}".encode("utf-8", "surrogatepass")


ODD = (
    b": ping\n\n",
    b": ping\n",
    b"\n",
    b"event: other\n",
    b"data: [DONE]\n\n",
    b"data: end\n\n",
    b"hello\n\n",
    b'data: {"a": 1, "t": ""}\n\n',
    b'data: {"a": 1, "t": "\xff"}\n\n',
    b'data: {"a": 1, "t": "\xed\xa0\x80"}\n\n',
    b'data: {"a": 1, "t": "x\x01y"}\n\n',
    b'data: {"a": 1, "t": "x\ty"}\n\n',
    b'data: {"a": 1, "t": "\\ud83d"}\n\n',
    b'data: {"a": 1, "t": "\\ud83d\\ude00"}\n\n',
    b'data: {"a": 1, "t": "\\x"}\n\n',
    b'data: {"a": 1, "t": "x", "t": "y"}\n\n',
    b'data: {"a": 1, "t": "x"y"}\n\n',
    b'data: {"a": 1, "t": "\\u0041", "z": "A"}\n\n',
    b'data: {"a": 1, "t": "x"}\n',
    b'data: {"a": 1, "t": "x"}\r\n\r\n',
    b'data: {"a": 1, "t": "x"}\r\r',
    b'"}\n\n',
    b'x"}\n\n',
    b"\xef\xbb\xbf",
    b'data: {"a": 1, "t": "cut',
)
EVENTS = st.builds(
    event,
    st.text(max_size=6) | st.sampled_from(["w", " word", "a", "t", 'q"q', "\\", "\n", "é", "😀"]),
    end=st.sampled_from(["\n", "\n", "\r\n"]),
    name=st.sampled_from(["", "", "delta"]),
    ascii_only=st.booleans(),
)
RUNS = st.builds(lambda one, times: one * times, EVENTS, st.integers(1, 20))
BODIES = st.lists(RUNS | EVENTS | st.sampled_from(ODD), max_size=12).map(b"".join)


@settings(max_examples=600)
@given(BODIES, st.sampled_from([CAP, CAP, 40, 60]))
@example(b'data: {"a": 1, "t": "x"}\n\nx"}\n\n' * 2, CAP)
@example(event("w") * 2 + b'data: {"a": 1, "t": "cut\n' + event("w") * 2, CAP)
@example(event("w") + event(""), CAP)
@example(event("w") + event("") * 2 + event("w"), CAP)
@example(event("w") * 3 + event("w" * 40) + event("w"), 40)
@example(event("w") * 3 + b": ping\n\n" + event("w") * 3, CAP)
def test_what_is_read_together_is_what_is_read_one_by_one(body: bytes, cap: int) -> None:
    """Whatever stands between the events, and wherever they end."""
    assert together(body, cap) == apart(body, cap)


@given(BODIES, st.integers(0, 400), st.binary(max_size=3))
def test_the_same_where_bytes_were_spoilt(body: bytes, at: int, spoilt: bytes) -> None:
    """Bytes in the middle of what looked like a run."""
    body = body[:at] + spoilt + body[at + 1 :]
    assert together(body) == apart(body)


@given(st.lists(st.text(min_size=1, max_size=8).filter(lambda text: text.isprintable()), max_size=40))  # fmt: skip
def test_the_texts_are_those_of_a_parser_of_its_own(texts: list[str]) -> None:
    """Against a slow SSE parser and the standard library's JSON."""
    body = b"".join(event(text) for text in texts)
    expected = [json.loads(data)["t"] for _, data in parse(body)]
    assert [one.text for _, one in together(body) if isinstance(one, Delta)] == expected == texts


def test_most_of_a_stream_is_read_together() -> None:
    """The reader sees the first event, a probe, and what fits no mould."""
    reader = Reader()
    body = event("first") + b"".join(event(f" w{i}") for i in range(5000))
    found = list(decode_body((body,), STREAM, CAP, reader))
    assert sum(len(one.ends) for _, one in found if isinstance(one, Deltas)) == 5000
    assert reader.seen == 1


def test_a_probe_leaves_no_trace_in_the_reader() -> None:
    """The text stands once, but where the model is told: the probe finds that out on a copy."""
    told = json.dumps({"id": "c", "model": "w", "choices": [{"index": 0, "delta": {"content": "w"}}]})  # fmt: skip
    escaped = told.replace('"content": "w"', '"content": "\\u0077"')
    body = b"".join(b"data: " + line.encode() + b"\n\n" for line in (told, escaped, told)) + DONE
    found = [one for _, one in one_by_one(openai_chat.decode((body,), STREAM, CAP))]
    assert [type(one).__name__ for one in found] == ["Identity", "Delta", "Delta", "Delta", "Done"]


def test_a_body_whose_events_are_all_different_is_given_up() -> None:
    """Numbered events are read one by one, and nobody goes on trying."""
    body = b"".join(event("w", n=str(i)) for i in range(100))
    reader = Counted()
    found = list(decode_body((body,), STREAM, CAP, reader))
    assert not [one for _, one in found if isinstance(one, Deltas)]
    assert len(found) == 100
    assert 1 <= Counted.copies <= 4


@pytest.mark.parametrize("times", [1, 40])
def test_dialects_with_more_than_one_line_an_event(times: int) -> None:
    """Anthropic's events have a name, and two kinds of block follow each other."""
    blocks = [("thinking_delta", "thinking"), ("text_delta", "text")]
    body = corpus_anthropic.start(input_tokens=1)
    for index, (kind, key) in enumerate(blocks):
        body += corpus_anthropic.delta(kind, key, " word", index) * times
    found = [one for _, one in one_by_one(anthropic.decode((body,), STREAM, CAP))]
    kinds = [one.kind for one in found if isinstance(one, Delta)]
    assert kinds == ["reasoning"] * times + ["text"] * times


@pytest.mark.parametrize("name", sorted(set(CORPUS) - {"bom"}))
def test_a_known_stream_with_long_runs_has_the_same_end(name: str) -> None:
    """A run of deltas before a real server's stream changes nothing about the rest."""
    run = chunk({"content": " word"}) * 50
    alone = [one for _, one in one_by_one(openai_chat.decode((CORPUS[name],), STREAM, CAP))]
    both = [one for _, one in one_by_one(openai_chat.decode((run + CORPUS[name],), STREAM, CAP))]
    tail = alone[-2:]
    assert both[-len(tail) :] == tail
    assert sum(isinstance(one, Delta) for one in both) == 50 + sum(isinstance(one, Delta) for one in alone)  # fmt: skip
