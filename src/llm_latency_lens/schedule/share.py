"""What one worker of several does in a phase: every worker walks the same sequence and takes its part.

Requests are dealt by number, slots of a closed loop as evenly as they go, so that the parts of any
number of workers add up to the plan exactly.
"""

import itertools
from collections.abc import Iterator

from msgspec import Struct

from llm_latency_lens.schedule.arrivals import derive, offsets
from llm_latency_lens.schedule.plan import Phase, Plan
from llm_latency_lens.units import NS_PER_S


class Item(Struct, frozen=True, gc=False):
    """One request: its number in the phase, and its offset (ns); None where a free slot decides."""

    number: int
    offset: int | None


class Share(Struct, frozen=True):
    """One worker's part of a phase: its items, its slots (closed loop), and how many items there are.

    `planned` is None where only the run itself can tell: a closed loop that stops by duration.
    """

    items: Iterator[Item]
    slots: int
    planned: int | None


def share(plan: Plan, index: int, worker: int, workers: int) -> Share:
    """The part of phase `index` that belongs to `worker` (from 0) of `workers`."""
    phase = plan.phases[index]
    slots = _slots(phase, worker, workers)
    if phase.arrival.kind == "closed":
        dealt_to = min(workers, phase.arrival.concurrency or 1)
        numbers = _dealt(phase.stop.requests, worker, dealt_to)
        planned = None
        if isinstance(numbers, range) and phase.stop.duration is None:
            planned = len(numbers)
        return Share((Item(number, None) for number in numbers), slots, planned)

    def mine() -> Iterator[Item]:
        return (item for item in open_items(plan, index) if item.number % workers == worker)

    return Share(mine(), slots, sum(1 for _ in mine()))


def _dealt(limit: int | None, worker: int, workers: int) -> "range | itertools.count[int]":
    """worker, worker + workers, ... below the limit; a worker without a slot gets none."""
    if worker >= workers:
        return range(0)
    return itertools.count(worker, workers) if limit is None else range(worker, limit, workers)


def open_items(plan: Plan, index: int) -> Iterator[Item]:
    """All items of an open-loop phase, until its stop rule."""
    phase = plan.phases[index]
    sequence = offsets(phase.arrival, derive(plan.seed, "arrivals", index))
    for number, offset in enumerate(sequence):
        if phase.stop.requests is not None and number >= phase.stop.requests:
            return
        if phase.stop.duration is not None and offset >= phase.stop.duration:
            return
        yield Item(number, offset)


def planned_in_phase(plan: Plan, index: int) -> int | None:
    """How many requests phase `index` plans over all workers; None where only the run can tell."""
    phase = plan.phases[index]
    if phase.arrival.kind != "closed":
        return sum(1 for _ in open_items(plan, index))
    return phase.stop.requests if phase.stop.duration is None else None


def _slots(phase: Phase, worker: int, workers: int) -> int:
    concurrency = phase.arrival.concurrency or 0
    return concurrency // workers + (1 if worker < concurrency % workers else 0)


def planned_rate(plan: Plan, index: int) -> float | None:
    """Starts per second that an open-loop phase plans between its first and last item."""
    if plan.phases[index].arrival.kind == "closed":
        return None
    first: int | None = None
    last = count = 0
    for item in open_items(plan, index):
        last = item.offset or 0
        first = last if first is None else first
        count += 1
    if first is None or count < 2:
        return None
    return (count - 1) * NS_PER_S / (last - first)
