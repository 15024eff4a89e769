"""Measuring until a percentile is known well enough, looked at while the run goes on.

The interval that is looked at holds at all times at once, so stopping when it is narrow does not
bias it. It asks for more requests than one look at the end would. Requests are taken in the order of
their numbers: in the order of their ending the quick come first, and slow ones are missing.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from llm_latency_lens.criteria.precision import PrecisionGoal
from llm_latency_lens.metrics.column import STEADY, bias_budget
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.model.result import Precision
from llm_latency_lens.stats.dependence import tail_dependence
from llm_latency_lens.stats.quantiles import quantile, steady_range
from llm_latency_lens.stats.sequential import anytime_ranks

_GROWTH = 1.05
"""The next look comes after five percent more requests: looks cost time, and change little."""
_FIRST = 20
_SPARE = 0.95
"""A run ends a little below the goal, so that what is still in flight does not undo it."""
_WITHOUT = 20
"""After so many successes none of which has the metric, no more are waited for."""


class PrecisionWatch:
    """Add every record; `add` tells when the run may end.

    Only the first requests that have all ended are looked at: a request that fails takes its place
    without a value.
    """

    def __init__(self, goal: PrecisionGoal) -> None:
        self.goal = goal
        self._ending: Precision | None = None
        self._values: list[float] = []
        self._ahead: dict[int, float | None] = {}
        self._number = 0
        self._without = 0
        self._next_look = _FIRST

    def add(self, record: Record) -> bool:
        """Take one more record; returns whether the run may end."""
        if record.phase != "measure" or record.superseded:
            return self.over
        succeeded = record.outcome.kind is OutcomeKind.OK
        value = self.goal.metric.of(record) if succeeded else None
        self._without += succeeded and value is None
        self._ahead[record.number] = value
        while self._number in self._ahead:
            value = self._ahead.pop(self._number)
            self._number += 1
            if value is not None:
                self._values.append(value)
        if not self.reached and len(self._values) >= self._next_look:
            self._next_look = math.ceil(len(self._values) * _GROWTH)
            look = precision_of(self.goal, self._values)
            if look.width is not None and look.width <= _SPARE * self.goal.width:
                self._ending = look
        return self.over

    @property
    def over(self) -> bool:
        """Whether more requests would change nothing: the goal is reached, or can't be."""
        return self.reached or (self._without >= _WITHOUT and not self._values)

    @property
    def reached(self) -> bool:
        """Whether the percentile was known well enough at some look."""
        return self._ending is not None

    def precision(self) -> Precision:
        """Return what all requests that have ended say, in the order of their numbers.

        The intervals of all looks hold together, so what the look that ended the run has left out
        stays left out.
        """
        rest = (self._ahead[number] for number in sorted(self._ahead))
        last = precision_of(self.goal, [*self._values, *(v for v in rest if v is not None)])
        if self._ending is None or self._ending.interval is None:
            return last
        low, high = self._ending.interval
        if last.interval is not None:
            low, high = max(low, last.interval[0]), min(high, last.interval[1])
        return last if low > high else _known_within(last, self.goal, (low, high))


def precision_of(goal: PrecisionGoal, values: Sequence[float]) -> Precision:
    """Return how well values in the order of their requests' numbers say a percentile.

    As in a result document, differences below the bias budget do not count as dependence, and values
    that hardly differ bound their median whatever the dependence.
    """
    series = np.array(values, np.float64)
    n = len(series)
    if not n:
        return Precision(goal=goal.text, reached=False, n=0)
    ordered = np.sort(series)
    budget = bias_budget(goal.metric.unit, quantile(ordered, 0.5))
    tau = tail_dependence(np.round(series / budget), goal.p)
    ranks = anytime_ranks(n, goal.p, tau=tau)
    known = Precision(
        goal=goal.text,
        reached=False,
        n=n,
        value=quantile(ordered, goal.p),
        tau=tau if math.isfinite(tau) else None,
    )
    if ranks is not None:
        return _known_within(known, goal, (float(ordered[ranks[0]]), float(ordered[ranks[1]])))
    steady = steady_range(ordered, STEADY * budget) if goal.p == 0.5 and n >= _FIRST else None
    return known if steady is None else _known_within(known, goal, steady)


def _known_within(
    known: Precision, goal: PrecisionGoal, interval: tuple[float, float]
) -> Precision:
    low, high = interval
    width = (high - low) / 2.0 / known.value if known.value else math.inf
    return msgspec.structs.replace(
        known, interval=interval, width=width, reached=width <= goal.width
    )
