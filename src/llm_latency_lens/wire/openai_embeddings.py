"""OpenAI's embeddings, as compatible servers speak them too: one document with a vector for each input.

There is no stream and no generated token: what is timed is the whole answer.
"""

import base64
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.events import Finish, Identity, StreamEvent, Vectors
from llm_latency_lens.model.request import HttpRequest, Request, Target
from llm_latency_lens.wire.billing import billing_of
from llm_latency_lens.wire.json_object import objects_of, text_of
from llm_latency_lens.wire.json_request import merged, named_settings, post
from llm_latency_lens.wire.json_stream import decode_body, read_json
from llm_latency_lens.wire.reader import Decoded
from llm_latency_lens.wire.server_error import error_in, explicit_error, read_error_body
from llm_latency_lens.wire.usage import usage_of

streams = False
has_end_marker = False
read_error = read_error_body
settings: dict[str, str] = {}
_BYTES_A_NUMBER = 4


def encode(request: Request, target: Target) -> HttpRequest:
    """POST `{base_url}/embeddings` with the text of the user's messages.

    Raises:
        UsageError: a setting or tool that embeddings can't have.
    """
    if request.tools:
        raise UsageError("embeddings take no tools; leave --tools out")
    texts = [m.content for m in request.messages if m.role != "system"]
    body = {"model": target.model, "input": texts[0] if len(texts) == 1 else texts}
    body = merged(body, named_settings(request, settings, target.provider), request.extra)
    return post(target, "/embeddings", body, "application/json")


def decode(body: Iterable[bytes], content_type: str, max_event: int) -> Iterator[Decoded]:
    """Read a 2xx body: one document."""
    return decode_body(body, content_type, max_event, _EmbeddingsReader())


class _EmbeddingsReader:
    """Reads the one document."""

    __slots__ = ("broken",)

    def __init__(self) -> None:
        self.broken = False

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:  # noqa: ARG002 - no names here
        """The events of one object."""
        return read_json(self, data, lambda value: tuple(_events(value)))

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """The events of the whole answer."""
        return self.read(data, "")


def _events(value: dict[str, Any]) -> Iterator[StreamEvent]:
    error = explicit_error(value) if "data" in value else error_in(value)
    if error is not None:
        yield error
        return
    yield Identity(text_of(value, "model"), None, text_of(value, "id"))
    sizes = [_dimensions(item.get("embedding")) for item in objects_of(value, "data")]
    if any(sizes):
        yield Vectors(len(sizes), max(sizes))
    usage = usage_of(value.get("usage"))
    if usage is not None:
        yield msgspec.structs.replace(usage, output=0)
    yield from billing_of(value.get("usage"))
    yield Finish("stop")


def _dimensions(vector: object) -> int:
    if isinstance(vector, list):
        return len(vector)
    if not isinstance(vector, str):
        return 0
    try:
        return len(base64.b64decode(vector, validate=True)) // _BYTES_A_NUMBER
    except ValueError:
        return 0
