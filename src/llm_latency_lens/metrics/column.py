"""A growing column of numbers, eight bytes a value, and the distribution it becomes."""

import math
from array import array
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from llm_latency_lens.model.result import Distribution
from llm_latency_lens.stats.clusters import Clusters
from llm_latency_lens.stats.dependence import rank_autocorrelation, tail_dependence
from llm_latency_lens.stats.means import mean_interval
from llm_latency_lens.stats.quantiles import (
    Weighted,
    interval_ranks,
    minimum_samples,
    quantile,
    steady_range,
)

PERCENTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}

STEADY = 5.0
"""Half the distance, in bias budgets, within which no dependence can move a median that matters."""

Floats = NDArray[np.float64]
Bounds = tuple[float, float]
"""The interval (low, high) in which a value lies, in the value's unit."""
Order = NDArray[np.int64]


def bias_budget(unit: str, median: float) -> float:
    """Return the bias a metric bears: 1 % of its median, of times half a millisecond at least."""
    return max(0.0005 if unit == "s" else 1e-9, 0.01 * abs(median))


class Column:
    """Values of one metric, one for each request; NaN for a request that has none.

    With `bounded` each value has the ends of the interval in which it lies.
    """

    __slots__ = ("_ends", "_present", "values")

    def __init__(self, *, bounded: bool = False) -> None:
        self.values = array("d")
        self._present = 0
        self._ends = (array("d"), array("d")) if bounded else None

    def add(self, value: float | None, bounds: Bounds | None = None) -> None:
        """One more request's value; without `bounds` it is exact."""
        if value is None:
            self.values.append(math.nan)
            return
        self.values.append(value)
        self._present += 1
        if self._ends is not None:
            low, high = (value, value) if bounds is None else bounds
            self._ends[0].append(low)
            self._ends[1].append(high)

    def __len__(self) -> int:
        return self._present

    def sorted(self) -> Floats:
        """The values in ascending order."""
        # NaN sorts last.
        return np.sort(np.frombuffer(self.values, np.float64))[: self._present]

    def series(self, order: Order | None = None) -> Floats:
        """The values in the order in which they came, or in that of `order`."""
        values = np.frombuffer(self.values, np.float64)
        values = values if order is None else values[order]
        found: Floats = values[~np.isnan(values)]
        return found

    def bounds(self, shares: Mapping[str, float]) -> dict[str, Bounds]:
        """Where each quantile lies: that of all low ends, and that of all high ends."""
        if self._ends is None or not self._present:
            return {}
        low, high = (np.sort(np.frombuffer(ends, np.float64)) for ends in self._ends)
        return {name: (quantile(low, p), quantile(high, p)) for name, p in shares.items()}

    def quantile(self, p: float) -> float | None:
        """The type-7 quantile, supported by the sample or not; None where there is no value."""
        return quantile(self.sorted(), p) if self._present else None

    def distribution(self, unit: str, order: Order | None = None) -> Distribution:
        """Summarise: unsupported percentiles are null, with the number of samples they need.

        `order` sorts requests by time; where neighbours depend on each other, intervals are
        widened, or absent where too few independent values are left or their number is not known.
        """
        if not self._present:
            return Distribution(unit=unit, n=0, needs=_needs(0))
        ordered, series = self.sorted(), self.series(order)
        n = len(ordered)
        # Differences below the bias budget do not count as dependence.
        budget = bias_budget(unit, quantile(ordered, 0.5))
        grains = np.round(series / budget)
        whole = rank_autocorrelation(grains)
        found, intervals = {}, {}
        for name, p in PERCENTILES.items():
            if n < minimum_samples(p):
                continue
            found[name] = quantile(ordered, p)
            ranks = interval_ranks(n, p, tau=tail_dependence(grains, p, whole))
            if ranks is not None:
                intervals[name] = (float(ordered[ranks[0]]), float(ordered[ranks[1]]))
        steady = steady_range(ordered, STEADY * budget)
        if "p50" in found and "p50" not in intervals and steady is not None:
            intervals["p50"] = steady
        mean = mean_interval(series, whole)
        if mean is not None:
            intervals["mean"] = mean
        bounds = self.bounds({name: PERCENTILES[name] for name in found})
        distribution = Distribution(
            unit=unit,
            n=n,
            mean=float(ordered.mean()),
            std=float(ordered.std(ddof=1)) if n > 1 else None,
            min=float(ordered[0]),
            max=float(ordered[-1]),
            needs=_needs(n),
            interval=intervals,
            width=_widths(bounds),
            bounds={name: ends for name, ends in bounds.items() if ends[0] < ends[1]},
            tau=whole.tau if whole.evidence == "strong" else 1.0,
        )
        return msgspec.structs.replace(distribution, **found)


class PooledColumn:
    """Values of which a request has many (its gaps); whole-number weights where they differ.

    From the first value on that is only known within an interval, the ends of all are kept.
    """

    __slots__ = ("_ends", "_lengths", "values", "weights")

    def __init__(self) -> None:
        self.values = array("d")
        self._ends: tuple[array[float], array[float]] | None = None
        self.weights: array[float] | None = None
        self._lengths = array("I")

    def __len__(self) -> int:
        return len(self.values)

    def add(
        self,
        values: Floats,
        weights: Floats | None = None,
        bounds: tuple[Floats, Floats] | None = None,
    ) -> None:
        """One more request's values, and the low and high ends of their intervals."""
        self._lengths.append(len(values))
        if bounds is not None and self._ends is None:
            self._ends = (array("d", self.values), array("d", self.values))
        if self._ends is not None:
            for ends, own in zip(self._ends, bounds or (values, values), strict=True):
                ends.frombytes(own.tobytes())
        self.values.frombytes(values.tobytes())
        if weights is not None:
            self.weights = array("d") if self.weights is None else self.weights
            self.weights.frombytes(weights.tobytes())

    def distribution(self, unit: str) -> Distribution:
        """Summarise over all values by weight; intervals hold over requests, not values."""
        if not self.values:
            return Distribution(unit=unit, n=0, needs=_needs(0))
        values = np.frombuffer(self.values, np.float64)
        weight = (
            np.ones(len(values))
            if self.weights is None
            else np.frombuffer(self.weights, np.float64)
        )
        lengths = np.frombuffer(self._lengths, np.uintc).astype(np.float64)
        n = round(float(weight.sum()))
        mean = float(np.average(values, weights=weight))
        variance = float(np.average((values - mean) ** 2, weights=weight)) * n / max(n - 1, 1)
        supported = {name: p for name, p in PERCENTILES.items() if n >= minimum_samples(p)}
        clusters = Clusters(values, weight, lengths)
        intervals = {name: clusters.interval(p) for name, p in supported.items()}
        intervals["mean"] = clusters.mean_interval()
        bounds = self._bounds(weight, supported)
        distribution = Distribution(
            unit=unit,
            n=n,
            mean=mean,
            std=variance**0.5 if n > 1 else None,
            min=float(values.min()),
            max=float(values.max()),
            needs=_needs(n),
            interval={name: found for name, found in intervals.items() if found is not None},
            width=_widths(bounds) if bounds else dict.fromkeys(supported, 0.0),
            bounds={name: ends for name, ends in bounds.items() if ends[0] < ends[1]},
        )
        found = {name: clusters.quantile(p) for name, p in supported.items()}
        return msgspec.structs.replace(distribution, **found)

    def _bounds(self, weight: Floats, shares: Mapping[str, float]) -> dict[str, Bounds]:
        if self._ends is None:
            return {}
        low, high = (Weighted(np.frombuffer(ends, np.float64), weight) for ends in self._ends)
        return {name: (low.quantile(p), high.quantile(p)) for name, p in shares.items()}


def _widths(bounds: Mapping[str, Bounds]) -> dict[str, float]:
    return {name: high - low for name, (low, high) in bounds.items()}


def _needs(n: int) -> dict[str, int]:
    """The percentiles that `n` samples can't support, and how many they need."""
    needed = {name: minimum_samples(p) for name, p in PERCENTILES.items()}
    return {name: count for name, count in needed.items() if n < count}
