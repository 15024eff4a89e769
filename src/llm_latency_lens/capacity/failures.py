"""The failures of one load: what they were, and whether a lower rate could cure them."""

from collections import Counter

import msgspec

from llm_latency_lens.criteria.abort import is_permanent
from llm_latency_lens.model.record import Outcome, OutcomeKind, Record
from llm_latency_lens.report.advice import advise

_STREAK, _STREAK_FIRST = 10, 5
"""So many in a row are no chance; fewer do where nothing has succeeded before."""


class FailureTally:
    """Add the requests of one load in the order in which they were sent."""

    def __init__(self) -> None:
        self.requests = 0
        self.failed = 0
        self.rate_limited = 0
        self.longest_wait = 0.0
        self._counts: Counter[Outcome] = Counter()
        self._examples: dict[Outcome, Outcome] = {}
        self._streak = 0

    def add(self, record: Record) -> None:
        """One more request."""
        outcome = record.outcome
        self.requests += 1
        if outcome.kind is OutcomeKind.OK:
            self._streak = 0
            return
        self.failed += 1
        self.rate_limited += outcome.cause == "rate_limited"
        self.longest_wait = max(self.longest_wait, record.retry_after or 0.0)
        kind = msgspec.structs.replace(outcome, detail="")
        self._counts[kind] += 1
        self._examples.setdefault(kind, outcome)
        self._streak = self._streak + 1 if is_permanent(outcome) else 0

    @property
    def hopeless(self) -> bool:
        """Whether the latest requests all failed for a cause that a lower rate does not cure."""
        first = self.requests - self._streak == 0
        return self._streak >= (_STREAK_FIRST if first else _STREAK)

    @property
    def all_failed(self) -> bool:
        """Whether there were requests and none succeeded."""
        return self.requests > 0 and self.failed == self.requests

    @property
    def mostly_rate_limited(self) -> bool:
        """Whether 429 is the most frequent failure."""
        return 2 * self.rate_limited > self.failed

    def describe(self) -> str:
        """The most frequent failure in words, with count and remedy; empty where there is none."""
        if not self._counts:
            return ""
        kind, count = self._counts.most_common(1)[0]
        return f"{count:,} of {self.requests:,} failed: {advise(self._examples[kind])}"
