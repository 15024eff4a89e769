"""The highest rate that keeps an objective, as a bracket: [highest that passed, lowest that failed].

A pure search. Rates are doubled until one fails, then the bracket is halved (on the log scale). Each
rate is judged by a test that may be looked at after every request; what it can't decide in time is not gone
beyond. The lower end must pass again, twice.
"""

import math
from typing import Literal

from msgspec import Struct

Judgement = Literal["pass", "fail", "undecided"]


class Step(Struct, frozen=True, kw_only=True):
    """One rate that was tried."""

    rate: float
    judgement: Judgement
    requests: int
    again: bool = False


class Bracket(Struct, frozen=True, kw_only=True):
    """`passed` and `failed` are rates (None: none did); `confidence` is of both ends together."""

    passed: float | None
    failed: float | None
    confidence: float
    steps: tuple[Step, ...]
    why: str


class CapacitySearch:
    """Ask `next_rate`, try it, tell the `judgement`; when there is no next rate, read the `bracket`.

    Args:
        start: the first rate to try (requests per second).
        most: the highest rate worth trying.
        precision: how close the ends are to be, as a ratio less one.
        confidence: of the whole bracket; each step gets its share of what it leaves.
    """

    RETESTS = 2

    def __init__(
        self, start: float, most: float, precision: float = 0.05, confidence: float = 0.95
    ) -> None:
        self._rate = start
        self._most = most
        self._least = start / 1024.0
        self._precision = precision
        self._confidence = confidence
        self._ceiling = math.inf
        self._failed: float | None = None
        self._passes: dict[float, int] = {}
        self._steps: list[Step] = []
        self._why = ""
        halvings = math.ceil(math.log2(math.log(2.0) / math.log1p(precision)))
        doublings = math.ceil(math.log2(max(most / start, 2.0)))
        self._alpha = (1.0 - confidence) / (doublings + halvings + self.RETESTS)
        self._most_steps = 4 * (doublings + halvings)

    @property
    def alpha(self) -> float:
        """With what probability each step's judgement may be wrong."""
        return self._alpha

    @property
    def next_rate(self) -> float | None:
        """The rate to try next; None where the search has ended."""
        return None if self._why else self._rate

    @property
    def retesting(self) -> bool:
        """Whether the next step tries a rate again that has passed."""
        return self._rate in self._passes

    def tell(self, judgement: Judgement, requests: int) -> None:
        """How the rate did, by so many requests."""
        rate, again = self._rate, self.retesting
        self._steps.append(Step(rate=rate, judgement=judgement, requests=requests, again=again))
        if judgement == "pass":
            self._passes[rate] = self._passes.get(rate, 0) + 1
        else:
            # What can't be decided is no place to go beyond, and no failure either.
            self._passes.pop(rate, None)
            self._ceiling = min(rate, self._ceiling)
            if judgement == "fail":
                self._failed = rate if self._failed is None else min(rate, self._failed)
        self._go_on()

    @property
    def bracket(self) -> Bracket:
        """What is known so far."""
        return Bracket(
            passed=self._passed if self._proven else None,
            failed=self._failed,
            confidence=self._confidence,
            steps=tuple(self._steps),
            why=self._why,
        )

    @property
    def _passed(self) -> float | None:
        """The highest rate that passed, below everything that did not."""
        return max((rate for rate in self._passes if rate < self._ceiling), default=None)

    @property
    def _proven(self) -> bool:
        passed = self._passed
        return passed is not None and self._passes[passed] > self.RETESTS

    def _go_on(self) -> None:
        passed = self._passed
        if len(self._steps) >= self._most_steps:
            self._why = f"stopped after {len(self._steps)} steps"
        elif passed is None:
            self._rate = self._ceiling / 2.0
            if self._rate < self._least:
                self._why = f"not even {self._ceiling:.3g}/s passed"
        elif self._ceiling / passed <= 1.0 + self._precision or passed >= self._most:
            self._rate = passed
            if self._proven:
                close = self._ceiling / passed <= 1.0 + self._precision
                self._why = (
                    "as close as was asked for" if close else "the most that may be tried passed"
                )
        elif math.isinf(self._ceiling):
            self._rate = min(passed * 2.0, self._most)
        else:
            self._rate = math.sqrt(passed * self._ceiling)
