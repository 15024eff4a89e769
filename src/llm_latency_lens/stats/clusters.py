"""Quantiles and means of values that come in clusters: the gaps of one request resemble each other.

Woodruff's interval: the error of the share below the quantile is estimated from the clusters' own
residuals, as an effective number of independent values, and turned back into values through the
exact binomial limits of that number (Korn and Graubard 1998). Clusters follow each other in time;
where their residuals depend on each other, fewer are independent.
"""

import math
from statistics import NormalDist

import numpy as np

from llm_latency_lens.stats.beta import student_t_quantile
from llm_latency_lens.stats.dependence import autocorrelation, joint_tau, rank_autocorrelation
from llm_latency_lens.stats.quantiles import CONFIDENCE, Floats, Weighted, interval_ranks

_FEWEST = 10
"""With fewer clusters, in all or beyond the quantile, their spread tells nothing."""


class Clusters:
    """Values with whole-number weights in clusters; `lengths` are their numbers of values."""

    def __init__(self, values: Floats, weights: Floats, lengths: Floats) -> None:
        self._values, self._weights = values, weights
        self._sorted = Weighted(values, weights)
        used = lengths[lengths > 0].astype(np.int64)
        self._count = len(used)
        self._starts = np.concatenate([[0], np.cumsum(used)[:-1]]) if len(used) else used
        self._sums = np.add.reduceat(weights, self._starts) if len(used) else weights
        self._total = float(weights.sum())
        self._means = self._per_cluster(values * weights) / self._sums
        self._whole = rank_autocorrelation(self._means)

    def quantile(self, p: float) -> float:
        """Return the weighted p-quantile."""
        return self._sorted.quantile(p)

    def interval(self, p: float, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Return the quantile's interval over clusters; None where too few are independent."""
        below = self._per_cluster(np.where(self._values <= self.quantile(p), self._weights, 0.0))
        rarer = below > 0.0 if p < 0.5 else below < self._sums
        error = self._error(below - p * self._sums, confidence)
        if error is None or np.count_nonzero(rarer) < _FEWEST:
            return None
        size = self._total
        if error > 0.0:
            size = min(size, p * (1.0 - p) / error**2)
        ends = interval_ranks(int(self._total), p, confidence, tau=self._total / size)
        if ends is None:
            return None
        last = max(self._total - 1.0, 1.0)
        return self.quantile(ends[0] / last), self.quantile(ends[1] / last)

    def mean_interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Return the weighted mean's interval over clusters; None where few are independent."""
        mean = float((self._means * self._sums).sum()) / self._total
        error = self._error((self._means - mean) * self._sums, confidence)
        if error is None:
            return None
        reach = error * NormalDist().inv_cdf((1.0 + confidence) / 2.0)
        return mean - reach, mean + reach

    def _error(self, residuals: Floats, confidence: float) -> float | None:
        """The standard error of a weighted share or mean, enlarged for being estimated."""
        count = self._count
        if count < _FEWEST:
            return None
        tau = joint_tau(self._whole, autocorrelation(residuals))
        if math.isinf(tau):
            return None
        p = (1.0 + confidence) / 2.0
        student = student_t_quantile(p, count - 1.0) / NormalDist().inv_cdf(p)
        variance = float((residuals**2).sum()) * count / (count - 1) * tau
        return math.sqrt(variance) / self._total * student

    def _per_cluster(self, values: Floats) -> Floats:
        sums: Floats = np.add.reduceat(values, self._starts) if self._count else values
        return sums
