"""Quantiles of values that come in clusters: the gaps of one request are alike, requests are not.

Woodruff's interval: the error of the share below the quantile is told by the clusters' own residuals,
and turned back into values.
"""

from statistics import NormalDist

import numpy as np

from llm_latency_lens.stats.quantiles import CONFIDENCE, Floats, Weighted

_FEWEST = 10
"""With fewer clusters their spread tells nothing."""


class Clusters:
    """Values with whole-number weights in clusters: `lengths` says how many of them each has, in their order."""

    def __init__(self, values: Floats, weights: Floats, lengths: Floats) -> None:
        self._values, self._weights = values, weights
        self._sorted = Weighted(values, weights)
        used = lengths[lengths > 0].astype(np.int64)
        self._count = len(used)
        self._starts = np.concatenate([[0], np.cumsum(used)[:-1]]) if len(used) else used
        self._sums = np.add.reduceat(weights, self._starts) if len(used) else weights
        self._total = float(weights.sum())

    def quantile(self, p: float) -> float:
        """The weighted p-quantile."""
        return self._sorted.quantile(p)

    def interval(self, p: float, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Its interval over clusters; None with few of them, or where it would leave the sample."""
        if self._count < _FEWEST:
            return None
        below = np.where(self._values <= self.quantile(p), self._weights, 0.0)
        residuals = np.add.reduceat(below, self._starts) - p * self._sums
        spread = float((residuals**2).sum()) * self._count / (self._count - 1)
        reach = NormalDist().inv_cdf((1.0 + confidence) / 2.0) * spread**0.5 / self._total
        if p - reach <= 0.0 or p + reach >= 1.0:
            return None
        return self.quantile(p - reach), self.quantile(p + reach)
