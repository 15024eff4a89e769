"""One exchange while it is being recorded: marks, reads and the response, until the end is known."""

import time
from array import array

from llm_latency_lens.model.recording import (
    ConnectionFacts,
    Ending,
    EndKind,
    Marks,
    Recording,
)
from llm_latency_lens.model.request import Limits
from llm_latency_lens.transport.response import Response


class Tape:
    """Collects what happens on the wire; `mark` and `read` are the only ways in."""

    __slots__ = (
        "_check_at",
        "_line_start",
        "_marks",
        "limits",
        "request_bytes",
        "response",
        "rows",
        "size",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.response = Response(limits.max_head)
        self.rows = array("q")
        self.size = 0
        self.request_bytes = 0
        self._marks: dict[str, int] = {}
        self._line_start = 0
        self._check_at = min(limits.max_event, limits.max_body)

    def mark(self, name: str) -> int:
        """Stamp mark `name` (a field of `Marks`) now."""
        now = self._marks[name] = time.monotonic_ns()
        return now

    def note(self, name: str, instant: int) -> None:
        """Take `instant` (monotonic ns) as that of mark `name`."""
        self._marks[name] = instant

    def at(self, name: str) -> int | None:
        """The instant of mark `name`, if it was stamped."""
        return self._marks.get(name)

    def read(
        self, data: bytes, user: int, kernel: int, earliest: int
    ) -> tuple[EndKind, str] | None:
        """Take one network read with its row of instants; returns the failure it causes, if any."""
        response = self.response
        had_head = response.head is not None
        response.feed(data)
        size = len(response.body)
        if size != self.size:
            self.rows.extend((size, user, kernel, earliest))
            self.size = size
            if size > self._check_at:
                return response.failure or self._check_caps()
        if not had_head and response.head is not None:
            self._marks["head"] = kernel or user
        return response.failure

    def _check_caps(self) -> tuple[EndKind, str] | None:
        """Runs once for every `max_event` bytes: is there a line end in what came since?"""
        if self.size > self.limits.max_body:
            return EndKind.BODY_TOO_LARGE, f"response body beyond {self.limits.max_body} bytes"
        body = self.response.body
        last = max(body.rfind(b"\n", self._line_start), body.rfind(b"\r", self._line_start))
        if last < 0:
            words = f"a line of the response is longer than {self.limits.max_event} bytes"
            return EndKind.EVENT_TOO_LARGE, words
        self._line_start = last + 1
        self._check_at = min(self._line_start + self.limits.max_event, self.limits.max_body)
        return None

    def recording(
        self, kind: EndKind, detail: str = "", connection: ConnectionFacts | None = None
    ) -> Recording:
        """Close the tape: this is how it ended."""
        self.response.release()
        return Recording(
            marks=Marks(**self._marks, ended=time.monotonic_ns()),
            ending=Ending(kind, detail),
            connection=connection,
            head=self.response.head,
            body=bytes(self.response.body),
            reads=self.rows.tobytes(),
            request_bytes=self.request_bytes,
        )
