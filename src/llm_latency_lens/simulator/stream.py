"""One answer on its way: which write is due when, and what has been sent."""

from collections.abc import Callable
from typing import Protocol

from llm_latency_lens.simulator.answer import Answer
from llm_latency_lens.simulator.ledger import Entry
from llm_latency_lens.simulator.stamp import now


class Outlet(Protocol):
    """Where an answer's bytes leave."""

    def write(self, data: bytes) -> bool | None:
        """Send now: True where it left, False where the buffer was full and it waits, None where closed."""
        ...


class Stream:
    """The writes of one answer: opening, tokens and closing, or one document where it is not streamed.

    `opening_due` and `token_due` are instants in ns. A batching engine does not know the latter in
    advance: it appends to `token_due` as tokens come out. `paced` is the pacer's own mark.
    """

    __slots__ = (
        "_answer",
        "_index",
        "_on_end",
        "_opening_due",
        "_outlet",
        "entry",
        "paced",
        "token_due",
    )

    def __init__(
        self, answer: Answer, entry: Entry, outlet: Outlet, on_end: Callable[["Stream"], None]
    ) -> None:
        self.entry = entry
        self.paced = False
        self.token_due: list[int] = []
        self._answer = answer
        self._outlet = outlet
        self._opening_due: int | None = None
        self._index = -1
        self._on_end = on_end

    def open_early(self, due: int) -> None:
        """Send the opening at `due` rather than with the first token."""
        if self._answer.streamed:
            self._opening_due = due

    @property
    def next_due(self) -> int | None:
        """When the next write is due; None while that is unknown, or when all is sent."""
        index, due, total = self._index, self.token_due, self._answer.output_tokens
        if not self._answer.streamed:
            return due[-1] if len(due) == total else None
        if index < 0:
            return self._opening_due if self._opening_due is not None else (due[0] if due else None)
        if index < len(due):
            return due[index]
        return due[-1] if index == total else None

    def send_due(self, most: int) -> int | None:
        """Send up to `most` writes that are due; returns the next due instant."""
        for _ in range(most):
            due = self.next_due
            if due is None or due > now():
                return due
            if not self._send(due):
                return None
        return self.next_due

    def _next_write(self) -> tuple[bytes, str]:
        answer, index = self._answer, self._index
        if not answer.streamed:
            return answer.document(), "document"
        if index < 0:
            return answer.opening(), "role"
        if index < answer.output_tokens:
            return answer.token(index), "token"
        return answer.closing(), "finish"

    def _send(self, due: int) -> bool:
        """Make the next write; False when it was the last, or nobody is there to take it."""
        data, kind = self._next_write()
        entry = self.entry
        entry.due.append(due)
        entry.sent.append(now())
        entry.sizes.append(len(data))
        entry.kinds.append(kind)
        left = self._outlet.write(data)
        if left is None:
            return False
        if not left:
            entry.queued += 1
        self._index += 1
        if kind in {"finish", "document"}:
            entry.ended = "complete"
            self._on_end(self)
            return False
        return True
