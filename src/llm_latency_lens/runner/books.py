"""The books of a run: what was planned, what was started, what came back. They must balance."""

from msgspec import Struct


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


class Books(Struct, frozen=True, kw_only=True):
    """The books by phase name, and what measuring took.

    `began` and `ended` are monotonic ns; CPU in seconds over all measuring processes, `peak_memory`
    in bytes of the largest of them.
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
