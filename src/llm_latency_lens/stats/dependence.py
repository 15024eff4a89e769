"""How much a series repeats itself: tau values of it say as much as one independent value does.

Latencies of neighbouring requests share a queue, so they are not independent, and intervals that take
them for it are too narrow. tau = 1 + 2 * (sum of autocorrelations), summed over Geyer's initial
positive pairs; the effective sample size is n / tau. Chance makes neighbours look alike too, so
dependence is believed only where Ljung and Box's test sees it at 1 %.
"""

import numpy as np
from numpy.typing import NDArray

from llm_latency_lens.stats.quantiles import Floats

_LAGS = 5
_LJUNG_BOX = 15.086
"""The chi-squared distribution with five degrees of freedom stays below it in 99 %."""
_FEWEST = 20
"""Fewer values say nothing of their dependence."""


def dependence(series: Floats) -> float:
    """Tau of a series in the order of time; 1 where it is independent, constant or short."""
    n = len(series)
    centred = np.asarray(series, np.float64) - np.mean(series) if n else np.empty(0)
    if n < _FEWEST or not np.any(centred):
        return 1.0
    rho = _autocorrelations(centred)
    lags = np.arange(1, _LAGS + 1)
    if n * (n + 2) * float((rho[lags] ** 2 / (n - lags)).sum()) < _LJUNG_BOX:
        return 1.0
    pairs = rho[: n // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0.0)
    stop = int(negative[0]) if len(negative) else len(pairs)
    # An estimate beyond n / 2 would say that the whole series is hardly one value.
    return float(min(max(1.0, 2.0 * pairs[:stop].sum() - 1.0), n / 2.0))


def tail_dependence(series: Floats, p: float) -> float:
    """Tau of being above the p-quantile: what a percentile's interval needs (indicator method)."""
    if len(series) < _FEWEST:
        return 1.0
    return dependence((series > np.quantile(series, p)).astype(np.float64))


def long_run_variance(series: Floats) -> float:
    """Variance of the mean times n: Bartlett's kernel, Andrews' bandwidth for an AR(1)."""
    n = len(series)
    centred = series - series.mean()
    variance = float(centred @ centred) / n
    if variance <= 0.0:
        return 0.0
    rho = float(np.clip(float(centred[1:] @ centred[:-1]) / n / variance, -0.97, 0.97))
    strength = 4.0 * rho**2 / (1.0 - rho**2) ** 2
    bandwidth = int(min(1.1447 * (strength * n) ** (1.0 / 3.0), n / 3.0))
    total = variance
    for lag in range(1, bandwidth + 1):
        weight = 1.0 - lag / (bandwidth + 1.0)
        total += 2.0 * weight * float(centred[lag:] @ centred[:-lag]) / n
    return max(total, variance / n)


def _autocorrelations(centred: Floats) -> NDArray[np.float64]:
    n = len(centred)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    covariance = np.fft.irfft(spectrum * np.conj(spectrum), size)[:n]
    found: NDArray[np.float64] = covariance / covariance[0]
    return found
