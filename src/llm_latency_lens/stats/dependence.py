"""How far the values of a series depend on each other, and whether that is known well enough.

Latencies of neighbouring requests share a queue, so they are not independent, and intervals that
take them for it are too narrow. The autocorrelation time is tau = 1 + 2 * (sum of
autocorrelations), summed over Geyer's initial monotone sequence (Geyer 1992, section 3.3); the
effective sample size is n / tau. Chance correlates neighbours too, so strong dependence is what the
test of Ljung and Box sees at 1 %.
"""

import math
from statistics import NormalDist
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from llm_latency_lens.stats.beta import student_t_quantile
from llm_latency_lens.stats.quantiles import CONFIDENCE, Floats

Evidence = Literal["none", "weak", "strong"]

VALUES_PER_TAU = 70
"""So many autocorrelation times a series must last before an interval is printed.

Calibrated (tests/attack/calibrations.py): with fewer, the samples in which tau happens to be
underestimated are those whose intervals are printed, and they cover too rarely."""

_LAGS = 5
_LJUNG_BOX = 15.086
"""The chi-squared distribution with five degrees of freedom stays below it in 99 %."""
_ONE_SIDED = 1.645
"""The normal quantile of 95 %: a first autocorrelation beyond it may be missed dependence."""
_UPPER = 2.0
"""The upper limit of the first autocorrelation lies so many standard errors above its estimate."""
_FEWEST = 20
"""Fewer values say nothing about their dependence."""
_BEYOND = 30
"""The dependence of a tail is read where at least so many independent values lie beyond."""
_LEAST_TAU = 2.5
"""Exceedances are counted as if at least so many values carried the information of one."""
_DIRECT_LAGS = 64


class Autocorrelation(Struct, frozen=True, kw_only=True):
    """The dependence within a series of `n` values in the order of time.

    Attributes:
        evidence: whether dependence is established (strong), possible (weak) or not seen (none).
        tau: the autocorrelation time in values; 1 without evidence.
        upper: an upper limit of tau, from the first autocorrelation alone.
        degrees: degrees of freedom of the estimated variance of a mean.
    """

    n: int
    evidence: Evidence
    tau: float
    upper: float
    degrees: float

    def is_known(self, factor: float = VALUES_PER_TAU) -> bool:
        """Whether the series lasts `factor` autocorrelation times, or shows no clear dependence."""
        return self.evidence != "strong" or self.n >= factor * max(self.tau, self.upper)

    @property
    def cautious_tau(self) -> float:
        """An upper 95 % limit of tau: the estimated variance of a mean has a relative error too."""
        if self.evidence != "strong":
            return self.tau
        return self.tau * (1.0 + _ONE_SIDED * math.sqrt(2.0 / self.degrees))

    def student_tau(self, confidence: float = CONFIDENCE) -> float:
        """Tau times the squared ratio of Student's quantile to the normal one."""
        if self.evidence != "strong":
            return self.tau
        p = (1.0 + confidence) / 2.0
        student = student_t_quantile(p, round(self.degrees, 1))
        return self.tau * (student / NormalDist().inv_cdf(p)) ** 2

    def wanted(self, factor: float = VALUES_PER_TAU) -> int:
        """About how many values would make tau known: rounded up to two digits."""
        count = factor * max(self.tau, self.upper)
        unit = int(10 ** max(0, math.floor(math.log10(count)) - 1))
        return math.ceil(count / unit) * unit


def autocorrelation(series: Floats) -> Autocorrelation:
    """Return the dependence within a series in the order of time."""
    n = len(series)
    centred = np.asarray(series, np.float64) - np.mean(series) if n else np.empty(0)
    if n < _FEWEST or not np.any(centred):
        return Autocorrelation(n=n, evidence="none", tau=1.0, upper=1.0, degrees=float(n))
    first = _direct(centred, _LAGS)
    rho = float(first[1]) + 1.0 / n
    limit = max(rho, 0.0)
    limit += _UPPER * math.sqrt(max(1.0 - limit * limit, 0.0) / n)
    limit = min(limit, 0.999)
    upper = (1.0 + limit) / (1.0 - limit)
    lags = np.arange(1, _LAGS + 1)
    seen = n * (n + 2) * float((first[lags] ** 2 / (n - lags)).sum()) >= _LJUNG_BOX
    tau, window = _initial_sequence(centred) if seen else (1.0, 1)
    # Neighbours that repel each other make a mean better known, not worse.
    if tau > 1.0:
        degrees = max(n / window, 2.0)
        return Autocorrelation(n=n, evidence="strong", tau=tau, upper=upper, degrees=degrees)
    if rho > _ONE_SIDED / math.sqrt(n):
        return Autocorrelation(n=n, evidence="weak", tau=upper, upper=upper, degrees=float(n))
    return Autocorrelation(n=n, evidence="none", tau=1.0, upper=upper, degrees=float(n))


def rank_autocorrelation(series: Floats) -> Autocorrelation:
    """Return the dependence within the ranks of a series, which single large values do not hide."""
    return autocorrelation(ranks(np.asarray(series, np.float64)))


def dependence(series: Floats) -> float:
    """Return the estimate of tau; 1 where the series is independent, constant or short."""
    found = autocorrelation(series)
    return found.tau if found.evidence == "strong" else 1.0


def tail_dependence(series: Floats, p: float, whole: Autocorrelation | None = None) -> float:
    """Return the factor on the variance of the share of values below the p-quantile.

    Infinite where tau is not known. `whole` is the dependence of the ranks, where it is at hand.
    """
    whole = whole or rank_autocorrelation(series)
    if not whole.is_known():
        return math.inf
    beyond = series > np.quantile(series, _informative_level(p, whole))
    return joint_tau(whole, autocorrelation(beyond.astype(np.float64)))


def pair_tail_dependence(a: Floats, b: Floats, p: float, whole: Autocorrelation) -> Autocorrelation:
    """Return the dependence of the difference of two shares above their p-quantiles, over pairs."""
    level = _informative_level(p, whole)
    above = [(side > np.quantile(side, level)).astype(np.float64) for side in (a, b)]
    return autocorrelation(above[1] - above[0])


def joint_tau(
    whole: Autocorrelation,
    part: Autocorrelation,
    factor: float = VALUES_PER_TAU,
    *,
    cautious: bool = True,
) -> float:
    """Return tau of `part`, a function of the values `whole` is about; its upper limit if cautious.

    Infinite where one of them lasts too few autocorrelation times.
    """
    if not (whole.is_known(factor) and part.is_known(factor)):
        return math.inf
    if part.evidence == "strong":
        tau = part.cautious_tau if cautious else part.tau
        return max(tau, whole.upper) if whole.evidence == "weak" else tau
    # Where the part shows no dependence of its own, that is not better known than its upper limit.
    return part.upper if whole.evidence == "strong" else whole.tau


def ranks(series: Floats) -> Floats:
    """Return ranks from 1; equal values share their mean rank."""
    _, where, counts = np.unique(series, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean_ranks: Floats = ((ends - counts + 1 + ends) / 2.0)[where]
    return mean_ranks


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


def _informative_level(p: float, whole: Autocorrelation) -> float:
    """The level nearest to `p` beyond which enough independent values lie to show dependence."""
    rarer = min(p, 1.0 - p)
    share = min(max(rarer, _BEYOND * max(whole.tau, _LEAST_TAU) / max(whole.n, 1)), 0.5)
    return share if p < 0.5 else 1.0 - share


def _initial_sequence(centred: Floats) -> tuple[float, int]:
    """Tau over Geyer's initial monotone sequence, and the number of lags (both sides) it took."""
    n = len(centred)
    rho = _direct(centred, min(_DIRECT_LAGS, n) - 1)
    pairs = _pairs(rho)
    if (pairs > 0.0).all():
        pairs = _pairs(_autocorrelations(centred))
    negative = np.flatnonzero(pairs <= 0.0)
    stop = int(negative[0]) if len(negative) else len(pairs)
    sums = np.minimum.accumulate(pairs[:stop])
    window = 2 * (2 * stop - 1) + 1
    # Subtracting the mean lowers each autocorrelation by about tau / n.
    tau = (2.0 * float(sums.sum()) - 1.0) / max(1.0 - window / n, 0.05)
    # An estimate beyond n / 2 would say that the whole series is hardly one value.
    return min(max(1.0, tau), n / 2.0), window


def _pairs(rho: Floats) -> Floats:
    pairs: Floats = rho[: len(rho) // 2 * 2].reshape(-1, 2).sum(axis=1)
    return pairs


def _direct(centred: Floats, lags: int) -> Floats:
    """Autocorrelations from lag 0 to `lags`."""
    n, variance = len(centred), float(centred @ centred)
    products = (float(centred[lag:] @ centred[: n - lag]) for lag in range(lags + 1))
    return np.fromiter(products, np.float64, lags + 1) / variance


def _autocorrelations(centred: Floats) -> NDArray[np.float64]:
    n = len(centred)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    covariance = np.fft.irfft(spectrum * np.conj(spectrum), size)[:n]
    rho: NDArray[np.float64] = covariance / covariance[0]
    return rho
