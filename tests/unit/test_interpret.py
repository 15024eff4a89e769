"""From recordings to records: stamps by byte offset, outcomes from a closed set. No sockets."""

import pathlib
from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import corpus
from tests.wire.corpus import DONE, chunk

from llm_latency_lens.interpret.interpret import Subject, interpret, subject_of
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.model.recording import Attempt, Ending, EndKind, Head, Marks, Recording
from llm_latency_lens.model.request import HttpRequest, Limits, Target, Url
from llm_latency_lens.transport.replay import ReplayTransport

SENT = 1000
SUBJECT = Subject(target="openai:m", dialect="openai_chat")
STREAM = (("content-type", "text/event-stream; charset=utf-8"),)


def recorded(
    body: bytes,
    cuts: tuple[int, ...] = (),
    kind: EndKind = EndKind.COMPLETE,
    head: Head | None = Head(200, STREAM),  # noqa: B008 - a frozen value
    kernel: bool = True,  # noqa: FBT001, FBT002 - a switch of this table
) -> Recording:
    """A recording of `body`, read in pieces that end at `cuts`; read i is stamped 2000 + 100 i."""
    rows = array("q")
    for index, end in enumerate([*cuts, len(body)] if body else []):
        at = 2000 + 100 * index
        rows.extend((end, at + 7, at if kernel else 0, at if kernel else at + 7))
    return Recording(
        marks=Marks(sent=SENT, ended=9999),
        ending=Ending(kind, "why"),
        head=head,
        body=body,
        reads=rows.tobytes(),
    )


def record(recording: Recording, subject: Subject = SUBJECT) -> Record:
    """Its record."""
    attempt = Attempt(
        number=1, phase="measure", worker=0, intended=900, dequeued=950, recording=recording
    )
    return interpret(attempt, subject)


def ends(stream: bytes) -> list[int]:
    """Where each event ends."""
    return [i + 2 for i in range(len(stream)) if stream[i : i + 2] == b"\n\n"]


def test_an_event_has_the_stamp_of_the_read_that_completed_it() -> None:
    """Each event in a read of its own: role 2000, tokens 2100 and 2200, the rest after."""
    found = record(recorded(corpus.OPENAI, tuple(ends(corpus.OPENAI)[:-1])))
    assert (found.first_byte, found.first_event, found.first_token, found.last_token) == (
        2000,
        2000,
        2100,
        2200,
    )
    assert (found.arrivals, found.arrival_events) == ((1100, 1200), (1, 1))
    assert (found.stamps, found.late) == ("kernel", 7)
    assert (found.model, found.fingerprint, found.response_id) == ("m", "fp_1", "chatcmpl-1")


def test_half_an_event_waits_for_the_read_with_its_end() -> None:
    """The first token's last byte comes with the third read."""
    role, token = ends(corpus.OPENAI)[:2]
    found = record(recorded(corpus.OPENAI, (role, token - 1, token)))
    assert found.first_token == 2200


def test_w7_tokens_of_one_read_share_its_stamp() -> None:
    """W7: one arrival that carried two token events."""
    found = record(recorded(corpus.OPENAI))
    assert (found.arrivals, found.arrival_events) == ((1000,), (2,))


def test_without_kernel_stamps_ours_are_used_and_it_says_so() -> None:
    """The user's stamp, and no word about its lateness."""
    found = record(recorded(corpus.OPENAI, kernel=False))
    assert (found.first_token, found.stamps, found.late) == (2007, "user", None)


def test_w5_pings_before_the_first_token_do_not_move_it() -> None:
    """W5: three comments first; they are counted."""
    stream = corpus.OPENROUTER
    found = record(recorded(stream, tuple(ends(stream)[:-1])))
    assert (found.pings, found.first_token, found.first_event) == (3, 2300, 2300)


def test_w26_reasoning_starts_ttft_and_text_starts_visible() -> None:
    """W26: two marks; hidden reasoning is told from streamed reasoning by the stream itself."""
    stream = corpus.DEEPSEEK
    found = record(recorded(stream, tuple(ends(stream)[:-1])))
    assert (found.first_kind, found.first_token, found.first_visible) == ("reasoning", 2100, 2300)
    assert (found.tokens.reasoning, found.tokens.source) == (2, "usage")


def test_w24_hidden_reasoning_is_marked() -> None:
    """W24: reasoning in the usage that was never streamed."""
    usage = {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 6}}
    found = record(recorded(chunk({"content": "a"}, "stop", usage=usage) + DONE))
    assert (found.tokens.output, found.tokens.reasoning, found.tokens.source) == (
        9,
        6,
        "usage_minus_hidden",
    )


def test_w24_without_usage_events_are_counted_and_it_says_so() -> None:
    """W24: input stays unknown, output is the number of chunks."""
    found = record(recorded(chunk({"content": "a"}) + chunk({"content": "b"}, "stop") + DONE))
    assert (found.tokens.input, found.tokens.output, found.tokens.source) == (None, 2, "chunks")


def test_w27_tools_alone_are_an_answer() -> None:
    """W27: the first tool delta starts TTFT; nothing is visible."""
    found = record(recorded(corpus.TOOLS))
    assert (found.outcome.kind, found.first_kind, found.first_visible) == (
        OutcomeKind.OK,
        "tool",
        None,
    )
    assert "tool_call" in found.flags


def test_w31_the_end_of_the_stream_is_not_the_last_token() -> None:
    """W31: usage and [DONE] come later, in reads of their own."""
    found = record(recorded(corpus.LLAMA_CPP, tuple(ends(corpus.LLAMA_CPP)[:-1])))
    assert found.last_token == 2100
    assert found.server_prompt == pytest.approx(0.0042)


NO_END = corpus.OPENAI.split(b"data: " + chunk({}, "stop")[6:20])[0][: ends(corpus.OPENAI)[2]]
CASES: dict[str, tuple[Recording, OutcomeKind, str]] = {
    "ok": (recorded(corpus.OPENAI), OutcomeKind.OK, ""),
    "w29 length is ok": (recorded(chunk({"content": "a"}, "length") + DONE), OutcomeKind.OK, ""),
    "w29 filtered": (
        recorded(chunk({"content": "a"}, "content_filter") + DONE),
        OutcomeKind.FILTERED,
        "content_filter",
    ),
    "w29 refused": (recorded(corpus.REFUSAL), OutcomeKind.FILTERED, "refusal"),
    "w15 error at once": (
        recorded(corpus.event({"error": {"message": "m", "type": "overloaded"}})),
        OutcomeKind.ERROR_IN_STREAM,
        "overloaded",
    ),
    "w15 error after tokens": (
        recorded(corpus.ERROR_INSIDE),
        OutcomeKind.ERROR_IN_STREAM,
        "server_error",
    ),
    "w15 error after finish": (
        recorded(chunk({"content": "a"}, "stop") + corpus.event({"error": "x"})),
        OutcomeKind.ERROR_IN_STREAM,
        "error",
    ),
    "w16 no end": (recorded(NO_END), OutcomeKind.TRUNCATED, "no_end"),
    "w16 finish without end marker": (
        recorded(chunk({"content": "a"}, "stop")),
        OutcomeKind.OK,
        "",
    ),
    "w17 cut in an event": (
        recorded(corpus.OPENAI[:300], kind=EndKind.TRUNCATED),
        OutcomeKind.TRUNCATED,
        "truncated",
    ),
    "w17 reset": (
        recorded(corpus.OPENAI[:300], kind=EndKind.RESET),
        OutcomeKind.TRUNCATED,
        "reset",
    ),
    "w17 reset after the end": (recorded(corpus.OPENAI, kind=EndKind.RESET), OutcomeKind.OK, ""),
    "w11 closed in an event": (
        recorded(corpus.OPENAI[:300], kind=EndKind.CLOSED),
        OutcomeKind.TRUNCATED,
        "inside_event",
    ),
    "w18 stalled": (
        recorded(corpus.OPENAI[:300], kind=EndKind.IDLE_TIMEOUT),
        OutcomeKind.STALLED,
        "idle_timeout",
    ),
    "w22 bad json": (recorded(b"data: {\n\n" + DONE), OutcomeKind.PROTOCOL_ERROR, "invalid_json"),
    "w8 endless": (
        recorded(b"data: x", kind=EndKind.EVENT_TOO_LARGE),
        OutcomeKind.PROTOCOL_ERROR,
        "event_too_large",
    ),
    "w41 html": (
        recorded(b"<html>", head=Head(200, (("content-type", "text/html"),))),
        OutcomeKind.PROTOCOL_ERROR,
        "content_type",
    ),
    "w41 a document instead of a stream": (
        recorded(
            b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}',
            head=Head(200, (("content-type", "application/json"),)),
        ),
        OutcomeKind.PROTOCOL_ERROR,
        "content_type",
    ),
    "w42 no token": (
        recorded(chunk({"role": "assistant"}) + chunk({}, "stop") + DONE),
        OutcomeKind.PROTOCOL_ERROR,
        "no_tokens",
    ),
    "w42 nothing at all": (recorded(b""), OutcomeKind.TRUNCATED, "no_end"),
    "w14 auth": (recorded(b"{}", head=Head(401)), OutcomeKind.ERROR_HTTP, "auth"),
    "w14 limited": (recorded(b"{}", head=Head(429)), OutcomeKind.ERROR_HTTP, "rate_limited"),
    "w14 bad request": (recorded(b"{}", head=Head(422)), OutcomeKind.ERROR_HTTP, "bad_request"),
    "w14 server": (recorded(b"{}", head=Head(502)), OutcomeKind.ERROR_HTTP, "server"),
    "w14 cut error": (
        recorded(b"{", head=Head(500), kind=EndKind.TRUNCATED),
        OutcomeKind.ERROR_HTTP,
        "server",
    ),
    "w13 redirect": (recorded(b"", head=Head(307)), OutcomeKind.ERROR_HTTP, "redirect"),
    "refused": (
        recorded(b"", head=None, kind=EndKind.REFUSED),
        OutcomeKind.ERROR_CONNECT,
        "refused",
    ),
    "stale": (
        recorded(b"", head=None, kind=EndKind.STALE_CONNECTION),
        OutcomeKind.ERROR_CONNECT,
        "stale_connection",
    ),
    "no answer": (
        recorded(b"", head=None, kind=EndKind.TRUNCATED),
        OutcomeKind.TRUNCATED,
        "truncated",
    ),
    "cancelled": (
        recorded(corpus.OPENAI[:300], kind=EndKind.CANCELLED),
        OutcomeKind.CANCELLED,
        "cancelled",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_outcomes(name: str) -> None:
    """Each way to end has its outcome and cause; the row ids are in the cases' names."""
    recording, kind, cause = CASES[name]
    found = record(recording).outcome
    assert (found.kind, found.cause) == (kind, cause)


def test_every_way_a_transport_ends_has_an_outcome() -> None:
    """Without a response head, none of them is ok."""
    kinds = {kind: record(recorded(b"", head=None, kind=kind)).outcome.kind for kind in EndKind}
    assert OutcomeKind.OK not in kinds.values()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((("retry-after", "7"),), 7.0),
        (
            (
                ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT"),
                ("date", "Wed, 21 Oct 2026 07:28:00 GMT"),
            ),
            30.0,
        ),
        ((("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT"),), None),
        ((("retry-after", "soon"),), None),
        ((), None),
    ],
)
def test_w14_retry_after_in_both_forms(
    headers: tuple[tuple[str, str], ...], seconds: float | None
) -> None:
    """W14: seconds, or a date against the response's own."""
    assert record(recorded(b"", head=Head(429, headers))).retry_after == seconds


def test_server_time_headers_are_read() -> None:
    """Milliseconds in a header, seconds in the record: of a stream, until the response began."""
    head = Head(200, (*STREAM, ("openai-processing-ms", "250")))
    found = record(recorded(corpus.OPENAI, head=head))
    assert found.server_until_response == pytest.approx(0.25)
    assert found.server_total is None


def test_x2_x10_a_peers_words_are_cleaned() -> None:
    """X2, X10: no key, no escape sequence, no line break, not too long."""
    target = Target(
        provider="openai",
        dialect="openai_chat",
        model="m",
        base_url=Url("http", "h", 80),
        headers=(("Authorization", "Bearer sk-canary-123456"),),
    )
    subject = subject_of(target, Limits(), streamed=True)
    words = (
        '{"error":{"message":"key sk-canary-123456 \\u001b]8;;x\\u0007 bad\\r\\nX: y '
        + "z" * 500
        + '"}}'
    )
    detail = record(recorded(words.encode(), head=Head(401)), subject).outcome.detail
    assert "canary" not in detail
    assert detail.isprintable()
    assert len(detail) <= 300


@given(st.sampled_from(list(corpus.CORPUS)), st.lists(st.integers(0, 2000), max_size=6))
def test_cuts_change_stamps_and_nothing_else(name: str, cuts: list[int]) -> None:
    """However the bytes were read, the same tokens, outcome and words."""
    body = corpus.CORPUS[name]
    edges = tuple(sorted({min(cut, len(body)) for cut in cuts if cut}))
    whole, other = record(recorded(body)), record(recorded(body, edges))
    assert (whole.outcome, whole.flags) == (other.outcome, other.flags)
    # How many tokens came with the first read is a matter of the reads.
    counts = [msgspec.structs.replace(one.tokens, first=0.0, rest=None) for one in (whole, other)]
    assert counts[0] == counts[1]
    assert whole.characters == other.characters
    assert sum(whole.arrival_events) == sum(other.arrival_events)


async def test_the_replay_transport_answers_in_order_and_says_when_it_is_empty() -> None:
    """The one fake: recordings in order, requests kept."""
    replay = ReplayTransport([recorded(corpus.OPENAI)])
    request = HttpRequest(method="POST", url=Url("http", "h", 80), headers=())
    assert (await replay.exchange(request, Limits())).body == corpus.OPENAI
    assert replay.requests == [request]
    with pytest.raises(LookupError):
        await replay.exchange(request, Limits())


def test_w24_a_count_of_nothing_is_not_believed_where_tokens_came() -> None:
    """W24: usage 0 beside two token events contradicts itself: events are counted, and it says so."""
    usage = {"prompt_tokens": 0, "completion_tokens": 0}
    body = chunk({"content": "a"}) + chunk({"content": "b"}, "stop", usage=usage) + DONE
    found = record(recorded(body))
    assert (found.tokens.input, found.tokens.output, found.tokens.source) == (None, 2, "chunks")
    assert "usage_contradictory" in found.flags


def test_an_interpretation_that_fails_is_a_protocol_error_of_this_record(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin's decoder raises before or after its first event, or is not there: the run goes on."""
    decoders = {
        "at_once": "def decode(body, content_type, max_event): raise KeyError('tok')",
        "later": "def decode(body, content_type, max_event):\n    yield 1, Delta('text', 'a')\n    raise MemoryError('sk-canary-1234')",
        "nonsense": "def decode(body, content_type, max_event): return [(1, object())]",
        "no_iterator": "def decode(body, content_type, max_event): return 7",
    }  # fmt: skip
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, code in decoders.items():
        facts = "streams = has_end_marker = True\nsettings = {}\n"
        words = f"from llm_latency_lens.model.events import Delta\n{facts}{code}\n"
        (tmp_path / f"broken_{name}.py").write_text(words)
        subject = Subject(target="x:m", dialect=f"broken_{name}", secrets=("sk-canary-1234",))
        found = record(recorded(corpus.OPENAI), subject)
        assert (found.outcome.kind, found.outcome.cause) == (
            OutcomeKind.PROTOCOL_ERROR,
            "interpretation",
        )
        assert "could not be interpreted" in found.outcome.detail
        assert "canary" not in found.outcome.detail
        assert (found.number, found.marks.sent, found.body_bytes) == (1, SENT, len(corpus.OPENAI))
    missing = record(recorded(corpus.OPENAI), Subject(target="x:m", dialect="no_such_module"))
    assert missing.outcome.cause == "interpretation"


@pytest.mark.parametrize(
    "value", ["9" * 400, "1e308", "1e400", "-1", "nan", "9" * 400 + "s", "1" * 400 + "h2m", "∞", ""]
)
def test_headers_with_hostile_numbers_are_unknown(value: str) -> None:
    """A header of 400 digits is no number; whatever is read can be stored and added up."""
    names = (
        "retry-after", "retry-after-ms", "openai-processing-ms", "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-tokens", "x-ratelimit-reset-requests", "anthropic-ratelimit-tokens-reset",
    )  # fmt: skip
    headers = (*STREAM, *((name, value) for name in names), ("server-timing", f"total;dur={value}"))
    found = record(recorded(corpus.OPENAI, head=Head(200, headers)))
    assert found.outcome.kind is OutcomeKind.OK
    assert msgspec.json.decode(msgspec.json.encode(found))["retry_after"] in {None, 0.0}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Record) == found
    seconds = (found.retry_after, found.server_until_response)
    assert all(value is None or value <= 1e12 for value in seconds)


@pytest.mark.parametrize("count", [10**400, 1e308, -1, 2**60, "9" * 50, None, [1], True])
def test_counts_of_any_size_in_bodies_do_no_harm(count: object) -> None:
    """Usage, timings and indices that no 64-bit number holds are unknown."""
    usage = {"prompt_tokens": count, "completion_tokens": count, "total_tokens": count}
    timings = {"prompt_ms": count, "predicted_ms": count, "predicted_n": count}
    last = corpus.event({"id": "x", "choices": [], "usage": usage, "timings": timings})
    odd = corpus.event({"choices": [{"index": count, "delta": {"content": "b"}}]})
    body = chunk({"content": "a"}) + odd + chunk({}, "stop") + last + DONE
    found = record(recorded(body))
    assert found.outcome.kind is OutcomeKind.OK
    assert found.tokens.output is not None
    assert found.tokens.output <= 2
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Record) == found
