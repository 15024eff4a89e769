"""The parent's money: settles what attempts cost, and answers the workers that ask for credit."""

from collections.abc import Callable
from decimal import Decimal

from llm_latency_lens.cost.billable import may_be_billed
from llm_latency_lens.cost.budget import Answer, Budget
from llm_latency_lens.model.record import Record


class Treasury:
    """Keeps a run's `budget` under its cap; `tell` carries an answer (None: broke) to a worker."""

    def __init__(self, budget: Budget, tell: Callable[[int, Decimal | None], None]) -> None:
        self.budget = budget
        self.broke = False
        self.assumed = 0
        self._tell = tell
        self._waiting: dict[int, Decimal] = {}

    def asked(self, worker: int, wanted: Decimal, returned: Decimal) -> None:
        """A worker lacks credit."""
        self._waiting[worker] = wanted
        self._answer(worker, returned)

    def settle(self, worker: int, reserved: Decimal, record: Record) -> None:
        """An attempt has ended; without final counts it cost all of its reservation.

        An estimate is not enough, unless it is above the reservation already.
        """
        actual = record.cost.total if record.cost is not None else Decimal(0)
        is_known = record.cost is not None and not record.cost.estimated
        if not is_known and may_be_billed(record.marks, record.outcome.status):
            actual = max(actual, reserved)
            self.assumed += 1
        self.budget.settle(worker, reserved, actual)
        if self.budget.free < 0:
            self._call_off()
        self._answer_all()

    def release(self, worker: int) -> None:
        """The worker has drained its phase."""
        self.budget.release(worker)
        self._waiting.pop(worker, None)
        self._answer_all()

    def lose(self, worker: int) -> None:
        """The worker died."""
        self.budget.lose(worker)
        self._waiting.pop(worker, None)
        self._answer_all()

    def _call_off(self) -> None:
        """More was generated than was allowed: credit that is out there is not covered any more."""
        if not self.broke:
            self.broke = True
            for worker in self.budget.granted:
                self._tell(worker, None)

    def _answer_all(self) -> None:
        for worker in list(self._waiting):
            self._answer(worker, Decimal(0))

    def _answer(self, worker: int, returned: Decimal) -> None:
        answer = self.budget.ask(worker, self._waiting[worker], returned)
        if answer is Answer.WAIT:
            return
        del self._waiting[worker]
        if isinstance(answer, Decimal):
            self._tell(worker, answer)
        else:
            self.broke = True
            self._tell(worker, None)
