"""The incomplete beta function, and binomial tails and Student's t made of it; in logarithms.

The e-processes need logarithms of values far below what a float holds, and the base install has no
scipy; tests hold every function here to it.
"""

import functools
import math
from collections.abc import Callable

_TINY = 1e-300
_ENOUGH = 1e-15
_MOST_TERMS = 10_000


def log_beta(a: float, b: float) -> float:
    """Logarithm of the beta function."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def log_regularized(a: float, b: float, x: float) -> float:
    """Logarithm of I_x(a, b), the share of the beta(a, b) distribution below x; -inf at x = 0."""
    if x <= 0.0:
        return -math.inf
    if x >= 1.0:
        return 0.0
    if x > (a + 1.0) / (a + b + 2.0):
        return _log_of_rest(_log_tail(b, a, 1.0 - x))
    return _log_tail(a, b, x)


def binomial_cdf(k: int, n: int, p: float) -> float:
    """P(B <= k) for B binomial(n, p)."""
    if k < 0:
        return 0.0
    return 1.0 if k >= n else math.exp(log_regularized(n - k, k + 1.0, 1.0 - p))


def share_interval(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's exact interval of a binomial share: `count` of `n` (n >= 1)."""
    tail = math.log((1.0 - confidence) / 2.0)
    low = (
        0.0
        if count == 0
        else _crossing(lambda x: log_regularized(count, n - count + 1.0, x) < tail)
    )
    high = (
        1.0
        if count == n
        else 1.0 - _crossing(lambda x: log_regularized(n - count, count + 1.0, x) < tail)
    )
    return low, high


@functools.lru_cache(maxsize=4096)
def student_t_quantile(p: float, df: float) -> float:
    """The p-quantile of Student's distribution with `df` degrees of freedom; 0.5 <= p < 1."""
    low, high = 0.0, 1.0
    while _t_cdf(high, df) < p:
        high *= 2.0
    for _ in range(100):
        middle = (low + high) / 2.0
        if _t_cdf(middle, df) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _crossing(below: Callable[[float], bool]) -> float:
    """Where a condition that holds at 0 and not at 1 stops to hold."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2.0


def _t_cdf(t: float, df: float) -> float:
    return 1.0 - 0.5 * math.exp(log_regularized(df / 2.0, 0.5, df / (df + t * t)))


def _log_of_rest(log_share: float) -> float:
    """log(1 - exp(x)) for x <= 0."""
    return math.log(-math.expm1(log_share)) if log_share < 0.0 else -math.inf


def _log_tail(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function by Lentz's method, if it converges."""
    front = a * math.log(x) + b * math.log1p(-x) - math.log(a) - log_beta(a, b)
    c, d = 1.0, _inverse(1.0 - (a + b) * x / (a + 1.0))
    value, at = d, a
    for m in range(1, _MOST_TERMS):
        at += 2.0
        term = m * (b - m) * x / ((at - 1.0) * at)
        d = 1.0 / (1.0 + term * d or _TINY)
        c = 1.0 + term / c or _TINY
        value *= c * d
        term = -(a + m) * (a + b + m) * x / (at * (at + 1.0))
        d = 1.0 / (1.0 + term * d or _TINY)
        c = 1.0 + term / c or _TINY
        value *= c * d
        if -_ENOUGH < c * d - 1.0 < _ENOUGH:
            break
    return front + math.log(value)


def _inverse(x: float) -> float:
    return 1.0 / (x if abs(x) > _TINY else _TINY)
