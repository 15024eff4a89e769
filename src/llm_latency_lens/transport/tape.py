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
from llm_latency_lens.transport.budget import STEP, BodyBudget, End
from llm_latency_lens.transport.response import Response
from llm_latency_lens.transport.stream_end import StreamEnd


class Tape:
    """Collects what happens on the wire; `mark` and `read` are the only ways in.

    Attributes:
        stream: where the stream ends by its dialect's own word.
        end: ends the exchange from outside, where there is a connection.
    """

    __slots__ = (
        "_bare",
        "_bare_at",
        "_budget",
        "_check_at",
        "_line_start",
        "_marks",
        "end",
        "limits",
        "request_bytes",
        "response",
        "rows",
        "size",
        "stream",
    )

    def __init__(self, limits: Limits, dialect: str = "", budget: BodyBudget | None = None) -> None:
        self.limits = limits
        self.stream = StreamEnd(dialect)
        self.response = Response(limits.max_head)
        self.rows = array("q")
        self.size = 0
        self.request_bytes = 0
        self._marks: dict[str, int] = {}
        self._line_start = 0
        self._bare = self._bare_at = 0
        self._budget = budget or BodyBudget()
        self.end: End | None = None
        self._check_at = min(limits.max_event, limits.max_body, STEP)

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
        elif had_head:
            return response.failure or self._check_bare(len(data))
        if not had_head and response.head is not None:
            self._marks["head"] = kernel or user
        return response.failure

    def _check_bare(self, count: int) -> tuple[EndKind, str] | None:
        """Trailers and chunk extensions are no body: reads in a row that hold nothing else are capped."""
        if self._bare_at != self.size:
            self._bare_at, self._bare = self.size, 0
        self._bare += count
        if self._bare <= self.limits.max_head:
            return None
        words = f"trailers or chunk extensions beyond {self.limits.max_head} bytes"
        return EndKind.HEAD_TOO_LARGE, words

    def _check_caps(self) -> tuple[EndKind, str] | None:
        """Runs once for every `STEP` bytes."""
        limits = self.limits
        if self.size > limits.max_body:
            return EndKind.BODY_TOO_LARGE, f"response body beyond {limits.max_body} bytes"
        if self.size > self._line_start + limits.max_event and not self._has_line_end():
            words = f"a line of the response is longer than {limits.max_event} bytes"
            return EndKind.EVENT_TOO_LARGE, words
        if self.end is not None:
            self._budget.hold(self.end, self.size, limits.max_bodies)
        line_end = self._line_start + limits.max_event
        self._check_at = min(line_end, limits.max_body, self.size + STEP)
        return None

    def _has_line_end(self) -> bool:
        """Whether there is a line end in what came since the last one that is known."""
        body = self.response.body
        last = max(body.rfind(b"\n", self._line_start), body.rfind(b"\r", self._line_start))
        self._line_start = max(self._line_start, last + 1)
        return last >= 0

    def recording(
        self, kind: EndKind, detail: str = "", connection: ConnectionFacts | None = None
    ) -> Recording:
        """Close the tape: this is how it ended."""
        self.response.release()
        if self.end is not None:
            self._budget.release(self.end)
            self.end = None
        return Recording(
            marks=Marks(**self._marks, ended=time.monotonic_ns()),
            ending=Ending(kind, detail),
            connection=connection,
            head=self.response.head,
            body=bytes(self.response.body),
            reads=self.rows.tobytes(),
            request_bytes=self.request_bytes,
        )
