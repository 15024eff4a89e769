"""By how much something moves the percentiles of a metric: what a check knows before it fires."""

import math
from statistics import NormalDist

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from llm_latency_lens.metrics.checks.evidence import GAPS, LATENCIES, Evidence, worst
from llm_latency_lens.metrics.column import PERCENTILES, bias_budget
from llm_latency_lens.model.result import Verdict
from llm_latency_lens.stats.quantiles import minimum_samples

_DERIVED = {"tpot": ("decode_speed", *GAPS), "e2e": ("tps_request", "chars_per_second")}
"""What moves where the time moves that it is computed from."""
_INVALID = 5.0
_SURELY = NormalDist().inv_cdf(0.9995)
"""Chance makes one set in a thousand look unlike the rest."""

Floats = NDArray[np.float64]


class Effect(Struct, frozen=True):
    """The metrics that something moves by more than their bias budget.

    `shifts` has the most by which a percentile of each moves, in the metric's unit; `verdicts` what
    that means: WARN above the bias budget, INVALID above five times as much.
    """

    shifts: dict[str, float] = {}
    verdicts: dict[str, Verdict] = {}

    @property
    def bound(self) -> float | None:
        """The largest shift."""
        return max(self.shifts.values(), default=None)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that it moves, and the speeds derived from them."""
        derived = [name for metric in self.shifts for name in _DERIVED.get(metric, ())]
        return (*self.shifts, *derived)

    @property
    def verdict(self) -> Verdict:
        """The worst of the metrics' verdicts."""
        return worst(list(self.verdicts.values()))


def shifts_of(e: Evidence, shifts: dict[str, float]) -> Effect:
    """What shifts of percentiles by so much (in the metrics' units) amount to."""
    budgets = {
        name: bias_budget(found.unit, found.p50)
        for name, found in e.metrics.items()
        if found.p50 is not None
    }
    kept = {
        name: float(abs(shift))
        for name, shift in shifts.items()
        if name in budgets and abs(shift) > budgets[name]
    }
    verdicts: dict[str, Verdict] = {
        name: "INVALID" if shift > _INVALID * budgets[name] else "WARN"
        for name, shift in kept.items()
    }
    return Effect(kept, verdicts)


def without(e: Evidence, left_out: NDArray[np.bool_]) -> Effect:
    """How percentiles move when successful requests (numbered as they came) are left out.

    A metric in which they are not surely unlike the rest is not moved: to leave out any requests
    moves percentiles by chance.
    """
    shifts = {}
    for name in LATENCIES:
        values = values_of(e, name)
        if surely_unlike(values, left_out):
            shifts[name] = largest_shift(values, values[~left_out])
    return shifts_of(e, shifts)


def surely_unlike(values: Floats, some: NDArray[np.bool_]) -> bool:
    """Whether the ranks of some values tell that they differ from the rest (Mann and Whitney, 1947)."""
    known = ~np.isnan(values)
    values, some = values[known], some[known]
    n, m = int(some.sum()), int((~some).sum())
    if not n or not m:
        return False
    ordered = np.sort(values[~some])
    below = np.searchsorted(ordered, values[some]) + np.searchsorted(ordered, values[some], "right")
    distance = float(below.sum()) / 2.0 - n * m / 2.0
    return abs(distance) > _SURELY * math.sqrt(n * m * (n + m + 1) / 12.0)


def values_of(e: Evidence, name: str) -> Floats:
    """A metric of every successful request, as they came; NaN where a request has none."""
    found: Floats = np.frombuffer(e.summary.columns[name].values, np.float64)
    return found


def largest_shift(before: Floats, after: Floats) -> float:
    """The largest distance between a percentile of two sets of values, of those that `before` supports."""
    before, after = before[~np.isnan(before)], after[~np.isnan(after)]
    supported = [p for p in PERCENTILES.values() if len(before) >= minimum_samples(p)]
    if not supported or not len(after):
        return 0.0
    return float(np.abs(np.quantile(before, supported) - np.quantile(after, supported)).max())
