"""The run judges itself: a table of checks, each with its number, its words and its remedy.

A check may find a metric VALID, WARN, INSUFFICIENT or INVALID; the metric's verdict is the worst of
them. Adding a check is adding a row.
"""

from collections.abc import Callable

from llm_latency_lens.metrics.checks import (
    arrivals,
    books,
    client,
    comparable,
    instrument,
    network,
    sample,
    schedule,
    steady,
    stream,
    tokens,
)
from llm_latency_lens.metrics.checks.evidence import Evidence, worst
from llm_latency_lens.model.result import Check, Verdict

Finder = Callable[[Evidence], Check | tuple[Check, ...] | None]
"""A check: what it finds, in one row or several, or None where it has nothing to say."""

CLIENT_CHECKS: tuple[Finder, ...] = (
    books.conservation,
    books.lost_worker,
    books.littles_law,
    instrument.instrument,
    schedule.slip,
    schedule.rate,
    schedule.omission,
    client.clock,
    client.loop_lag,
    client.cpu,
    arrivals.arrivals,
    client.collections,
)
"""Of the measuring side: they hold for all targets of a run together."""

DATA_CHECKS: tuple[Finder, ...] = (
    sample.size,
    sample.precision,
    sample.dependence,
    sample.censoring,
    stream.coalescing,
    stream.granularity,
    tokens.counted,
    tokens.streamed,
    tokens.ranged,
    tokens.hidden,
    tokens.repeated,
    stream.buffered_delivery,
    stream.delayed_first_token,
    network.retransmits,
    network.connections,
    network.unasked,
    network.left_open,
    steady.beginning,
    steady.drift,
    steady.backlog,
    steady.window,
    comparable.cached,
    comparable.one_model,
    comparable.quota,
    comparable.lengths,
)
"""Of what was measured: each target has its own."""

CHECKS = (*CLIENT_CHECKS, *DATA_CHECKS)


def run_checks(evidence: Evidence, checks: tuple[Finder, ...] = CHECKS) -> tuple[Check, ...]:
    """Everything that the checks have to say."""
    found: list[Check] = []
    for check in checks:
        said = check(evidence)
        found += (said,) if isinstance(said, Check) else said or ()
    return tuple(found)


def verdict_of(metric: str, checks: tuple[Check, ...]) -> tuple[Verdict, tuple[str, ...]]:
    """A metric's verdict, and the words of the checks that made it."""
    touching = [
        c for c in checks if c.verdict != "VALID" and (metric in c.metrics or "*" in c.metrics)
    ]
    return worst([c.verdict for c in touching]), tuple(c.words for c in touching)
