"""The highest load that a server holds: steps of open-loop load, each judged while it goes on.

A step ends as soon as its judgement is sure. One that fails is broken off, so that its queue does not
outlive it; one that passes is drained. A step whose load the client itself could not make decides nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.criteria.objective import Objective, parse_objectives
from llm_latency_lens.load import Load
from llm_latency_lens.metrics.objective import ObjectiveJudge
from llm_latency_lens.metrics.summary import Summary
from llm_latency_lens.model.capacity import Capacity, CapacityStep
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import Result
from llm_latency_lens.profiler import Benchmark, Profiler, conclude
from llm_latency_lens.runner.run import Run, Sink
from llm_latency_lens.stats.capacity import CapacitySearch, Judgement
from llm_latency_lens.workload.workload import Workload

_WARMUP = 4
_ALONE = 1.0


class CapacityQuestion(Struct, frozen=True, kw_only=True):
    """What is to be found, and how: rates in requests per second.

    `step_requests` bounds each step: the more, the closer to the capacity a rate can still be judged.
    """

    slo: str
    start: float = 1.0
    most: float = 1000.0
    precision: float = 0.05
    confidence: float = 0.95
    step_requests: int = 2000


class CapacityPlan(Struct, frozen=True, kw_only=True):
    """A search that is ready to go; the first step's header is the run's."""

    question: CapacityQuestion
    workload: Workload | str
    first: Benchmark


class Hearing:
    """Hears a step's records in the order of their numbers, and ends the step once its judge is sure.

    The quick ones end first: judged in the order in which they end, an overload would look well for long.
    """

    def __init__(self, judge: ObjectiveJudge) -> None:
        self.run: Run | None = None
        self._judge = judge
        self._waiting: dict[int, Record] = {}
        self._next = 0
        self._ending: asyncio.Task[None] | None = None

    def add(self, record: Record) -> None:
        """Take one record."""
        if record.phase != "measure" or record.superseded:
            return
        self._waiting[record.number] = record
        while (known := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            if self._judge.judgement == "undecided":
                self._judge.add(known)
        if self._judge.judgement != "undecided" and self._ending is None and self.run is not None:
            end = self.run.stop if self._judge.judgement == "pass" else self.run.abort
            self._ending = asyncio.get_running_loop().create_task(end())


async def find_capacity(
    profiler: Profiler,
    plan: CapacityPlan,
    *,
    sinks: Sequence[Sink] = (),
    on_run: Callable[[Run], None] | None = None,
    on_step: Callable[[CapacityStep | float], None] | None = None,
) -> Capacity:
    """Search, and say between which rates the capacity lies.

    Args:
        profiler: of the target.
        plan: what `plan_capacity` made.
        sinks: get every record of every step.
        on_run: is given each step's run when it begins.
        on_step: is told each rate before, and each step after it was tried.

    Raises:
        MachineError: a measuring process could not be started, or all of them died.
    """
    question, first = plan.question, plan.first
    objectives = parse_objectives(question.slo)
    search = CapacitySearch(question.start, question.most, question.precision, question.confidence)
    steps: list[CapacityStep] = []
    spent, why, prepared = Decimal(0), "", first
    while not why and (rate := search.next_rate) is not None:
        if on_step is not None:
            on_step(rate)
        if steps:
            prepared = _prepared(profiler, plan, (rate, len(steps), spent))
        judge = ObjectiveJudge(objectives, search.alpha)
        result, run = await _tried(prepared, judge, sinks, on_run)
        again = search.retesting
        judgement, words = _judged(judge, result)
        search.tell(judgement, judge.seen)
        step = _step(rate, judgement, judge.seen, result)
        steps.append(msgspec.structs.replace(step, again=again, words=words))
        if on_step is not None:
            on_step(steps[-1])
        spent += Decimal(result.cost.total) if result.cost and result.cost.total else Decimal(0)
        why = _ended(result, judge, run)
    return _document(first, objectives, search, steps, why, spent)


def plan_capacity(
    profiler: Profiler, workload: Workload | str, load: Load, question: CapacityQuestion, command: Sequence[str] = ()
) -> CapacityPlan:  # fmt: skip
    """The search with its first step, checked; nothing is sent. Of `load` the seed, workers and cap count.

    Raises:
        UsageError: wrong objectives, or a load that contradicts itself.
    """
    parse_objectives(question.slo)
    step = msgspec.structs.replace(
        load, rate=question.start, concurrency=None, duration=None, requests=question.step_requests,
        warmup=max(load.warmup or 0, _WARMUP), arrival="poisson",
    )  # fmt: skip
    asked = {"capacity": msgspec.to_builtins(question)}
    first = profiler.prepare(step, workload, command, question=asked)
    return CapacityPlan(question=question, workload=workload, first=first)


def _prepared(
    profiler: Profiler,
    plan: CapacityPlan,
    step: tuple[float, int, Decimal],
) -> Benchmark:
    """A later step: its own seed, so that no two draw the same arrivals and prompts; what is left of the cap."""
    rate, number, spent = step
    order = plan.first.order
    load = Load(
        rate=rate,
        requests=plan.question.step_requests,
        warmup=_WARMUP,
        workers=order.workers,
        seed=order.plan.seed + number,
        max_cost=None if order.cap is None else max(order.cap - spent, Decimal("0.000001")),
    )
    prepared = profiler.prepare(load, plan.workload)
    return msgspec.structs.replace(prepared, calibration=plan.first.calibration)


async def _tried(
    prepared: Benchmark,
    judge: ObjectiveJudge,
    sinks: Sequence[Sink],
    on_run: Callable[[Run], None] | None,
) -> tuple[Result, Run]:
    summary, hearing = Summary(), Hearing(judge)
    run = Run(prepared.order, SystemClock(), (*sinks, summary.add, hearing.add))
    hearing.run = run
    if on_run is not None:
        on_run(run)
    books = await run.execute()
    return conclude(prepared, summary, books), run


def _judged(judge: ObjectiveJudge, result: Result) -> tuple[Judgement, str]:
    """The judgement, unless the client was the one that could not keep up."""
    late = [c.words for c in result.quality.checks if c.id == "Q3" and c.verdict == "INVALID"]
    if late and judge.judgement == "pass":
        return "undecided", f"the client could not make this load: {late[0]}"
    return judge.judgement, ""


def _ended(result: Result, judge: ObjectiveJudge, run: Run) -> str:
    """Why the whole search must end after this step; empty where it may go on."""
    if result.cost is not None and result.cost.cap is not None and result.cost.cap["broke"]:
        return "the money cap stopped the search"
    in_flight = result.throughput.mean_in_flight
    if judge.judgement == "fail" and in_flight is not None and in_flight < _ALONE:
        return "it fails even with one request at a time: a lower rate can't help"
    # Stopped, and not by the judge: by a person.
    if run.stopped and judge.judgement == "undecided":
        return "stopped before it was done"
    return ""


def _step(rate: float, judgement: Judgement, requests: int, result: Result) -> CapacityStep:
    def of(metric: str, stat: str) -> Any:  # noqa: ANN401 - a percentile or nothing
        found = result.metrics.get(metric)
        return getattr(found, stat) if found is not None else None

    return CapacityStep(
        rate=rate,
        judgement=judgement,
        requests=requests,
        again=False,
        ttft_p50=of("ttft", "p50"),
        ttft_p95=of("ttft", "p95"),
        tpot_p50=of("tpot", "p50"),
        ok=result.outcomes["ok"],
    )


def _document(
    first: Benchmark,
    objectives: tuple[Objective, ...],
    search: CapacitySearch,
    steps: list[CapacityStep],
    why: str,
    spent: Decimal,
) -> Capacity:
    bracket = search.bracket
    return Capacity(
        run=msgspec.to_builtins(first.header),
        objectives=tuple(objective.text for objective in objectives),
        passed=bracket.passed,
        failed=bracket.failed,
        confidence=bracket.confidence,
        steps=tuple(steps),
        why=why or bracket.why,
        cost=str(spent) if spent else None,
    )
