"""The library's face: profile one request, benchmark under load, from async code or from plain code.

from llm_latency_lens import Load, Profiler, run

profiler = Profiler("openai:my-model", base_url="http://127.0.0.1:8000/v1")
result = run(profiler.benchmark(Load(rate=20, duration="30s"), "Tell me a story."))
print(result.metrics["ttft"].p95)
"""

import asyncio
import os
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.cost.book import PriceBook, open_price_book, price_named
from llm_latency_lens.cost.price import Price
from llm_latency_lens.criteria.abort import NEVER, AbortWatch, parse_abort
from llm_latency_lens.criteria.limit import parse_limits
from llm_latency_lens.criteria.precision import parse_precision
from llm_latency_lens.criteria.until import PrecisionWatch
from llm_latency_lens.errors import UsageError
from llm_latency_lens.interpret.interpret import interpret, subject_of
from llm_latency_lens.load import Load, check_arrivals, check_salt, plan_of
from llm_latency_lens.metrics.result import Setting, build_result
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.calibration import Calibration
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.recording import Attempt, Recording, StampSource
from llm_latency_lens.model.request import Limits, Target
from llm_latency_lens.model.result import Abort, Result
from llm_latency_lens.model.run import RunHeader
from llm_latency_lens.providers.plugin import load_plugins, provider_names, with_plugins
from llm_latency_lens.providers.signing import signer
from llm_latency_lens.providers.target import resolve_target
from llm_latency_lens.providers.where import Where
from llm_latency_lens.report.advice import advise_failure
from llm_latency_lens.runner.books import Books, Money
from llm_latency_lens.runner.cap import check_cap
from llm_latency_lens.runner.environment import describe_machine, usable_cpus
from llm_latency_lens.runner.file_limit import check_file_limit
from llm_latency_lens.runner.header import make_header
from llm_latency_lens.runner.messages import Arm, Order
from llm_latency_lens.runner.run import RawSink, Run, Sink
from llm_latency_lens.schedule.check import check_plan
from llm_latency_lens.schedule.share import planned_rate
from llm_latency_lens.store.calibrations import load_calibration
from llm_latency_lens.transport.exchange import LiveTransport
from llm_latency_lens.transport.poller import Poller
from llm_latency_lens.transport.sources import check_source
from llm_latency_lens.units import parse_money
from llm_latency_lens.wire.dialect import load_dialect
from llm_latency_lens.workload.workload import (
    Workload,
    asked_tokens,
    characters_of,
    kinds_of_request,
    of_prompts,
    request_for,
)

T = TypeVar("T")


class Profile(Struct, frozen=True, kw_only=True):
    """One request: its record, and the recording it was read from."""

    record: Record
    attempt: Attempt


class Benchmark(Struct, frozen=True, kw_only=True):
    """A run that is ready to go: what will be done, and how it will be described. Pure data.

    `calibration` says how well this machine measures, where that is known; `until` is a precision that
    ends the run, such as `ttft.p95+-5%`; `abort_on` has the conditions that end it early.
    """

    order: Order
    header: RunHeader
    goodput: str
    calibration: Calibration | None = None
    until: str = ""
    abort_on: str = ""


class Profiler:
    """Measures one target.

    Args:
        target: `provider:model`, or a resolved Target.
        where: base URL, trust and proxy, where they are not the provider's own.
        base_url: short for `where=Where(base_url=...)`.
        limits: deadlines and caps of each request.
        environment: where keys are looked up; the process's own by default.
        prices: a price file of one's own, which wins over the catalogue.

    Raises:
        UsageError: the target can't be resolved; nothing has been sent.
    """

    def __init__(
        self,
        target: str | Target,
        *,
        base_url: str | None = None,
        where: Where | None = None,
        limits: Limits | None = None,
        environment: Mapping[str, str] | None = None,
        prices: str | None = None,
    ) -> None:
        where = where or Where(base_url=base_url)
        environment = os.environ if environment is None else environment
        self._plugins = load_plugins(where.plugins)
        if isinstance(target, str):
            target = resolve_target(target, where, environment, with_plugins(self._plugins))
        self.target: Target = target
        self.limits = limits or Limits()
        self._clock = SystemClock()
        self._prices = prices
        self._price_as = where.price_as

    def price(self) -> Price | None:
        """The price of the target's model today; None where nobody knows one.

        Raises:
            ConfigError: the price file is wrong.
            UsageError: no price is known for the model whose price is to be used.
        """
        target = self.target
        if self._price_as is not None:
            return price_named(self._book(), self._price_as)
        return self._book().price_of(target.provider, target.model, target.price_as)

    def answer_book(self) -> PriceBook | None:
        """The prices of models that answers may name; None where one price is to hold for all."""
        return self._book() if self._price_as is None else None

    def _book(self) -> PriceBook:
        today = datetime.fromtimestamp(self._clock.wall() / 1e9, UTC).date()
        return open_price_book(today, self._prices, provider_names(self._plugins))

    async def profile(self, workload: Workload | str, stamps: StampSource = "auto") -> Profile:
        """Send one request and say what happened when. A failed one is a record too.

        Args:
            workload: what to ask; a plain prompt is asked as it stands, without a nonce.
            stamps: whose clock stamps arrivals.

        Raises:
            UsageError: this machine does not have that source of stamps; nothing is sent.
        """
        check_source(stamps)
        asked = as_workload(workload, nonce=False)
        wish = request_for(asked, "measure", 0)
        request = load_dialect(self.target.dialect).encode(wish, self.target)
        sign = signer(self.target)
        poller = Poller(stamps, frozenset({self.target.first_hop.port}))
        transport = LiveTransport(self.target.tls, self.target.proxy, poller=poller)
        transport.prepare(self.target.base_url)
        intended = self._clock.now()
        try:
            recording = await transport.exchange(sign(request), self.limits)
        finally:
            transport.close()
            poller.close()
        attempt = Attempt(
            number=0,
            phase="measure",
            worker=0,
            intended=intended,
            dequeued=intended,
            recording=recording,
            prompt_characters=characters_of(wish),
            asked_tokens=asked_tokens(wish),
        )
        subject = subject_of(
            self.target,
            self.limits,
            streamed=asked.stream,
            price=self.price(),
            book=self.answer_book(),
        )
        return Profile(record=interpret(attempt, subject), attempt=attempt)

    async def reach(self) -> Recording:
        """Connect to the target, TLS included, and send nothing; the recording says how it went."""
        transport = LiveTransport(self.target.tls, self.target.proxy)
        transport.prepare(self.target.base_url)
        return await transport.reach(self.target.base_url, self.limits)

    def prepare(
        self,
        load: Load,
        workload: Workload | str,
        command: Sequence[str] = (),
        against: "Sequence[Profiler]" = (),
        question: Mapping[str, Any] | None = None,
    ) -> Benchmark:
        """Turn wishes into a checked plan; nothing is sent.

        Args:
            load: how much, for how long.
            workload: what to ask; a plain prompt begins with a nonce in every request.
            command: the words that were typed, to be kept with the run.
            against: further targets, asked in turn.
            question: what the run is to find out, to be kept with it.

        Raises:
            UsageError: the load contradicts itself.
        """
        order = self._order(load, workload, against)
        check_cap(order)
        check_file_limit(order)
        _check_requests(order)
        calibration = load_calibration(describe_machine(), order.workers)
        return Benchmark(
            order=order,
            header=make_header(
                order,
                self._clock.wall(),
                tuple(command),
                question=question,
                goodput=load.goodput,
                abort_on=load.abort_on,
                priced_as=self._price_as,
                plugins={p.name: f"{p.distribution} {p.version}" for p in self._plugins},
            ),
            goodput=load.goodput,
            until=load.until_precise,
            abort_on=load.abort_on,
            calibration=calibration.for_workers(order.workers) if calibration else None,
        )

    def _order(self, load: Load, workload: Workload | str, against: "Sequence[Profiler]") -> Order:
        """What the workers are told; the load's conditions are checked on the way."""
        seed = secrets.randbelow(2**32) if load.seed is None else load.seed
        plan = plan_of(load, seed)
        check_plan(plan)
        check_source(load.stamps)
        check_arrivals(plan)
        salt = secrets.token_hex(4) if load.nonce_salt is None else check_salt(load.nonce_salt)
        asked = msgspec.structs.replace(as_workload(workload, nonce=True), seed=seed, salt=salt)
        _check_conditions(load, streamed=asked.stream)
        workers = load.workers or max(usable_cpus() - 1, 1)
        most = plan.phases[-1].arrival.concurrency
        return Order(
            plan=plan,
            workload=asked,
            arms=tuple(Arm(target=p.target, price=p.price()) for p in (self, *against)),
            limits=self.limits,
            workers=min(workers, most) if most else workers,
            retries=load.retries,
            stamps=load.stamps,
            cap=parse_money(load.max_cost) if isinstance(load.max_cost, str) else load.max_cost,
            book=None if against else self.answer_book(),
            pause_if_dead=load.abort_on.strip() != NEVER,
        )

    async def benchmark(
        self,
        load: Load | Benchmark,
        workload: Workload | str = "",
        *,
        sinks: Sequence[Sink] = (),
        raw: RawSink | None = None,
        on_run: Callable[[Run], None] | None = None,
    ) -> Result:
        """Make the load and give the result document.

        Args:
            load: what load to make, or what `prepare` made of it.
            workload: what to ask, where `load` is not prepared.
            sinks: get every record as its request ends, warm-up included.
            raw: gets every attempt with its bytes and stamps, where they are to be kept.
            on_run: is given the run when it begins, to watch it or to stop it.

        Raises:
            UsageError: before anything is sent.
            MachineError: a measuring process could not be started, or all of them died.
        """
        prepared = load if isinstance(load, Benchmark) else self.prepare(load, workload)
        summary = Summary(parse_limits(prepared.goodput))
        until = PrecisionWatch(parse_precision(prepared.until)) if prepared.until else None
        abort = AbortWatch(parse_abort(prepared.abort_on))
        ending: list[asyncio.Task[None]] = []

        def look(record: Record) -> None:
            is_over = until is not None and until.add(record)
            if (abort.add(record) or is_over) and not ending:
                ending.append(asyncio.create_task(run_.stop()))

        run_ = Run(prepared.order, self._clock, (*sinks, summary.add, look), raw)
        if on_run is not None:
            on_run(run_)
        result = conclude(prepared, summary, await run_.execute(), abort.abort)
        if until is None:
            return result
        return msgspec.structs.replace(result, precision=until.precision())


def _check_conditions(load: Load, *, streamed: bool) -> None:
    """Raises UsageError where a condition of the load can't be read."""
    parse_limits(load.goodput)
    parse_abort(load.abort_on)
    if load.until_precise:
        parse_precision(load.until_precise, streamed=streamed)


def _check_requests(order: Order) -> None:
    """Refuse what a provider has no word for, before a worker meets it. Raises UsageError."""
    for target in (arm.target for arm in order.arms):
        for number in kinds_of_request(order.workload):
            request = request_for(order.workload, "measure", number)
            load_dialect(target.dialect).encode(request, target)


def conclude(
    prepared: Benchmark, summary: Summary, books: Books | None, abort: Abort | None = None
) -> Result:
    """The result document of a run: from its records, and its books (None: only records are left)."""
    phase = prepared.order.plan.phases[-1]
    measured = books.phases["measure"] if books else None
    found = sum(summary.outcomes.values())
    counts = (
        Counts(
            planned=measured.planned,
            not_sent=measured.not_sent,
            lost=measured.lost,
            withheld=measured.not_sent if books and books.ended_early else 0,
        )
        if measured
        else Counts(planned=found, not_sent=0)
    )
    setting = Setting(
        header=prepared.header,
        phase=phase,
        target=prepared.order.arms[0].target.public_name,
        counts=counts,
        planned_rate=planned_rate(prepared.order.plan, len(prepared.order.plan.phases) - 1),
        client=_client(books) if books else {},
        cap=_cap(books.money) if books and books.money else None,
        vitals=books.vitals if books else (),
        machine=books.machine if books else None,
        calibration=prepared.calibration,
        advise=advise_failure,
        abort=abort,
    )
    return build_result(summary, setting)


def as_workload(workload: Workload | str, *, nonce: bool) -> Workload:
    """A plain prompt as a workload. Raises UsageError where there is nothing to ask."""
    if isinstance(workload, Workload):
        return workload
    if not workload.strip():
        raise UsageError("nothing to ask: give a prompt")
    return Workload(conversations=of_prompts((workload,)), nonce=nonce)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do async work from plain code; also where a loop runs already (a notebook), then in a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    import concurrent.futures  # noqa: PLC0415 - notebooks only

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def _cap(money: Money) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(money)
    return found


def _client(books: Books) -> dict[str, Any]:
    took = (books.ended - books.began) / 1e9
    return {
        "workers": books.workers,
        "lost_workers": books.lost_workers,
        "loop": books.loop,
        "kernel_stamps": books.kernel_stamps,
        "cpu_seconds": books.cpu_user + books.cpu_system,
        "peak_memory": books.peak_memory,
        "seconds": took,
        "stopped": books.stopped,
    }
