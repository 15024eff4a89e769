"""The run judges itself: a table of checks, each with its number, its words and its remedy.

A check may find a metric VALID, WARN, INSUFFICIENT or INVALID; the metric's verdict is the worst of
them. Adding a check is adding a row.
"""

import re
from collections.abc import Callable, Sequence

import msgspec

from llm_latency_lens.metrics.checks import (
    arrivals,
    books,
    client,
    comparable,
    instrument,
    lengths,
    network,
    sample,
    schedule,
    steady,
    stream,
    tokens,
)
from llm_latency_lens.metrics.checks.evidence import Evidence, worst
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.record import Record
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

ANSWER_CHECKS: tuple[Finder, ...] = (
    stream.unknown_finish,
    stream.coalescing,
    stream.granularity,
    tokens.counted,
    tokens.streamed,
    tokens.ranged,
    tokens.hidden,
    tokens.repeated,
    stream.buffered_delivery,
    stream.delayed_first_token,
)
"""Of the answers themselves: they hold for a single one, and at any load."""

DATA_CHECKS: tuple[Finder, ...] = (
    sample.size,
    sample.precision,
    sample.dependence,
    sample.censoring,
    *ANSWER_CHECKS,
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
    lengths.asked_length,
)
"""Of what was measured: each target has its own."""

CHECKS = (*CLIENT_CHECKS, *DATA_CHECKS)

_SHARED_WARNINGS = frozenset({"Q3", "Q8"})
"""A warning of these of a metric is one of goodput too; of others only that a metric is INVALID."""
_NAME = re.compile(r"\w+")


def run_checks(evidence: Evidence, checks: tuple[Finder, ...] = CHECKS) -> tuple[Check, ...]:
    """Everything that the checks have to say."""
    found: list[Check] = []
    for check in checks:
        said = check(evidence)
        found += (said,) if isinstance(said, Check) else said or ()
    limited = frozenset(
        name.group()
        for limit in evidence.summary.goodput_fold.limits
        if (name := _NAME.match(limit.text)) is not None
    )
    return tuple(_with_goodput(check, limited) for check in found)


def check_answers(records: Sequence[Record]) -> tuple[Check, ...]:
    """Return what the answers alone say of the metrics, whatever the load and the phase."""
    summary = Summary()
    for record in records:
        summary.add(msgspec.structs.replace(record, phase="measure", superseded=False))
    evidence = Evidence(
        summary=summary,
        counts=Counts(planned=len(records), not_sent=0),
        metrics=summary.distributions(),
        planned_rate=None,
    )
    return run_checks(evidence, ANSWER_CHECKS)


def _with_goodput(check: Check, limited: frozenset[str]) -> Check:
    """The check, of goodput too where it doubts the metric of a limit."""
    shared = check.verdict == "INVALID" or (
        check.verdict == "WARN" and check.id in _SHARED_WARNINGS
    )
    if not shared or not limited & set(check.metrics) or "goodput" in check.metrics:
        return check
    return msgspec.structs.replace(check, metrics=(*check.metrics, "goodput"))


def verdict_of(metric: str, checks: tuple[Check, ...]) -> tuple[Verdict, tuple[str, ...]]:
    """A metric's verdict, and the words of the checks that made it."""
    touching = [
        c for c in checks if c.verdict != "VALID" and (metric in c.metrics or "*" in c.metrics)
    ]
    return worst([c.verdict for c in touching]), tuple(c.words for c in touching)
