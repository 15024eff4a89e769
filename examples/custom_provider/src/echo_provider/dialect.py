"""The language: POST /say {"say": TEXT}; the answer is a line of JSON for each token, and {"end": true}."""

import json
from collections.abc import Iterable, Iterator

from llm_latency_lens.model.events import (
    Delta,
    Done,
    Finish,
    Malformed,
    ServerError,
    StreamEvent,
    Usage,
)
from llm_latency_lens.model.request import HttpRequest, Request, Target
from llm_latency_lens.wire.json_lines import TOO_LARGE, lines
from llm_latency_lens.wire.json_object import BadJsonError, count_of, read_object, text_of
from llm_latency_lens.wire.json_request import merged, named_settings, post

streams = True
has_end_marker = True
settings: dict[str, str] = {}
"""It knows no settings: whatever is asked for beside the text is refused before anything is sent."""


def encode(request: Request, target: Target) -> HttpRequest:
    """The last message is what is to be said."""
    body = {"say": request.messages[-1].content, "model": target.model}
    body = merged(body, named_settings(request, settings, target.provider), request.extra)
    return post(target, "/say", body, "application/x-ndjson")


def decode(
    body: Iterable[bytes], content_type: str, max_event: int
) -> Iterator[tuple[int, StreamEvent]]:
    """Each event with the offset behind its last byte; what breaks the rules ends it as Malformed."""
    if content_type != "application/x-ndjson":
        yield sum(map(len, body)), Malformed(f"content_type: {content_type!r}")
        return
    for offset, line, _ in lines(body, max_event):
        if line is TOO_LARGE:
            yield offset, Malformed("event_too_large: a line is too long")
            return
        try:
            value, _ = read_object(line)
        except BadJsonError as error:
            yield offset, Malformed(f"invalid_json: {error}")
            return
        token = text_of(value, "token")
        if token:
            yield offset, Delta("text", token)
        elif value.get("end") is True:
            yield offset, Finish("stop")
            yield offset, Usage(output=count_of(value, "tokens"))
            yield offset, Done()


def read_error(body: bytes) -> ServerError:
    """Errors are plain text here."""
    return ServerError("error", json.dumps(body[:200].decode("utf-8", "replace")))
