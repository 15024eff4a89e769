"""One load of a search: run it, hear its records in order, and end it as soon as it is decided."""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from llm_latency_lens.capacity.failures import FailureTally
from llm_latency_lens.clock import SystemClock
from llm_latency_lens.metrics.objective_judge import ObjectiveJudge
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.runner.books import Books
from llm_latency_lens.runner.messages import Order
from llm_latency_lens.runner.run import Run, Sink
from llm_latency_lens.units import NS_PER_S, MonoNs

_TICK_NS = 200_000_000
_SILENCE_S, _SILENCE_TIMES = 10.0, 20.0
"""A server from which no request ends for so long, and so many service times, is silent."""

StepEnd = Literal["", "judged", "futile", "hopeless", "silent", "time"]
OnTick = Callable[[Run], None]


class StepSetting(Struct, frozen=True, kw_only=True):
    """What all loads of a search share.

    Attributes:
        sinks: get every record.
        on_run: is given each run when it begins.
        on_tick: is called several times a second while a run goes on.
        stopping: whether the user wants the search to end.
        step_requests: the most requests of one load.
        clock: of this process.
        deadline: the instant at which the search must end.
    """

    sinks: Sequence[Sink]
    on_run: Callable[[Run], None] | None
    on_tick: OnTick
    stopping: Callable[[], bool]
    step_requests: int
    clock: SystemClock
    deadline: MonoNs


class StepRun:
    """Runs one load; `end` says what ended it before its last request, empty where nothing did.

    Requests end in another order than they were sent, the quick ones first: judged in that order,
    an overload would go unnoticed for too long. So they are heard in the order of their numbers.

    Args:
        setting: what all loads share.
        judge: ends the load once it is decided; None where the load is only to be heard.
        service_time: of one request alone (s); None where it is unknown, and silence is no reason.
        phase: the name of the phase that counts.
    """

    def __init__(
        self,
        setting: StepSetting,
        judge: ObjectiveJudge | None,
        service_time: float | None,
        phase: str = "measure",
    ) -> None:
        self.end: StepEnd = ""
        self.failures = FailureTally()
        self.records: list[Record] = []
        self.run: Run | None = None
        self._setting = setting
        self._judge = judge
        self._phase = phase
        self.patience = max(_SILENCE_S, _SILENCE_TIMES * (service_time or math.inf))
        self._waiting: dict[int, Record] = {}
        self._next = 0
        self._latest = setting.clock.now()
        self._ending: asyncio.Task[None] | None = None
        self._aborted = False

    async def execute(self, order: Order, sinks: Sequence[Sink] = ()) -> Books:
        """Run the load to its end.

        Raises:
            MachineError: a measuring process could not be started, or all of them died.
        """
        self.run = Run(order, self._setting.clock, (*self._setting.sinks, *sinks, self._hear))
        if self._setting.on_run is not None:
            self._setting.on_run(self.run)
        guard = asyncio.create_task(self._guard(self.run))
        try:
            return await self.run.execute()
        finally:
            guard.cancel()

    @property
    def stopped_by_user(self) -> bool:
        """Whether somebody else has stopped the run."""
        stopped = self.run is not None and self.run.stopped and not self.end
        return stopped or self._setting.stopping()

    def _hear(self, record: Record) -> None:
        self._latest = self._setting.clock.now()
        if record.phase != self._phase or record.superseded:
            return
        self._waiting[record.number] = record
        while (known := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            # Only we cancel requests: that says nothing of the server.
            if not self.end and known.outcome.kind is not OutcomeKind.CANCELLED:
                self._take(known)

    def _take(self, record: Record) -> None:
        self.failures.add(record)
        if self._judge is None:
            self.records.append(record)
        elif self.failures.hopeless:
            self._finish("hopeless", drain=False)
        elif (judgement := self._judge.add(record)) != "undecided":
            self._finish("judged", drain=judgement == "pass")
        elif self._judge.futile(self._setting.step_requests):
            self._finish("futile", drain=False)

    async def _guard(self, run: Run) -> None:
        """Nothing lasts for ever: end a load at the deadline, or when its server is silent."""
        clock, due = self._setting.clock, self._setting.clock.now()
        while True:
            due = MonoNs(due + _TICK_NS)
            await clock.sleep_until(due)
            now = clock.now()
            if now >= self._setting.deadline:
                self._finish("time", drain=False)
            elif not run.in_flight:
                self._latest = now
            elif now - self._latest > self.patience * NS_PER_S:
                self._finish("silent", drain=False)
            self._setting.on_tick(run)

    def _finish(self, end: StepEnd, *, drain: bool) -> None:
        """End the run, once; a drain may still be cut short by the deadline or by silence."""
        if self.run is None or self._aborted or (drain and self._ending is not None):
            return
        self.end = self.end or end
        self._aborted = not drain
        finish = self.run.stop if drain else self.run.abort
        self._ending = asyncio.get_running_loop().create_task(finish())
