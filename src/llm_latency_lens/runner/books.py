"""The books of a run: what was planned, what was started, what came back. They must balance."""

from decimal import Decimal

from msgspec import Struct

from llm_latency_lens.model.vitals import MachineVitals, Vitals


class PhaseBooks(Struct):
    """One phase; `lost` were under way in a worker that died."""

    planned: int = 0
    started: int = 0
    received: int = 0
    lost: int = 0

    @property
    def not_sent(self) -> int:
        """Planned, but never started: the run was stopped, or a worker died."""
        return self.planned - self.started

    @property
    def balanced(self) -> bool:
        """Whether everything that was started is accounted for."""
        return self.started == self.received + self.lost and self.not_sent >= 0


class Money(Struct, frozen=True, kw_only=True):
    """What a cap came to, in US dollars. `broke`: it stopped the run.

    `assumed` counts attempts of which nobody said what they cost: they count as their worst case.
    `overrun` is what servers generated beyond the limit that they were given.
    """

    cap: Decimal
    spent: Decimal
    overrun: Decimal
    assumed: int
    broke: bool


class Books(Struct, frozen=True, kw_only=True):
    """The books by phase name, and what measuring took.

    `began` and `ended` are monotonic ns; CPU in seconds over all measuring processes, `peak_memory`
    in bytes of the largest of them. `money` is there where a cap was kept. `vitals` and `machine` are
    of the last phase, the measured one.
    """

    phases: dict[str, PhaseBooks]
    began: int
    ended: int
    workers: int
    loop: str
    kernel_stamps: bool
    cpu_user: float
    cpu_system: float
    peak_memory: int
    lost_workers: int
    stopped: bool
    money: Money | None = None
    vitals: tuple[Vitals, ...] = ()
    machine: MachineVitals | None = None

    @property
    def ended_early(self) -> bool:
        """Whether requests were not sent on purpose: the user or a cap stopped the run."""
        return self.stopped or (self.money is not None and self.money.broke)
