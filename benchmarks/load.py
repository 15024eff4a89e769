"""One load on the simulator, client on CPU 0, server on CPU 1: what it took and how well it measured."""

import asyncio
import os
import resource

from msgspec import Struct

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.load import Load
from llm_latency_lens.metrics.summary import Summary
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.model.result import Distribution
from llm_latency_lens.model.truth import Truth
from llm_latency_lens.profiler import Profiler, run
from llm_latency_lens.runner.books import Books
from llm_latency_lens.runner.run import Run
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec
from llm_latency_lens.simulator.truth import compare_with_ledger

CLIENT_CORE, SERVER_CORE = 0, 1


class Measured(Struct, frozen=True):
    """CPU in seconds: of the measuring process, and of the parent that interprets, counts and summarises."""

    books: Books
    parent_cpu: float
    truth: Truth
    coalesced: float


def pin(core: int) -> None:
    """Stay on one CPU; children inherit it."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


def cpu_seconds() -> float:
    """CPU time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(concurrency: int, requests: int, tokens: int, ttft: str, itl: str) -> Measured:
    """A closed loop; everything but the journal happens as in `benchmark`."""
    spec = SimulatorSpec(ttft=parse_latency(ttft), itl=parse_latency(itl), tokens=tokens)
    pin(CLIENT_CORE)
    records: list[Record] = []
    summary = Summary()
    with SimulatorProcess(
        spec, core=SERVER_CORE if (os.cpu_count() or 1) > 1 else None
    ) as simulator:
        profiler = Profiler("openai:sim", base_url=simulator.base_url, environment={})
        load = Load(concurrency=concurrency, requests=requests, workers=1, seed=1)
        order = profiler.prepare(load, "hello").order

        async def work() -> tuple[Books, float]:
            run = Run(order, SystemClock(), [summary.add, records.append])
            before = cpu_seconds()
            books = await run.execute()
            return books, cpu_seconds() - before

        books, parent = asyncio.run(work())
        ledger = simulator.stop()
    if any(record.outcome.kind is not OutcomeKind.OK for record in records):
        raise RuntimeError(f"not every request succeeded: {summary.failures}")
    truth = compare_with_ledger(records, ledger)
    return Measured(books, parent, truth, summary.coalesced or 0.0)


def open_loop(rate: int, seconds: int) -> Distribution:
    """Slip (begun less intended, s) of a constant rate; measuring process and parent share the client's CPU."""
    spec = SimulatorSpec(ttft=parse_latency("50ms"), itl=parse_latency("5ms"), tokens=8)
    pin(CLIENT_CORE)
    core = SERVER_CORE if (os.cpu_count() or 1) > 1 else None
    with SimulatorProcess(spec, core=core) as simulator:
        profiler = Profiler("openai:sim", base_url=simulator.base_url, environment={})
        load = Load(rate=rate, duration=f"{seconds}s", warmup=64, workers=1, seed=1)
        slip = run(profiler.benchmark(load, "hello")).offered.slip
    if slip is None:
        raise RuntimeError("nothing was sent")
    return slip
