"""Measuring until it is known well enough: a goal such as `ttft.p95+-5%`, looked at while the run goes on.

The interval that is looked at holds at all times at once, so that stopping when it is narrow is no
cheating. It asks for more requests than one look at the end would.
"""

import difflib
import math
import re

import numpy as np
from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.definitions import METRICS, Metric
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.model.result import Precision
from llm_latency_lens.stats.dependence import tail_dependence
from llm_latency_lens.stats.quantiles import quantile
from llm_latency_lens.stats.sequential import anytime_ranks
from llm_latency_lens.units import parse_percent

_GOAL = re.compile(r"\s*([a-z_0-9]+)\.p(\d{1,2}(?:[._]\d)?)\s*(?:\+-|±|\+/-)\s*(.+?)\s*")
_BY_NAME = {metric.name: metric for metric in METRICS}
_GROWTH = 1.05
"""The next look comes after five percent more requests: looks cost time, and change little in between."""
_FIRST = 20


class Goal(Struct, frozen=True):
    """A percentile of a metric, and the relative half-width that its interval is to have."""

    text: str
    metric: Metric
    p: float
    width: float


def parse_goal(text: str) -> Goal:
    """Parse `ttft.p95+-5%`.

    Raises:
        UsageError: not a goal, or an unknown metric (with the nearest name).
    """
    match = _GOAL.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a precision; write it like ttft.p95+-5%")
    name, percentile, width = match.groups()
    metric = _BY_NAME.get(name)
    if metric is None:
        near = difflib.get_close_matches(name, _BY_NAME, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_BY_NAME)}"
        raise UsageError(f"unknown metric {name!r} in {text!r}; {hint}")
    p = float(percentile.replace("_", ".")) / 100.0
    if not 0.0 < p < 1.0:
        raise UsageError(f"{text!r}: a percentile lies between 0 and 100")
    return Goal(text.strip(), metric, p, parse_percent(width))


class Until:
    """Add every record; `reached` turns true once the goal's interval is narrow enough, and stays so."""

    def __init__(self, goal: Goal) -> None:
        self.goal = goal
        self.reached = False
        self._values: list[float] = []
        self._next = _FIRST
        self._found: Precision | None = None

    def add(self, record: Record) -> bool:
        """One more record; returns whether the goal is reached."""
        if (
            record.phase == "measure"
            and not record.superseded
            and record.outcome.kind is OutcomeKind.OK
        ):
            value = self.goal.metric.of(record)
            if value is not None:
                self._values.append(value)
        if not self.reached and len(self._values) >= self._next:
            self._next = math.ceil(len(self._values) * _GROWTH)
            self._look()
        return self.reached

    def precision(self) -> Precision:
        """What is known by now."""
        if not self.reached:
            self._look()
        found = self._found
        return found if found is not None else Precision(goal=self.goal.text, reached=False, n=len(self._values))  # fmt: skip

    def _look(self) -> None:
        series = np.array(self._values)
        n = len(series)
        tau = tail_dependence(series, self.goal.p)
        ranks = anytime_ranks(n, self.goal.p, tau=tau)
        if ranks is None:
            return
        ordered = np.sort(series)
        value = quantile(ordered, self.goal.p)
        low, high = float(ordered[ranks[0]]), float(ordered[ranks[1]])
        width = (high - low) / 2.0 / value if value else math.inf
        self.reached = width <= self.goal.width
        self._found = Precision(
            goal=self.goal.text, reached=self.reached, n=n, value=value, interval=(low, high), width=width
        )  # fmt: skip
