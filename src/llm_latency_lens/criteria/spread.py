"""How a quantity varies from run to run: what one run does not show of its maximum or its rate.

Repeated runs of one workload give an interval for a further run: Student's, and for the largest and
the smallest of many values the wider of that and of Gumbel's distribution, both on the log scale, on
which the extremes of heavy-tailed latencies converge to it (Fisher and Tippett, Gnedenko).
"""

import functools
import math
import statistics
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from llm_latency_lens.criteria.estimate import QuantityEstimate, Shape
from llm_latency_lens.criteria.quantity import ResultQuantity
from llm_latency_lens.metrics.column import PERCENTILES
from llm_latency_lens.stats.beta import student_t_quantile

FEWEST_RUNS = 5
"""Fewer runs say too little of their spread."""
_SIZE = 0.1
"""Runs whose sizes differ by more are not compared in what grows with them."""
_DRAWS = 100_000
_EULER = 0.5772156649015329


class Reach(Struct, frozen=True):
    """How far above and below the centre a run may lie, in standard deviations of the repeats."""

    above: float
    below: float


def known_within(
    quantity: ResultQuantity, found: QuantityEstimate, repeats: Sequence[QuantityEstimate]
) -> tuple[float, float] | None:
    """Return the wider of a run's own interval and the run-to-run spread; None without either."""
    if found.value == 0.0 and found.interval is not None:
        return found.interval
    spread = _spread_interval(quantity, found, repeats)
    if found.value is None or (found.interval is None and spread is None):
        return None
    ends = [interval for interval in (found.interval, spread) if interval is not None]
    return min(low for low, _ in ends), max(high for _, high in ends)


def missing(
    quantity: ResultQuantity, found: QuantityEstimate, repeats: Sequence[QuantityEstimate]
) -> str:
    """Say why a run gives no interval of a quantity, and what would."""
    if found.value is None:
        return f"unknown{needed(found)}"
    if any(repeat.verdict == "INVALID" for repeat in repeats):
        return "a baseline's measurement is invalid: see its report"
    if quantity.statistic in PERCENTILES:
        return "no interval: its requests are too few or too much alike; measure longer"
    if len(repeats) >= FEWEST_RUNS and not same_size(quantity, found, repeats):
        counts = ", ".join(f"{repeat.n:,}" for repeat in repeats)
        return f"it depends on the number of requests: {found.n:,} here, {counts} in the baselines"
    return (
        f"one run does not show how much it varies: give gate at least {FEWEST_RUNS} runs of the "
        f"same workload with --baseline ({len(repeats)} given)"
    )


def usable(
    quantity: ResultQuantity, found: QuantityEstimate, repeats: Sequence[QuantityEstimate]
) -> bool:
    """Return whether the repeats show how a quantity varies from run to run."""
    known = found.value is not None and all(
        repeat.value is not None and repeat.verdict != "INVALID" for repeat in repeats
    )
    return known and len(repeats) >= FEWEST_RUNS and same_size(quantity, found, repeats)


def same_size(
    quantity: ResultQuantity, found: QuantityEstimate, repeats: Sequence[QuantityEstimate]
) -> bool:
    """Return whether all runs have about as many requests, where the quantity grows with them."""
    return not quantity.grows or all(
        abs(repeat.n - found.n) <= _SIZE * found.n for repeat in repeats
    )


@functools.cache
def reach(runs: int, shape: Shape, confidence: float, *, against_mean: bool) -> Reach:
    """Return the reach of one more run at this confidence, two-sided.

    Args:
        runs: how many repeats there are.
        shape: how the quantity varies.
        confidence: that the run lies within.
        against_mean: whether it is held against the repeats' mean rather than its own expectation.
    """
    tail = (1.0 - confidence) / 2.0
    wider = math.sqrt(1.0 + 1.0 / runs) if against_mean else 1.0
    student = student_t_quantile(1.0 - tail, runs - 1) * wider
    if shape == "symmetric":
        return Reach(student, student)
    rng = np.random.Generator(np.random.PCG64(runs))
    draws = rng.gumbel(-_EULER, 1.0, (_DRAWS, runs + 1))
    known = draws[:, :runs]
    centre = known.mean(axis=1) if against_mean else 0.0
    pivots = (draws[:, runs] - centre) / known.std(axis=1, ddof=1)
    low, high = (float(end) for end in np.quantile(pivots, [tail, 1.0 - tail]))
    # Few values are less skewed than their limit: neither side is shorter than Student's.
    longer, shorter = max(high, student), max(-low, student)
    return Reach(longer, shorter) if shape == "largest" else Reach(shorter, longer)


def _spread_interval(
    quantity: ResultQuantity, found: QuantityEstimate, repeats: Sequence[QuantityEstimate]
) -> tuple[float, float] | None:
    """The interval of a run's expectation, by how its repeats vary."""
    if not usable(quantity, found, repeats) or found.value is None:
        return None
    values = [repeat.value for repeat in repeats if repeat.value is not None]
    logs = min(found.value, *values) > 0.0
    scaled = [math.log(value) for value in values] if logs else values
    far = reach(len(values), quantity.shape, 0.95, against_mean=False)
    deviation = statistics.stdev(scaled)
    low, high = -far.above * deviation, far.below * deviation
    if logs:
        return found.value * math.exp(low), found.value * math.exp(high)
    return found.value + low, found.value + high


def needed(found: QuantityEstimate) -> str:
    """Say how many requests are missing, where that is known and more of them would help."""
    if not found.n:
        return ": no request has it"
    return f": needs {found.needs - found.n:,} more requests" if found.needs else ""
