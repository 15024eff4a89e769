"""A growing column of numbers, and the distribution it becomes: eight bytes a value, nothing else kept."""

from array import array
from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from llm_latency_lens.model.result import Distribution
from llm_latency_lens.stats.quantiles import (
    interval_ranks,
    minimum_samples,
    quantile,
    weighted_quantile,
)

PERCENTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}


class Column:
    """Values as they come; `weights` are kept only where some value has one that is not 1."""

    __slots__ = ("values", "weights")

    def __init__(self) -> None:
        self.values = array("d")
        self.weights: array[float] | None = None

    def add(self, value: float) -> None:
        """One more value."""
        self.values.append(value)

    def extend(self, values: Iterable[float], weights: Iterable[float]) -> None:
        """More values with whole-number weights."""
        self.values.extend(values)
        if self.weights is None:
            self.weights = array("d")
        self.weights.extend(weights)

    def __len__(self) -> int:
        return len(self.values)

    def sorted(self) -> NDArray[np.float64]:
        """The values in ascending order."""
        return np.sort(np.frombuffer(self.values, np.float64)) if self.values else np.empty(0)

    def quantile(self, p: float) -> float | None:
        """The type-7 quantile, supported by the sample or not; None where there is no value."""
        return quantile(self.sorted(), p) if self.values else None

    def distribution(self, unit: str, *, independent: bool = True) -> Distribution:
        """Summarise: unsupported percentiles are null, with the number of samples they need.

        With `independent`, order-statistic intervals stand beside the percentiles.
        """
        if not self.values:
            return Distribution(unit=unit, n=0, needs=_needs(0))
        if self.weights is not None:
            return self._weighted(unit, self.weights)
        ordered = self.sorted()
        n = len(ordered)
        found, intervals = {}, {}
        for name, p in PERCENTILES.items():
            if n < minimum_samples(p):
                continue
            found[name] = quantile(ordered, p)
            ranks = interval_ranks(n, p) if independent else None
            if ranks is not None:
                intervals[name] = (float(ordered[ranks[0]]), float(ordered[ranks[1]]))
        distribution = Distribution(
            unit=unit,
            n=n,
            mean=float(ordered.mean()),
            std=float(ordered.std(ddof=1)) if n > 1 else None,
            min=float(ordered[0]),
            max=float(ordered[-1]),
            needs=_needs(n),
            interval=intervals,
        )
        return msgspec.structs.replace(distribution, **found)

    def _weighted(self, unit: str, weights: "array[float]") -> Distribution:
        values = np.frombuffer(self.values, np.float64)
        weight = np.frombuffer(weights, np.float64)
        n = round(float(weight.sum()))
        mean = float(np.average(values, weights=weight))
        variance = float(np.average((values - mean) ** 2, weights=weight)) * n / max(n - 1, 1)
        found = {
            name: weighted_quantile(values, weight, p)
            for name, p in PERCENTILES.items()
            if n >= minimum_samples(p)
        }
        distribution = Distribution(
            unit=unit,
            n=n,
            mean=mean,
            std=variance**0.5 if n > 1 else None,
            min=float(values.min()),
            max=float(values.max()),
            needs=_needs(n),
        )
        return msgspec.structs.replace(distribution, **found)


def _needs(n: int) -> dict[str, int]:
    """The percentiles that `n` samples can't support, and how many they need."""
    needed = {name: minimum_samples(p) for name, p in PERCENTILES.items()}
    return {name: count for name, count in needed.items() if n < count}
