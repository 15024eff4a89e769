"""Looking while it runs, without being fooled by looking often: e-processes and what follows from them.

A bet against "the violation rate is at least pi" (or at most) whose fortune no fair world makes grow:
by Ville's inequality it reaches 1/alpha with probability at most alpha, however often one looks.
Units must be independent; where they are not, counts are divided by tau.
"""

import functools
import math
from collections.abc import Callable

from llm_latency_lens.stats.beta import log_beta, log_regularized
from llm_latency_lens.stats.quantiles import CONFIDENCE


def log_evidence_below(violations: float, n: float, share: float) -> float:
    """Log e-value against "the rate is at least `share`": large where there are few violations."""
    return _log_evidence(violations, n, share, below=True)


def log_evidence_above(violations: float, n: float, share: float) -> float:
    """Log e-value against "the rate is at most `share`": large where there are many violations."""
    return _log_evidence(violations, n, share, below=False)


def _log_evidence(violations: float, n: float, share: float, *, below: bool) -> float:
    """A mixture of likelihood ratios over the rates on one side of `share`, beta-weighted."""
    a, b = 1.0, (1.0 - share) / share
    after = (a + violations, b + n - violations)
    inside = _log_mass(*after, share, below=below)
    null = violations * math.log(share) + (n - violations) * math.log1p(-share)
    return inside - _log_prior(share, below=below) - null


@functools.cache
def _log_prior(share: float, *, below: bool) -> float:
    """What the mixture begins with: the same at every look."""
    return _log_mass(1.0, (1.0 - share) / share, share, below=below)


def _log_mass(a: float, b: float, share: float, *, below: bool) -> float:
    """Logarithm of the integral of x^(a-1) (1-x)^(b-1) on one side of `share`."""
    part = log_regularized(a, b, share) if below else log_regularized(b, a, 1.0 - share)
    return part + log_beta(a, b)


def anytime_ranks(
    n: int, p: float, confidence: float = CONFIDENCE, tau: float = 1.0
) -> tuple[int, int] | None:
    """Ranks (from 0) whose order statistics enclose quantile `p` at every n at once; None where n is too small.

    For the true quantile the number of values up to it is binomial(n, p); the ranks are those counts
    that a beta mixture does not refute at 1 - confidence.
    """
    middle = round(n * p)

    def refuted(count: int) -> bool:
        return _log_mixture(count / tau, n / tau, p) >= -math.log(1.0 - confidence)

    # The mixture is convex in the count and smallest near n * p: each side has one crossing.
    if n < 2 or not (refuted(0) and refuted(n)) or refuted(middle):
        return None
    lowest = _first(lambda count: not refuted(count), 0, middle)
    return lowest - 1, _first(refuted, middle, n) - 1


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The smallest number where `holds`, which is false at `low` and true from somewhere to `high`."""
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high


def _log_mixture(count: float, n: float, p: float) -> float:
    """Log of a beta mixture over likelihood ratios of `count` in `n` against the share `p`."""
    rarer = min(p, 1.0 - p)
    a, b = p / rarer, (1.0 - p) / rarer
    null = count * math.log(p) + (n - count) * math.log1p(-p)
    return log_beta(a + count, b + n - count) - log_beta(a, b) - null
