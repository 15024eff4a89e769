"""Goodput as a fold over records: which requests met every limit, and what became of each limit."""

from collections.abc import Sequence
from typing import Protocol

from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import Goodput, LimitCount


class RequestLimit(Protocol):
    """A limit on one request."""

    @property
    def text(self) -> str:
        """As it was written."""

    def met_by(self, record: Record) -> bool | None:
        """Whether the request keeps it; None where it does not have the metric."""


class GoodputFold:
    """Add every successful request; the others offered count as missed."""

    def __init__(self, limits: Sequence[RequestLimit]) -> None:
        self.good = 0
        self.limits = tuple(limits)
        self._without = 0
        self._met = [0] * len(self.limits)
        self._lacking = [0] * len(self.limits)

    def add(self, record: Record) -> None:
        """Take a successful request; one that has none of the limits' metrics is left out."""
        answers = [limit.met_by(record) for limit in self.limits]
        for place, answer in enumerate(answers):
            self._met[place] += answer is True
            self._lacking[place] += answer is None
        judged = [answer for answer in answers if answer is not None]
        if self.limits and not judged:
            self._without += 1
        elif all(judged):
            self.good += 1

    def goodput(self, offered: int, seconds: float | None) -> Goodput | None:
        """Return goodput over what was offered and a run of `seconds`; None without a limit."""
        if not self.limits:
            return None
        judged = offered - self._without
        return Goodput(
            limits=tuple(limit.text for limit in self.limits),
            good=self.good,
            ratio=self.good / judged if judged else None,
            rate=self.good / seconds if seconds and judged else None,
            without=self._without,
            by_limit=tuple(
                LimitCount(
                    text=limit.text, met=met, missed=offered - met - lacking, without=lacking
                )
                for limit, met, lacking in zip(self.limits, self._met, self._lacking, strict=True)
            ),
        )
