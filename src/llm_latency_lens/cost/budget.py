"""A cap that is never exceeded: money is reserved before a request is sent, and settled when it has ended.

The parent keeps the Budget; each worker draws on a Purse of credit that it was granted, so that a send
waits for nobody as long as there is credit. A worker that lacks credit gives back the rest and asks; it
is granted some, told to wait for what others give back, or told that the money is gone.

At every instant spent + factor * granted <= cap. A server that charges more than the most it was
allowed to raises the factor: from then on every request is taken to cost so many times its worst
case. What that one request cost beyond its reservation is told as `overrun`, and is the one way
past the cap. So the first request of a careful budget goes out alone.
"""

from decimal import ROUND_DOWN, ROUND_UP, Decimal
from enum import Enum, auto

_SHARE = 4
"""One grant takes at most this part of what is free, per worker."""
_GRAIN = Decimal("1e-9")


class Answer(Enum):
    """What a worker hears that asked for credit and gets none."""

    WAIT = auto()
    BROKE = auto()


class Budget:
    """The parent's side.

    Attributes:
        cap: the most that may be spent.
        spent: what is settled.
        granted: what each worker has: credit, or reserved for a send.
        factor: so many times its worst case a request is taken to cost.
        overrun: what requests cost beyond their reservations.
        careful: a single request is let out until the first has been settled.
    """

    def __init__(self, cap: Decimal, workers: int, *, careful: bool = False) -> None:
        self.cap = cap
        self.careful = careful
        self.spent = Decimal(0)
        self.overrun = Decimal(0)
        self.factor = Decimal(1)
        self.granted = dict.fromkeys(range(workers), Decimal(0))
        self._share = _SHARE * workers

    @property
    def free(self) -> Decimal:
        """What is neither spent nor granted."""
        return self.cap - self.spent - self.factor * sum(self.granted.values(), Decimal(0))

    def ask(self, worker: int, wanted: Decimal, returned: Decimal) -> Decimal | Answer:
        """A worker without enough credit for a request of `wanted` gives back `returned` and asks."""
        self.granted[worker] -= returned
        if self.careful and any(self.granted.values()):
            return Answer.WAIT
        free = self.free / self.factor
        if free >= wanted:
            # Rounded, so that sums stay exact.
            share = (free / self._share).quantize(_GRAIN, ROUND_DOWN)
            amount = wanted if self.careful else max(wanted, share)
            self.granted[worker] += amount
            return amount
        return Answer.WAIT if any(self.granted.values()) else Answer.BROKE

    def settle(self, worker: int, reserved: Decimal, actual: Decimal) -> None:
        """A request has ended that had `reserved`; `actual` is what it cost."""
        # Of a worker that was lost meanwhile the reservation is spent already. Taken twice it would be
        # a debt below 0, free money for others and a grant to wait for that never comes back.
        self.granted[worker] -= min(reserved, self.granted[worker])
        self.spent += actual
        self.overrun += max(actual - reserved, Decimal(0))
        self.careful = False
        if actual > reserved > 0:
            self.factor = max(self.factor, (actual / reserved).quantize(_GRAIN, ROUND_UP))

    def release(self, worker: int) -> None:
        """The worker has nothing under way and sends nothing more: its credit is free again."""
        self.granted[worker] = Decimal(0)

    def lose(self, worker: int) -> None:
        """The worker died: whatever it had may have been spent, and counts so."""
        self.spent += self.factor * self.granted[worker]
        self.overrun += (self.factor - 1) * self.granted[worker]
        self.granted[worker] = Decimal(0)


class Purse:
    """A worker's side: credit that may be reserved without asking."""

    def __init__(self) -> None:
        self.credit = Decimal(0)

    def take(self, worst: Decimal) -> bool:
        """Reserve `worst` for a request; False where there is not enough credit."""
        if worst > self.credit:
            return False
        self.credit -= worst
        return True

    def empty(self) -> Decimal:
        """Give all credit back."""
        rest, self.credit = self.credit, Decimal(0)
        return rest
