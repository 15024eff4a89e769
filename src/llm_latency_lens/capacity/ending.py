"""When a search ends before its bracket is found: a table of reasons, each with its words."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec import Struct

from llm_latency_lens.capacity.explanation import Explanation, seconds
from llm_latency_lens.capacity.step import StepRun
from llm_latency_lens.metrics.objective import Objective
from llm_latency_lens.model.capacity import CapacityEnd, CapacityStep
from llm_latency_lens.units import format_rate

_NOT_CURED = 0.75
"""A doubt of which a lower rate leaves more than this share is not cured by lower rates."""
_REFUSED_STEPS = 3


class Ending(NamedTuple):
    """Why the search ends."""

    end: CapacityEnd
    why: str


class Facts(Struct, frozen=True, kw_only=True):
    """What is known after a step.

    Attributes:
        step: the run of the latest step.
        latest: its entry in the document.
        explanation: of the latest step.
        before: the explanation of the step before it, where that was undecided.
        refused: in how many steps, the latest included, every request has failed.
        ever_passed: some rate has passed, and nothing below it did not.
        missed_alone: objectives that single requests already miss, each with its median (s).
        cap_reached: the spend limit was reached.
    """

    step: StepRun
    latest: CapacityStep
    explanation: Explanation
    before: Explanation | None
    refused: int
    ever_passed: bool
    missed_alone: Mapping[Objective, float]
    cap_reached: bool


def end_early(facts: Facts) -> Ending | None:
    """The first reason that holds; None where the search may go on."""
    return next((ending for rule in _RULES if (ending := rule(facts)) is not None), None)


def out_of_time(time_limit: float, rate: float | None = None, needed: float = 0.0) -> Ending:
    """The time for the whole search does not suffice for the next step."""
    step = (
        ""
        if rate is None
        else f"; the next step, {format_rate(rate)}, takes about {seconds(needed)}"
    )
    why = (
        f"the time for the search ({seconds(time_limit)}) is not enough for more: raise --duration"
    )
    return Ending("time", why + step)


def _spend_limit(facts: Facts) -> Ending | None:
    return (
        Ending("spend_limit", "the spend limit stopped the search") if facts.cap_reached else None
    )


def _stopped(facts: Facts) -> Ending | None:
    return Ending("stopped", "stopped by the user") if facts.step.stopped_by_user else None


def _unanswered(facts: Facts) -> Ending | None:
    silent = facts.step.end == "silent" and not facts.step.failures.requests
    if facts.step.end != "hopeless" and not silent:
        return None
    rate = format_rate(facts.latest.rate)
    why = f"at {rate} the server no longer answers; a lower rate would not help: {facts.latest.why}"
    return Ending("unanswered", why)


def _metric(facts: Facts) -> Ending | None:
    return Ending("metric", facts.latest.why) if facts.latest.reason == "metric" else None


def _untrusted(facts: Facts) -> Ending | None:
    """What is wrong with the answers is so at every rate; what has passed stands."""
    if facts.latest.reason != "untrusted" or facts.ever_passed:
        return None
    return Ending("untrusted", facts.latest.why)


def _alone(facts: Facts) -> Ending | None:
    if not facts.missed_alone or facts.latest.judgement != "fail":
        return None
    objective, value = next(iter(facts.missed_alone.items()))
    why = (
        f"{objective.text} is missed even with one request at a time ({seconds(value)}, median): a"
        " lower rate does not help"
    )
    return Ending("alone", why)


def _refused(facts: Facts) -> Ending | None:
    if facts.refused < _REFUSED_STEPS:
        return None
    limited = facts.step.failures.mostly_rate_limited
    why = f"every request failed in {facts.refused} steps, at lower rates too: {facts.latest.why}"
    return Ending("quota" if limited else "unanswered", why)


def _not_cured(facts: Facts) -> Ending | None:
    now, before = facts.explanation, facts.before
    if facts.ever_passed or before is None or not now.reason or now.reason != before.reason:
        return None
    if now.severity <= _NOT_CURED * before.severity:
        return None
    client = now.reason == "client"
    why = (
        f"undecided at {format_rate(facts.latest.rate)}, and a lower rate does not help: {now.why}"
    )
    return Ending("client" if client else "undecided", why)


_RULES: tuple[Callable[[Facts], Ending | None], ...] = (
    _spend_limit,
    _stopped,
    _unanswered,
    _metric,
    _untrusted,
    _alone,
    _refused,
    _not_cured,
)
