"""Is a plan one that can be run? And which is it: a hash that is the same for the same schedule."""

import hashlib
import itertools
import math

import msgspec

from llm_latency_lens.errors import UsageError
from llm_latency_lens.schedule.arrivals import derive, offsets
from llm_latency_lens.schedule.plan import Phase, Plan

_HASHED_OFFSETS = 1000


def check_plan(plan: Plan) -> None:
    """Refuse a plan that contradicts itself or would never send or never end.

    Raises:
        UsageError: what is wrong, and what to give instead.
    """
    if not plan.phases:
        raise UsageError("the plan has no phase: nothing would be sent")
    for phase in plan.phases:
        for broken, words in _rules(phase):
            if broken:
                where = "" if phase.name == "measure" else f"{phase.name}: "
                raise UsageError(f"{where}{words}")


def _rules(phase: Phase) -> tuple[tuple[bool, str], ...]:
    arrival, stop = phase.arrival, phase.stop
    closed = arrival.kind == "closed"
    rate = arrival.rate
    return (
        (
            closed and rate is not None,
            "a fixed concurrency and a rate contradict each other: give one of them",
        ),
        (
            closed and (arrival.concurrency or 0) < 1,
            "a closed loop needs a concurrency of at least 1",
        ),
        (not closed and rate is None, f"{arrival.kind} arrivals need a rate, such as 20/s"),
        (
            rate is not None and not (rate > 0 and math.isfinite(rate)),
            "the rate (--rate) must be above 0",
        ),
        (
            not closed and arrival.concurrency is not None,
            "an open loop has no concurrency: drop it, or drop the rate",
        ),
        (
            stop.requests is None and stop.duration is None,
            "nothing says when to stop: give requests or a duration",
        ),
        (stop.requests is not None and stop.requests < 1, "at least 1 request is needed"),
        (
            stop.duration is not None and stop.duration <= 0,
            "the duration (--duration) must be above 0",
        ),
    )


def schedule_hash(plan: Plan) -> str:
    """SHA-256 over the plan and its first thousand instants; equal hashes mean equal schedules."""
    digest = hashlib.sha256(msgspec.json.encode(plan))
    for index, phase in enumerate(plan.phases):
        if phase.arrival.kind != "closed":
            sequence = offsets(phase.arrival, derive(plan.seed, "arrivals", index))
            digest.update(repr(list(itertools.islice(sequence, _HASHED_OFFSETS))).encode())
    return digest.hexdigest()
