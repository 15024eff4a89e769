"""One answer on its way: which write is due when, and what has been sent."""

import functools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from llm_latency_lens.simulator.answer import Answer
from llm_latency_lens.simulator.ledger import Entry
from llm_latency_lens.simulator.stamp import now


class Outlet(Protocol):
    """Where an answer's bytes leave."""

    def write(self, data: bytes) -> bool | None:
        """Send now: True where it left, False where the buffer was full and it waits, None where closed."""
        ...

    def after_backlog(self, told: Callable[[int], None]) -> None:
        """Tell `told` the instant of the send that takes the last byte now waiting."""
        ...


class Stream:
    """The writes of one answer: opening, tokens and closing, or one document where it is not streamed.

    A token is due at the instant that `expect` was told for it, or that `instants` gives; the opening
    with the first token unless `open_early` names another instant, just before it; the closing with the
    last, just after it. A document is due when its last token is, the only instant to be told for it.
    `paced` is the pacer's own mark.
    """

    __slots__ = (
        "_answer",
        "_expected",
        "_index",
        "_instants",
        "_last_due",
        "_on_end",
        "_opening_due",
        "_outlet",
        "entry",
        "paced",
    )

    def __init__(
        self, answer: Answer, entry: Entry, outlet: Outlet, on_end: Callable[["Stream"], None]
    ) -> None:
        self.entry = entry
        self.paced = False
        self._answer = answer
        self._outlet = outlet
        self._on_end = on_end
        self._expected: deque[int] = deque()
        self._instants: Iterator[int] = iter(())
        self._opening_due: int | None = None
        self._last_due = 0
        self._index = -1 if answer.streamed else 0

    @property
    def streamed(self) -> bool:
        """Whether the answer is a stream."""
        return self._answer.streamed

    def open_early(self, due: int) -> None:
        """Send the opening at `due` rather than with the first token."""
        self._opening_due = due

    def expect(self, instant: int) -> None:
        """One more token is due at `instant` (ns)."""
        self._expected.append(instant)

    def follow(self, instants: Iterator[int]) -> None:
        """Take the tokens' instants from here, one by one as they are needed."""
        self._instants = instants
        self._draw()

    def abandon(self, how: str) -> None:
        """Send nothing more: the connection ended, and how."""
        self._finish(how)

    @property
    def next_due(self) -> int | None:
        """When the next write is due; None while that is unknown, or when nothing is left to send."""
        if self._index < 0 and self._opening_due is not None:
            return self._opening_due
        if self._index == self._answer.output_tokens:
            return self._last_due
        return self._expected[0] if self._expected else None

    def send_due(self, most: int) -> int | None:
        """Send up to `most` writes that are due; returns the next due instant."""
        for _ in range(most):
            due = self.next_due
            if due is None or due > now() or self.entry.ended != "open":
                break
            if not self._send(due):
                return None
        return self.next_due if self.entry.ended == "open" else None

    def _next_write(self) -> tuple[bytes, str]:
        answer, index = self._answer, self._index
        if not answer.streamed:
            return answer.document(now() - self.entry.received), "document"
        if index < 0:
            return answer.opening(now() - self.entry.received), "role"
        if index < answer.output_tokens:
            return answer.token(index), "token"
        return answer.closing(now() - self.entry.received), "finish"

    def _send(self, due: int) -> bool:
        """Make the next write; False when it was the last, or nobody is there to take it."""
        data, kind = self._next_write()
        entry = self.entry
        at = now()
        left = self._outlet.write(data)
        if left is None:
            return False
        entry.due.append(due)
        entry.sent.append(at)
        entry.sizes.append(len(data))
        entry.kinds.append(kind)
        last = kind in {"finish", "document"}
        if not left:
            entry.queued[len(entry.sent) - 1] = 0
            self._outlet.after_backlog(
                functools.partial(self._on_left, len(entry.sent) - 1, last=last)
            )
        elif last:
            self._finish("complete")
        if kind == "token":
            self._expected.popleft()
            self._last_due = due
            self._draw()
        self._index += 1
        return not last

    def _draw(self) -> None:
        instant = next(self._instants, None)
        if instant is not None:
            self._expected.append(instant)

    def _on_left(self, index: int, at: int, *, last: bool) -> None:
        self.entry.queued[index] = at
        if last:
            self._finish("complete")

    def _finish(self, how: str) -> None:
        if self.entry.ended == "open":
            self.entry.ended = how
            self._on_end(self)
