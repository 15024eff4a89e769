"""The run judges itself: a table of checks, each with its number, its words and its remedy.

A check may find a metric VALID, WARN, INSUFFICIENT or INVALID; the metric's verdict is the worst of
them. Adding a check is adding a row.
"""

from collections.abc import Callable

from llm_latency_lens.metrics.checks import (
    books,
    client,
    comparable,
    instrument,
    network,
    sample,
    schedule,
    steady,
    stream,
)
from llm_latency_lens.metrics.checks.evidence import Evidence, worst
from llm_latency_lens.model.result import Check, Verdict

CLIENT_CHECKS: tuple[Callable[[Evidence], Check | None], ...] = (
    books.conservation,
    books.lost_worker,
    books.littles_law,
    instrument.instrument,
    schedule.slip,
    schedule.rate,
    client.clock,
    client.loop_lag,
    client.cpu,
    client.stamps,
    client.collections,
)
"""Of the measuring side: they hold for all targets of a run together."""

DATA_CHECKS: tuple[Callable[[Evidence], Check | None], ...] = (
    sample.size,
    sample.precision,
    sample.dependence,
    sample.censoring,
    stream.coalescing,
    stream.granularity,
    stream.buffered_delivery,
    stream.delayed_first_token,
    network.retransmits,
    network.connections,
    steady.warm_up,
    steady.drift,
    steady.backlog,
    comparable.cached,
    comparable.one_model,
    comparable.quota,
    comparable.lengths,
)
"""Of what was measured: each target has its own."""

CHECKS = (*CLIENT_CHECKS, *DATA_CHECKS)


def run_checks(
    evidence: Evidence, checks: tuple[Callable[[Evidence], Check | None], ...] = CHECKS
) -> tuple[Check, ...]:
    """Every check that has something to say."""
    found = (check(evidence) for check in checks)
    return tuple(check for check in found if check is not None)


def verdict_of(metric: str, checks: tuple[Check, ...]) -> tuple[Verdict, tuple[str, ...]]:
    """A metric's verdict, and the words of the checks that made it."""
    touching = [
        c for c in checks if c.verdict != "VALID" and (metric in c.metrics or "*" in c.metrics)
    ]
    return worst([c.verdict for c in touching]), tuple(c.words for c in touching)
