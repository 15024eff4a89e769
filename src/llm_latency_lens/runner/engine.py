"""The engine: one loop that doesn't know what load it makes.

Take the next item, encode its request ahead of time, wait for its instant, start it, go on. What was
asked for (`intended`) and what happened (`dequeued`, `sent`) are both kept: late is late, never hidden.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import msgspec
from msgspec import Struct

from llm_latency_lens.clock import Clock
from llm_latency_lens.cost.billable import may_be_billed
from llm_latency_lens.cost.bound import body_bound, worst_case
from llm_latency_lens.model.recording import Attempt, Recording
from llm_latency_lens.model.request import HttpRequest, Limits, Request, Target
from llm_latency_lens.providers.signing import signer
from llm_latency_lens.runner.messages import Arm, Order
from llm_latency_lens.runner.retry import BUDGET, wait_before_retry
from llm_latency_lens.runner.streak import PAUSE_NS, FailureStreak
from llm_latency_lens.runner.wallet import Wallet
from llm_latency_lens.schedule.interleave import arm_of
from llm_latency_lens.schedule.plan import Phase
from llm_latency_lens.schedule.share import Item, share
from llm_latency_lens.transport.exchange import Transport
from llm_latency_lens.units import MonoNs
from llm_latency_lens.wire.dialect import load_dialect
from llm_latency_lens.workload.workload import asked_tokens, characters_of, request_for


class Tally(Struct, frozen=True):
    """How many requests of a phase were planned for this worker, and how many were started."""

    planned: int
    started: int


class Lane(Struct, frozen=True):
    """The way to one target."""

    arm: Arm
    encode: Callable[[Request, Target], HttpRequest]
    sign: Callable[[HttpRequest], HttpRequest]
    transport: Transport


class Call(Struct, frozen=True):
    """A request ready to be sent, to which arm, and under a cap the most that it can cost.

    `limits` are those of its exchange. `characters` is the length of what it asks, `tokens` the
    fewest and the most that it asks for.
    """

    arm: int
    request: HttpRequest
    worst: Decimal | None
    limits: Limits
    characters: int
    tokens: tuple[int, int | None]


def _may_be_billed(recording: Recording) -> bool:
    head = recording.head
    return may_be_billed(recording.marks, head.status if head is not None else None)


class Engine:
    """Runs the phases of one worker's share of a plan; each ended attempt goes to `sink`.

    Where the order has a cap, every send reserves its worst case from `wallet` first.
    """

    def __init__(
        self,
        order: Order,
        transports: Sequence[Transport],
        clock: Clock,
        sink: Callable[[Attempt], None],
        wallet: Wallet | None = None,
    ) -> None:
        self.started = 0
        self.area = 0
        self._exchanging = 0
        self._changed = clock.now()
        self._order = order
        self._clock = clock
        self._sink = sink
        self._wallet = wallet
        self._lanes = tuple(
            Lane(arm, load_dialect(arm.target.dialect).encode, signer(arm.target), transport)
            for arm, transport in zip(order.arms, transports, strict=True)
        )
        self._running: set[asyncio.Task[None]] = set()
        self._slots: asyncio.Queue[MonoNs] = asyncio.Queue()
        self._loop: asyncio.Task[None] | None = None
        self._stopped = False
        self._stopping = asyncio.Event()
        self._retried = 0
        self._streak = FailureStreak()
        self._failure: BaseException | None = None

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return len(self._running)

    @property
    def number(self) -> int:
        """Which worker this is."""
        return self._order.worker

    def _count_exchange(self, change: int) -> None:
        """Begin (1) or end (-1) an exchange; `area` is the integral of their number (ns)."""
        now = self._clock.now()
        self.area += self._exchanging * (now - self._changed)
        self._exchanging += change
        self._changed = now

    def stop(self) -> None:
        """Start nothing more; what is under way goes on."""
        self._stopped = True
        self._stopping.set()
        if self._loop is not None:
            self._loop.cancel()

    async def run_phase(self, index: int, start: MonoNs) -> Tally:
        """Run phase `index`, whose offsets count from `start`, until its last request has ended."""
        phase = self._order.plan.phases[index]
        mine = share(self._order.plan, index, self._order.worker, self._order.workers)
        self._slots = asyncio.Queue()
        for _ in range(mine.slots):
            self._slots.put_nowait(start)
        self.started = 0
        self.area = 0
        if not self._stopped:
            self._loop = asyncio.create_task(self._start_all(phase, mine.items, start))
            await asyncio.wait([self._loop])
            self._on_done(self._loop)
            self._loop = None
        while self._running:
            await asyncio.wait(self._running)
        if self._failure is not None:
            raise self._failure
        planned = self.started if mine.planned is None else mine.planned
        return Tally(planned, self.started)

    async def _start_all(self, phase: Phase, items: Iterator[Item], start: MonoNs) -> None:
        until = None if phase.stop.duration is None else start + phase.stop.duration
        for item in items:
            call = self._call(phase, item)
            if item.offset is None:
                intended = await self._slots.get()
            else:
                intended = MonoNs(start + item.offset)
            if until is not None and intended >= until:
                break
            if not await self._afford(call):
                break
            if self._streak.is_dead and self._order.pause_if_dead:
                await self._clock.sleep_until(MonoNs(self._clock.now() + PAUSE_NS))
            await self._clock.sleep_until(intended)
            self.started += 1
            task = asyncio.create_task(self._attempt(phase, item, call, intended))
            self._running.add(task)
            task.add_done_callback(self._on_done)

    def _call(self, phase: Phase, item: Item) -> Call:
        order = self._order
        arms = len(self._lanes)
        number = arm_of(order.plan.seed, item.number, arms)
        lane = self._lanes[number]
        wish = request_for(order.workload, phase.name, item.number, arms)
        worst, limits = None, order.limits
        if order.cap is not None and lane.arm.price is not None:
            generates = load_dialect(lane.arm.target.dialect).streams
            worst = worst_case(wish, lane.arm.price, generates=generates)
            if generates:
                # A server that does not stop at the limit is left before it has cost much more.
                most = min(limits.max_body, body_bound(wish))
                limits = msgspec.structs.replace(limits, max_body=most)
        request = lane.encode(wish, lane.arm.target)
        return Call(number, request, worst, limits, characters_of(wish), asked_tokens(wish))

    async def _afford(self, call: Call) -> bool:
        """Reserve what the call can cost; False where the cap leaves no money for it."""
        if self._wallet is None or call.worst is None:
            return True
        return await self._wallet.reserve(call.worst)

    async def _attempt(self, phase: Phase, item: Item, call: Call, intended: MonoNs) -> None:
        retry, lane = 0, self._lanes[call.arm]
        while True:
            dequeued = self._clock.now()
            self._count_exchange(1)
            try:
                request = lane.sign(call.request)
                recording = await lane.transport.exchange(request, call.limits)
            finally:
                self._count_exchange(-1)
            self._streak.add(recording)
            # Under a cap one reservation pays one attempt that may be billed.
            billed = call.worst is not None and _may_be_billed(recording)
            again = not billed and await self._waited(recording, item.number, retry)
            if not again:
                self._slots.put_nowait(MonoNs(recording.marks.ended))
            self._sink(
                Attempt(
                    number=item.number,
                    phase=phase.name,
                    worker=self._order.worker,
                    intended=intended,
                    dequeued=dequeued,
                    recording=recording,
                    retry=retry,
                    superseded=again,
                    arm=call.arm,
                    # What is tried again cost nothing, so the reservation goes on.
                    reserved=None if again else call.worst,
                    prompt_characters=call.characters,
                    asked_tokens=call.tokens,
                )
            )
            if not again:
                return
            retry += 1

    async def _waited(self, recording: Recording, number: int, retry: int) -> bool:
        """Whether the attempt is to be made again; if so, when it is time."""
        if retry >= self._order.retries or self._retried >= self.started // BUDGET:
            return False
        seed = f"{self._order.plan.seed}/retry/{number}"
        wait = wait_before_retry(recording, retry, seed)
        if wait is None:
            return False
        self._retried += 1
        waiting = asyncio.create_task(self._clock.sleep_until(MonoNs(self._clock.now() + wait)))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        stopping.cancel()
        return not self._stopped

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error
            self.stop()
