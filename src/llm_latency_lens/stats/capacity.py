"""The highest rate that keeps an objective, as a bracket of what passed and what failed.

A pure search. The rate is raised until a step does not pass, then the bracket is halved on the log
scale. Each step is judged by a test that may be looked at after every request. A rate that stays
undecided is not exceeded. At the end both ends are tested again: the lower one must pass twice
more, the upper one must fail once more.
"""

import bisect
import copy
import math
from typing import Literal

from msgspec import Struct

from llm_latency_lens.stats.sequential import log_evidence_below

Judgement = Literal["pass", "fail", "undecided"]
SearchEnd = Literal["", "bracketed", "highest", "lowest", "steps", "settled"]
"""Why a search has no next rate: the ends are close enough, the highest allowed rate passed, not
even the lowest one passed, too many steps, or it had to settle; empty while it goes on."""


def fewest_requests(share: float, alpha: float) -> int:
    """How many requests, none of them a violation, show that fewer than `share` violate."""
    bar, most = -math.log(alpha), 1
    while log_evidence_below(0.0, most, share) < bar:
        most *= 2
    return bisect.bisect_left(range(most), bar, key=lambda n: log_evidence_below(0.0, n, share))


class Step(Struct, frozen=True, kw_only=True):
    """One rate that was tried.

    Attributes:
        rate: requests per second.
        judgement: of the load at this rate.
        requests: how many were judged.
        again: the rate was judged before.
    """

    rate: float
    judgement: Judgement
    requests: int
    again: bool = False


class Bracket(Struct, frozen=True, kw_only=True):
    """What a search has found.

    Attributes:
        passed: highest rate that passed three times; None where none did.
        failed: lowest rate that failed, twice in a finished search; None where none did.
        confidence: of both ends together.
        steps: in the order in which they were tried.
        end: why there is no next rate.
    """

    passed: float | None
    failed: float | None
    confidence: float
    steps: tuple[Step, ...]
    end: SearchEnd


class CapacitySearch:
    """Try `next_rate` and tell its judgement, until there is no next rate; then read the `bracket`.

    Args:
        start: the first rate to try (requests per second).
        highest: the highest rate to try.
        precision: how close the ends should be, as a ratio less one.
        confidence: of the whole bracket; each step has an equal share of the error it allows.
        lowest: no rate below it is tried; a thousandth of `start` where None.
    """

    RETESTS = 2
    NEAR, FAR = 2.0, 4.0
    """Factors of the rate while one end is unknown; FAR after a step far from the limit."""

    def __init__(
        self,
        start: float,
        highest: float,
        precision: float = 0.05,
        confidence: float = 0.95,
        lowest: float | None = None,
    ) -> None:
        self._rate = start
        self._highest = highest
        self._lowest = start / 1024.0 if lowest is None else min(lowest, start)
        self._precision = precision
        self._confidence = confidence
        self._ceiling = math.inf
        self._passes: dict[float, int] = {}
        self._fails: dict[float, int] = {}
        self._steps: list[Step] = []
        self._end: SearchEnd = ""
        self._settling = False
        halvings = math.ceil(math.log2(math.log(2.0) / math.log1p(precision)))
        doublings = math.ceil(math.log2(max(highest / start, 2.0)))
        self._alpha = (1.0 - confidence) / (doublings + halvings + self.RETESTS + 1)
        self._most_steps = max(4 * (doublings + halvings), 32)

    @property
    def alpha(self) -> float:
        """The probability with which the judgement of a step may be wrong."""
        return self._alpha

    @property
    def most_steps(self) -> int:
        """No search tries more."""
        return self._most_steps

    @property
    def next_rate(self) -> float | None:
        """The rate to try next; None where the search has ended."""
        return None if self._end else self._rate

    @property
    def retesting(self) -> bool:
        """Whether the next step tries a rate that was judged before."""
        return self._rate in self._passes or self._rate in self._fails

    @property
    def retesting_failure(self) -> bool:
        """Whether the next step tries a rate that has failed."""
        return self._rate in self._fails

    @property
    def to_prove(self) -> tuple[float, int] | None:
        """The highest rate that passed below all that did not, and how often it must still pass."""
        passed = self._passed
        return None if passed is None else (passed, self.RETESTS + 1 - self._passes[passed])

    def settle(self) -> None:
        """Raise the rate no more: prove the highest one that passed, and end."""
        self._settling = True
        self._choose_next(self.NEAR)

    def ahead(self) -> tuple[float, ...]:
        """The rates still to try if every one passes: a basis for the time that is left."""
        imagined = copy.deepcopy(self)
        rates: list[float] = []
        while (rate := imagined.next_rate) is not None:
            rates.append(rate)
            imagined.tell("fail" if imagined.retesting_failure else "pass", 0)
        return tuple(rates)

    def tell(self, judgement: Judgement, requests: int, *, far: bool = False) -> None:
        """Take the judgement of `next_rate`; `far`: the values were far from their limits."""
        rate, again = self._rate, self.retesting
        self._steps.append(Step(rate=rate, judgement=judgement, requests=requests, again=again))
        if judgement == "pass":
            self._passes[rate] = self._passes.get(rate, 0) + 1
        else:
            # An undecided rate is not exceeded, and is no failure either.
            self._passes.pop(rate, None)
            self._ceiling = min(rate, self._ceiling)
        if judgement == "fail":
            self._fails[rate] = self._fails.get(rate, 0) + 1
        else:
            self._fails.pop(rate, None)
        self._choose_next(self.FAR if far else self.NEAR)

    @property
    def bracket(self) -> Bracket:
        """What is known so far."""
        return Bracket(
            passed=self._passed if self._proven else None,
            failed=min(self._fails, default=None),
            confidence=self._confidence,
            steps=tuple(self._steps),
            end=self._end,
        )

    @property
    def _passed(self) -> float | None:
        """The highest rate that passed, below everything that did not."""
        return max((rate for rate in self._passes if rate < self._ceiling), default=None)

    @property
    def _proven(self) -> bool:
        passed = self._passed
        return passed is not None and self._passes[passed] > self.RETESTS

    def _choose_next(self, factor: float) -> None:
        passed = self._passed
        if len(self._steps) >= self._most_steps:
            self._end = "steps"
        elif self._settling and (passed is None or self._proven):
            self._end = "settled"
        elif self._settling and passed is not None:
            self._rate = passed
        elif passed is None:
            # The lowest rate itself is tried before the search gives up.
            at_lowest = self._ceiling <= self._lowest
            self._rate = max(self._ceiling / factor, self._lowest)
            self._end = "lowest" if at_lowest else ""
        elif self._close or passed >= self._highest:
            self._rate = passed
            if self._proven:
                self._retest_failure()
        elif math.isinf(self._ceiling):
            self._rate = min(passed * factor, self._highest)
        else:
            self._rate = math.sqrt(passed * self._ceiling)

    @property
    def _close(self) -> bool:
        passed = self._passed
        return passed is not None and self._ceiling / passed <= 1.0 + self._precision

    def _retest_failure(self) -> None:
        """Once the lower end is proven, the lowest failure must fail again, else the next."""
        failed = min(self._fails, default=None)
        if failed is not None and self._fails[failed] == 1:
            self._rate = failed
        else:
            self._end = "bracketed" if self._close else "highest"
