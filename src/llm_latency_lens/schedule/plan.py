"""A plan as pure seeded data: the same plan and seed give the same instants everywhere.

Every worker holds the whole plan and takes its own share of it (`schedule.arrivals.share`), so no
instant travels between processes.
"""

from typing import Literal

from msgspec import Struct

ArrivalKind = Literal["closed", "constant", "poisson"]
PhaseName = Literal["warmup", "measure"]


class Arrival(Struct, frozen=True, kw_only=True):
    """A load shape: a fixed number of slots (closed), or requests at a rate (open: constant, poisson).

    `concurrency` belongs to closed, `rate` (requests per second) to the open kinds.
    """

    kind: ArrivalKind
    concurrency: int | None = None
    rate: float | None = None


class Stop(Struct, frozen=True, kw_only=True):
    """When a phase stops starting requests: after a count, a duration (ns), or whichever comes first."""

    requests: int | None = None
    duration: int | None = None


class Phase(Struct, frozen=True, kw_only=True):
    """A stretch of the run with one load shape; the next phase begins when this one has drained."""

    name: PhaseName
    arrival: Arrival
    stop: Stop


class Plan(Struct, frozen=True, kw_only=True):
    """The whole run: phases in order, and the seed of everything random in it."""

    phases: tuple[Phase, ...]
    seed: int
