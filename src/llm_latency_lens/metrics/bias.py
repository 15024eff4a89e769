"""How far the values of one target's metric may be from the truth, by what the checks found.

A bias of known size does not forbid a comparison: the difference must exceed it. One of unknown
size, or too small a sample, does.
"""

from msgspec import Struct

from llm_latency_lens.metrics.definitions import METRICS
from llm_latency_lens.model.result import Check, Distribution

_SECONDS = frozenset(metric.name for metric in METRICS if metric.unit == "s")
_BIASED = frozenset({"WARN", "INVALID"})


class Bias(Struct, frozen=True, kw_only=True):
    """What is known about the error of a metric's values.

    Attributes:
        below, above: how far the true value may lie below and above the measured one, in its unit.
        reason: why the metric can't be compared at all, in words; empty where it can.
        invalid: whether a check found the metric INVALID.
    """

    below: float = 0.0
    above: float = 0.0
    reason: str = ""
    invalid: bool = False


def bias_of(
    metric: str, stat: str, checks: tuple[Check, ...], distribution: Distribution | None
) -> Bias:
    """Return the bias of `metric` at `stat` (`location` or a percentile) under these checks."""
    touching = [check for check in checks if {metric, "*"} & set(check.metrics)]
    invalid = [check for check in touching if check.verdict == "INVALID"]
    unbounded = [check for check in touching if not _is_bounded(check, metric)]
    wanting = [check for check in touching if check.verdict == "INSUFFICIENT"]
    known = 0.0
    if metric in _SECONDS:
        biased = (c for c in touching if c.verdict in _BIASED and c.size == "bound")
        known = sum(check.bound or 0.0 for check in biased)
    below = above = 0.0
    if distribution is not None:
        below, above = distribution.room("p50" if stat == "location" else stat)
    return Bias(
        below=known + below,
        above=known + above,
        reason="; ".join(f"{check.name}: {check.words}" for check in (*unbounded, *wanting)),
        invalid=bool(invalid),
    )


def _is_bounded(check: Check, metric: str) -> bool:
    """Whether it is known by how much at most a check's finding moves the metric."""
    if check.size == "unknown":
        return check.verdict not in _BIASED
    if check.verdict != "INVALID":
        return True
    return metric in _SECONDS and (check.size == "in_bounds" or check.bound is not None)
