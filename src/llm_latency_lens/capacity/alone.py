"""Requests sent one at a time, before any load: how the server answers when it is idle."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec
import numpy as np
from msgspec import Struct

from llm_latency_lens.metrics.objective import Objective
from llm_latency_lens.model.record import Record
from llm_latency_lens.runner.messages import Order
from llm_latency_lens.schedule.plan import Arrival, Phase, PhaseName, Plan, Stop
from llm_latency_lens.units import NS_PER_S

PHASE: PhaseName = "warmup"
_REQUESTS, _LONGEST = 5, 10 * NS_PER_S


class Alone(Struct, frozen=True, kw_only=True):
    """How the server answers single requests.

    Attributes:
        service_time: median duration (s); None where nothing succeeded yet.
        values: each objective's median (s); None where no request has the metric.
        missed: the objectives that single requests miss, each with its median (s).
    """

    service_time: float | None = None
    values: tuple[float | None, ...] = ()
    missed: Mapping[Objective, float] = MappingProxyType({})

    def without(self, doubted: Iterable[Objective]) -> "Alone":
        """The same, where nothing is said of objectives that can't be judged."""
        left = set(self.missed) - set(doubted)
        missed = {objective: value for objective, value in self.missed.items() if objective in left}
        return msgspec.structs.replace(self, missed=missed)


def alone_order(order: Order) -> Order:
    """A few requests in one slot; they count as warm-up, and no more begin after ten seconds."""
    phase = Phase(
        name=PHASE,
        arrival=Arrival(kind="closed", concurrency=1),
        stop=Stop(requests=_REQUESTS, duration=_LONGEST),
    )
    return msgspec.structs.replace(
        order, plan=Plan(phases=(phase,), seed=order.plan.seed), workers=1
    )


def alone_of(records: list[Record], objectives: tuple[Objective, ...]) -> Alone:
    """What successful requests, sent one at a time, tell."""
    if not records:
        return Alone()
    took = [r.marks.ended - (r.marks.sent or r.dequeued) for r in records]
    values = ([objective.metric.of(r) for r in records] for objective in objectives)
    known = ([v for v in column if v is not None] for column in values)
    medians = tuple(float(np.median(column)) if column else None for column in known)
    pairs = zip(objectives, medians, strict=True)
    return Alone(
        service_time=float(np.median(took)) / NS_PER_S,
        values=medians,
        missed={o: median for o, median in pairs if median is not None and median >= o.limit},
    )
