"""The interval of a mean over values that may be skewed and may depend on their neighbours.

Student's interval through Hall's cubic transformation (Hall 1992, "On the removal of skewness by
transformation"), with the effective sample size n / tau in place of n.
"""

import math

import numpy as np

from llm_latency_lens.stats.beta import student_t_quantile
from llm_latency_lens.stats.dependence import (
    Autocorrelation,
    autocorrelation,
    rank_autocorrelation,
)
from llm_latency_lens.stats.quantiles import CONFIDENCE, Floats

_FEWEST = 6
_SKEWNESS_OF_DEPENDENT = 2.5
"""Sums of dependent values keep more skewness than independent ones; calibrated on queues."""


def mean_interval(
    series: Floats, whole: Autocorrelation | None = None, confidence: float = CONFIDENCE
) -> tuple[float, float] | None:
    """Return the interval of the mean of a series in the order of time.

    None with fewer than six values, or where their dependence is not known. `whole` is the
    dependence of the ranks, where it is at hand.
    """
    n = len(series)
    whole = whole or rank_autocorrelation(series)
    if n < _FEWEST or not whole.is_known():
        return None
    mean, centred = float(series.mean()), series - series.mean()
    variance = float(centred @ centred) / (n - 1)
    if variance <= 0.0:
        return mean, mean
    skewness = float((centred**3).mean()) / float((centred**2).mean()) ** 1.5
    tau, degrees = whole.tau, n - 1.0
    if whole.evidence == "strong":
        values = autocorrelation(series)
        tau = max(values.tau, whole.tau, whole.upper)
        degrees = min(values.degrees, whole.degrees)
    size = n / tau
    slant = skewness / math.sqrt(size) * (_SKEWNESS_OF_DEPENDENT if tau > 1.0 else 1.0)
    reach = student_t_quantile((1.0 + confidence) / 2.0, round(degrees, 1))
    low, high = (math.sqrt(variance / size) * _hall(z, slant) for z in (reach, -reach))
    return mean - low, mean - high


def _hall(z: float, slant: float) -> float:
    """The inverse of Hall's transformation: the studentised mean whose transform is `z`."""
    if abs(slant) < 1e-9:
        return z
    return 3.0 / slant * (float(np.cbrt(1.0 + slant * (z - slant / 6.0))) - 1.0)
