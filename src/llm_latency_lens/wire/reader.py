"""What a dialect brings to a stream of objects: a reader that gives each of them its meaning."""

from collections.abc import Iterable
from typing import Protocol

from llm_latency_lens.model.events import StreamEvent

Decoded = tuple[int, StreamEvent]
"""An event and the offset of the first byte behind it."""


class Reader(Protocol):
    """One dialect's reading of one response; `broken` is set where nothing can follow."""

    broken: bool

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:
        """The events of one object; `kind` is the SSE event's name, if it has one."""
        ...

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """The events of a whole answer that was not streamed."""
        ...
