"""What the measuring side noticed of itself while it measured: its loops, its CPUs, its clocks."""

from msgspec import Struct


class Vitals(Struct, frozen=True, kw_only=True):
    """One measuring process over the measured phase.

    Its event loop should tick every ten milliseconds. `blocked` are the stretches, as (begin, length) in
    monotonic ns, in which it was late by more than one; `added_delay` is the mean delay (s) that
    lateness adds to something that happens at a random instant: the sum of its squares over twice the time.
    `busy` is the share of each second spent on the CPU, `switches` how often the CPU was taken away,
    `pauses` are garbage collections as (begin, length) in ns, `area` the integral of
    attempts in flight (s): each from the instant at which the engine takes it up to its end.
    """

    worker: int
    seconds: float
    added_delay: float
    blocked: tuple[tuple[int, int], ...]
    busy: tuple[float, ...]
    switches: int
    pauses: tuple[tuple[int, int], ...]
    area: float


class ClockFacts(Struct, frozen=True):
    """The clock that stamps: resolution and cost of a reading in ns."""

    name: str
    resolution: float
    read_cost: float
    adjustable: bool


class MachineVitals(Struct, frozen=True, kw_only=True):
    """The machine over the measured phase; None where it does not say.

    `wall_step` is by how much wall and monotonic time went apart (s), `suspended` how long the machine
    slept (s), `steal` the share of CPU time that a hypervisor took, `throttled` the share of time in
    which a quota held this control group back, `pressure` the share of time in which some task waited for a CPU.
    """

    clock: ClockFacts
    seconds: float
    wall_step: float
    suspended: float | None = None
    steal: float | None = None
    throttled: float | None = None
    pressure: float | None = None
