"""The parent's run: plan x workers -> sinks.

Phases begin in all workers at one instant, and the next phase waits until the last worker has drained.
What workers ship is interpreted here and handed to every sink; nothing else happens to it.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.cost.budget import Budget
from llm_latency_lens.errors import MachineError
from llm_latency_lens.interpret.interpret import interpret, subject_of
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.recording import Attempt
from llm_latency_lens.runner.books import Books, Money, PhaseBooks
from llm_latency_lens.runner.machine import MachineWatch
from llm_latency_lens.runner.messages import (
    Abort,
    Batch,
    Begin,
    Failed,
    Finish,
    Grant,
    Order,
    PhaseDone,
    Progress,
    Ready,
    Resources,
    Stop,
    ToParent,
    ToWorker,
    Want,
)
from llm_latency_lens.runner.processes import WorkerProcess
from llm_latency_lens.runner.treasury import Treasury
from llm_latency_lens.schedule.share import share

_LEAD_NS = 50_000_000
"""Time between the word and the start of a phase: enough for it to reach every worker."""

_step_aside: Callable[[], object] = getattr(os, "sched_yield", lambda: None)

Sink = Callable[[Record], None]
RawSink = Callable[[Attempt], None]


class _Seat:
    """What the parent knows of one worker; `progress` and `received` are of the present phase."""

    __slots__ = ("process", "progress", "ready", "received", "resources")

    def __init__(self, process: WorkerProcess) -> None:
        self.process = process
        self.ready: Ready | None = None
        self.progress = Progress(0, 0)
        self.received = 0
        self.resources = Resources(0.0, 0.0, 0)


class Run:
    """One run of `order` on `order.workers` processes; use once.

    Args:
        order: what to do; its `worker` field is set for each process.
        clock: of this machine, shared by parent and workers.
        sinks: each gets every record, in the order in which attempts ended.
        raw: gets every attempt with its recording before it is interpreted, where it is to be kept.
    """

    def __init__(
        self, order: Order, clock: SystemClock, sinks: Sequence[Sink], raw: RawSink | None = None
    ) -> None:
        self.phase = 0
        self.books: dict[str, PhaseBooks] = {
            phase.name: PhaseBooks() for phase in order.plan.phases
        }
        self._order = order
        self._clock = clock
        self._sinks = sinks
        self._raw = raw
        self._subjects = tuple(
            subject_of(
                arm.target,
                order.limits,
                streamed=order.workload.stream,
                price=arm.price,
                book=order.book,
            )
            for arm in order.arms
        )
        self._seats: dict[int, _Seat] = {}
        self._awaited: set[int] = set()
        self._turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopped = False
        self._lost_workers = 0
        self._handlers: dict[type, Callable[..., None]] = {
            Ready: self._on_ready,
            Batch: self._on_batch,
            Progress: self._on_progress,
            PhaseDone: self._on_phase_done,
            Resources: self._on_resources,
            Failed: self._on_failed,
            Want: self._on_want,
        }
        self._grants: set[asyncio.Task[None]] = set()
        self._treasury: Treasury | None = None
        if order.cap is not None:
            # A request that goes out alone delays a warm-up, but it would delay a schedule too.
            careful = len(order.plan.phases) > 1
            budget = Budget(order.cap, order.workers, careful=careful)
            self._treasury = Treasury(budget, self._grant)

    @property
    def started(self) -> int:
        """How many requests of the present phase were started, as far as the workers have told."""
        return sum(seat.progress.started for seat in self._seats.values())

    @property
    def in_flight(self) -> int:
        """How many requests are under way, as far as the workers have told."""
        return sum(seat.progress.in_flight for seat in self._seats.values())

    @property
    def stopped(self) -> bool:
        """Whether somebody has stopped it."""
        return self._stopped

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers."""
        return [seat.process.pid for seat in self._seats.values()]

    async def execute(self) -> Books:
        """Run every phase and return the books.

        Raises:
            MachineError: a worker can't be started, or failed, or all of them died.
        """
        try:
            self._take_seats()
            for number, seat in self._seats.items():
                await seat.process.send(msgspec.structs.replace(self._order, worker=number))
            await self._turn
            began = self._clock.now() + _LEAD_NS
            watch = MachineWatch(self._clock)
            for index in range(len(self._order.plan.phases)):
                self.phase = index
                watch = MachineWatch(self._clock)
                await self._ask_all(Begin(index, self._clock.now() + _LEAD_NS))
                for seat in self._seats.values():
                    seat.received, seat.progress = 0, Progress(0, 0)
            ended = self._clock.now()
            machine = watch.finish()
            await self._ask_all(Finish())
            return msgspec.structs.replace(self._close_books(began, ended), machine=machine)
        finally:
            for seat in self._seats.values():
                seat.process.close()

    async def stop(self) -> None:
        """Start nothing more; what is under way is drained and kept."""
        await self._tell_all(Stop())

    async def abort(self) -> None:
        """End what is under way now; it is kept as cancelled."""
        await self._tell_all(Abort())

    async def _tell_all(self, message: ToWorker) -> None:
        self._stopped = True
        for seat in self._seats.values():
            await seat.process.send(message)

    def _take_seats(self) -> None:
        secrets = tuple(secret for subject in self._subjects for secret in subject.secrets)
        for number in range(self._order.workers):
            self._seats[number] = _Seat(
                WorkerProcess(number, self._on_message, self._on_lost, secrets)
            )
        self._await_all()

    async def _ask_all(self, message: ToWorker) -> None:
        """Tell every living worker, and wait until each has answered or is lost."""
        self._await_all()
        for seat in self._seats.values():
            await seat.process.send(message)
        await self._turn

    def _await_all(self) -> None:
        self._turn = asyncio.get_running_loop().create_future()
        self._awaited = {number for number, seat in self._seats.items() if seat.process.alive}
        if not self._awaited:
            raise MachineError("every measuring process has died; look for their last words above")

    def _answered(self, number: int) -> None:
        self._awaited.discard(number)
        if not self._awaited and not self._turn.done():
            self._turn.set_result(None)

    @property
    def _current(self) -> PhaseBooks:
        return self.books[self._order.plan.phases[self.phase].name]

    def _on_message(self, number: int, message: ToParent) -> None:
        self._handlers[type(message)](number, message)

    def _on_ready(self, number: int, ready: Ready) -> None:
        self._seats[number].ready = ready
        self._answered(number)

    def _on_batch(self, number: int, batch: Batch) -> None:
        count = sum(not attempt.superseded for attempt in batch.attempts)
        self._seats[number].received += count
        self._current.received += count
        for attempt in batch.attempts:
            if self._raw is not None:
                self._raw(attempt)
            record = interpret(attempt, self._subjects[attempt.arm])
            if self._treasury is not None and attempt.reserved is not None:
                self._treasury.settle(number, attempt.reserved, record)
            for sink in self._sinks:
                sink(record)
            # A measuring process on this CPU may be due: it would wait a scheduler's slice (2-3 ms).
            _step_aside()

    def _on_progress(self, number: int, progress: Progress) -> None:
        self._seats[number].progress = progress

    def _on_phase_done(self, number: int, done: PhaseDone) -> None:
        self._current.planned += done.planned
        self._current.started += done.started
        if self._treasury is not None:
            self._treasury.release(number)
        self._answered(number)

    def _on_resources(self, number: int, resources: Resources) -> None:
        self._seats[number].resources = resources
        self._answered(number)

    def _on_want(self, number: int, want: Want) -> None:
        if self._treasury is not None:
            self._treasury.asked(number, want.amount, want.returned)

    def _grant(self, number: int, amount: Decimal | None) -> None:
        task = asyncio.create_task(self._seats[number].process.send(Grant(amount)))
        self._grants.add(task)
        task.add_done_callback(self._grants.discard)

    def _on_failed(self, number: int, failed: Failed) -> None:
        if not self._turn.done():
            words = f"measuring process {number} failed: {failed.words}"
            self._turn.set_exception(MachineError(words))

    def _on_lost(self, number: int) -> None:
        """A worker died: what it had under way is lost, and the run goes on without it."""
        if number not in self._awaited:
            return
        self._lost_workers += 1
        if self._treasury is not None:
            self._treasury.lose(number)
        seat, order = self._seats[number], self._order
        planned = share(order.plan, self.phase, number, order.workers).planned
        started = max(seat.progress.started, seat.received)
        self._current.planned += started if planned is None else max(planned, started)
        self._current.started += started
        self._current.lost += started - seat.received
        self._answered(number)

    def _close_books(self, began: int, ended: int) -> Books:
        seats = list(self._seats.values())
        ready = [seat.ready for seat in seats if seat.ready is not None]
        return Books(
            phases=dict(self.books),
            began=began,
            ended=ended,
            workers=len(seats),
            loop=ready[0].loop if ready else "",
            kernel_stamps=all(one.kernel_stamps for one in ready),
            cpu_user=sum(seat.resources.cpu_user for seat in seats),
            cpu_system=sum(seat.resources.cpu_system for seat in seats),
            peak_memory=max(seat.resources.peak_memory for seat in seats),
            lost_workers=self._lost_workers,
            stopped=self._stopped,
            money=self._money(),
            vitals=tuple(vitals for seat in seats if (vitals := seat.resources.vitals) is not None),
        )

    def _money(self) -> Money | None:
        treasury = self._treasury
        if treasury is None:
            return None
        return Money(
            cap=treasury.budget.cap,
            spent=treasury.budget.spent,
            overrun=treasury.budget.overrun,
            assumed=treasury.assumed,
            broke=treasury.broke,
        )
