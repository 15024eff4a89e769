"""A provider's language is a pair of pure functions; a dialect is a module that has them.

`decode` must give the same events however its input is cut, and must never raise for what a server
sent: bytes that break the rules become one `Malformed` event, and decoding ends.
"""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Protocol, cast

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.events import ServerError, StreamEvent
from llm_latency_lens.model.request import HttpRequest, Request, Target

DIALECTS = {
    "openai_chat": "llm_latency_lens.wire.openai_chat",
    "openai_responses": "llm_latency_lens.wire.openai_responses",
    "anthropic": "llm_latency_lens.wire.anthropic",
    "gemini": "llm_latency_lens.wire.gemini",
    "ollama": "llm_latency_lens.wire.ollama",
    "bedrock": "llm_latency_lens.wire.bedrock",
    "cohere": "llm_latency_lens.wire.cohere",
    "openai_embeddings": "llm_latency_lens.wire.openai_embeddings",
}

_PARTS = ("encode", "decode", "read_error", "streams", "has_end_marker", "settings")


class Dialect(Protocol):
    """The two directions of one provider's wire format, and facts about it.

    Attributes:
        streams: whether its answers can be streamed.
        has_end_marker: whether a stream ends with a marker; else a finish reason ends it.
        settings: the settings of a Request that it has a name for, and that name.
    """

    @property
    def streams(self) -> bool: ...  # noqa: D102 - described above
    @property
    def has_end_marker(self) -> bool: ...  # noqa: D102 - described above
    @property
    def settings(self) -> Mapping[str, str]: ...  # noqa: D102 - described above

    def encode(self, request: Request, target: Target) -> HttpRequest:
        """Write the wish as this provider's HTTP request."""
        ...

    def decode(
        self, body: Iterable[bytes], content_type: str, max_event: int
    ) -> Iterator[tuple[int, StreamEvent]]:
        """Read a 2xx response body.

        Args:
            body: the body in pieces, cut anywhere.
            content_type: media type in lower case, without parameters ("" where none was sent).
            max_event: cap on one event's size in bytes.

        Yields:
            The offset in the body just behind the event's last byte, and the event.
        """
        ...

    def read_error(self, body: bytes) -> ServerError:
        """Read the body of a response with an error status: the provider's type and message."""
        ...


@cache
def load_dialect(name: str) -> Dialect:
    """Return the dialect of this name or import path; no other is imported.

    Raises:
        UsageError: the module lacks something that a dialect has.
    """
    module = importlib.import_module(DIALECTS.get(name, name))
    missing = [part for part in _PARTS if not hasattr(module, part)]
    if missing:
        raise UsageError(f"{name} is not a dialect: it has no {', '.join(missing)}")
    return cast("Dialect", module)
