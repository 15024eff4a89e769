"""Records of responses that are given as bytes, for tests of how they are read."""

from array import array
from typing import Any

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
