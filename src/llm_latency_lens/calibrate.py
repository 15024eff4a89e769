"""The instrument measures itself against the embedded simulator: its error, and what its work costs.

A run at the load in question gives the error of every kind of value by the simulator's ledger; its
arrivals are stamped by their packets where that is permitted, so that reading late is no part of it (the
widths of each run tell that). Four
short runs that differ in reads, events, bytes and requests give the CPU time that each of these takes.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from msgspec import Struct

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.errors import MachineError
from llm_latency_lens.load import Load
from llm_latency_lens.model.calibration import Calibration, CostModel, InstrumentError
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.model.recording import StampSource
from llm_latency_lens.model.request import Request
from llm_latency_lens.model.result import Result
from llm_latency_lens.model.truth import Truth
from llm_latency_lens.profiler import Profiler
from llm_latency_lens.runner.environment import describe_machine
from llm_latency_lens.simulator.fault import Fault
from llm_latency_lens.simulator.latency import Latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec
from llm_latency_lens.simulator.truth import compare_with_ledger
from llm_latency_lens.stats.nonnegative import fit_nonnegative
from llm_latency_lens.transport.packets import packets_permitted
from llm_latency_lens.units import NS_PER_S
from llm_latency_lens.workload.workload import Workload, of_prompts

_TTFT = 50_000_000
_TOKENS = 64
_STREAMS = 192
"""Requests at once while costs are measured."""
_COST_TTFT, _COST_ITL, _COST_TOKENS = 20_000_000, 10_000_000, 48
_KINDS = {"TTFT": "ttft", "end to end": "e2e", "TPOT": "tpot", "gap": "gap"}


class Conditions(Struct, frozen=True, kw_only=True):
    """What to calibrate for: streams at once, token events per second of each, measuring processes."""

    concurrency: int = 64
    event_rate: float = 50.0
    workers: int = 1


class _CostRun(Struct, frozen=True):
    """A run whose cost is measured: of how many requests, with which model's name, how many tokens."""

    requests: int
    model: str
    max_tokens: int


_COST_RUNS = (
    # The simulator holds these back and sends each answer in one burst: many events, few reads.
    _CostRun(_STREAMS, "sim", _COST_TOKENS),
    _CostRun(_STREAMS, "sim", _COST_TOKENS),
    # Every event repeats the name of the model, so its length makes events larger.
    _CostRun(_STREAMS, "m" * 1500, _COST_TOKENS),
    _CostRun(6 * _STREAMS, "sim", 1),
)


async def calibrate(
    conditions: Conditions | None = None, on_step: Callable[[str], None] | None = None
) -> Calibration:
    """Measure the instrument; takes about eight seconds.

    Args:
        conditions: the load that the calibration is to hold for.
        on_step: is told in words what is being done.

    Raises:
        MachineError: the simulator could not be started, or what was measured is not in its ledger.
    """
    conditions = conditions or Conditions()
    say = on_step or (lambda _: None)
    say(f"instrument error at {conditions.concurrency} streams")
    stamps: StampSource = "packet" if packets_permitted() else "auto"
    result, truth = await _measured(conditions, stamps)
    say("CPU time of requests, reads, events and bytes")
    return Calibration(
        errors={**_errors(truth), **_slip(result)},
        cost=await _cost_model(),
        workers=conditions.workers,
        concurrency=conditions.concurrency,
        event_rate=conditions.event_rate,
        stamps=stamps,
        at=_today(),
        machine=describe_machine(),
    )


async def _measured(conditions: Conditions, stamps: StampSource) -> tuple[Result, Truth]:
    itl = round(NS_PER_S / conditions.event_rate)
    lifetime = (_TTFT + itl * _TOKENS) / NS_PER_S
    # Open loop, so that the schedule's slip is measured too; as many streams as were asked for.
    load = Load(
        rate=conditions.concurrency / lifetime,
        duration=round(1.5 * lifetime * NS_PER_S),
        workers=conditions.workers,
        warmup=conditions.concurrency,
        seed=1,
        stamps=stamps,
    )
    spec = SimulatorSpec(
        ttft=Latency("constant", _TTFT), itl=Latency("constant", itl), tokens=_TOKENS, seed=1
    )
    records: list[Record] = []
    with SimulatorProcess(spec) as simulator:
        profiler = Profiler(f"openai:{spec.model}", base_url=simulator.base_url, environment={})
        result = await profiler.benchmark(load, "calibrate", sinks=(records.append,))
        ledger = simulator.stop()
    truth = compare_with_ledger(records, ledger)
    if not truth.matched or truth.unmatched or truth.tokens_ours != truth.tokens_ledger:
        raise MachineError(
            f"calibration failed: {truth.tokens_ours:,} of {truth.tokens_ledger:,} token events of"
            f" {truth.matched:,} requests were seen; run it again on a quieter machine"
        )
    return result, truth


async def _cost_model() -> CostModel:
    """Fit the CPU time of a measuring process to what it had to do in each of the runs."""
    spec = SimulatorSpec(
        ttft=Latency("constant", _COST_TTFT),
        itl=Latency("constant", _COST_ITL),
        tokens=_COST_TOKENS,
        seed=1,
        faults=(Fault(name="burst", first=_STREAMS),),
    )
    features, seconds = [], []
    with SimulatorProcess(spec) as simulator:
        for run in _COST_RUNS:
            work, spent = await _cost_of(run, simulator.base_url)
            features.append(work)
            seconds.append(spent)
    request, read, event, byte = fit_nonnegative(np.array(features), np.array(seconds)).tolist()
    return CostModel(request=request, read=read, event=event, byte=byte)


async def _cost_of(run: _CostRun, base_url: str) -> tuple[tuple[float, ...], float]:
    """Requests, reads, events and bytes of a run, and the CPU seconds that it took."""
    records: list[Record] = []
    workload = Workload(
        conversations=of_prompts(("calibrate",)),
        wish=Request(messages=(), max_tokens=run.max_tokens),
    )
    load = Load(concurrency=_STREAMS, requests=run.requests, workers=1, warmup=0, seed=1)
    profiler = Profiler(f"openai:{run.model}", base_url=base_url, environment={})
    result = await profiler.benchmark(load, workload, sinks=(records.append,))
    failed = sum(record.outcome.kind is not OutcomeKind.OK for record in records)
    spent = result.quality.client["cpu_seconds"]
    if failed or not records or spent <= 0.0:
        raise MachineError(
            f"calibration failed: {failed:,} of {len(records):,} requests to the simulator did not"
            " succeed; run it again on a quieter machine"
        )
    work = (
        float(len(records)),
        float(sum(len(record.arrivals) for record in records)),
        float(sum(record.tokens.events for record in records)),
        float(sum(record.body_bytes for record in records)),
    )
    return work, spent


def _errors(truth: Truth) -> dict[str, InstrumentError]:
    return {
        _KINDS[one.name]: InstrumentError(p50=one.absolute.p50, p99=one.absolute.p99, n=one.n)
        for one in truth.comparisons
        if one.name in _KINDS
    }


def _slip(result: Result) -> dict[str, InstrumentError]:
    slip = result.offered.slip
    if slip is None or slip.p50 is None or slip.max is None:
        return {}
    late = slip.p99 if slip.p99 is not None else slip.max
    return {"slip": InstrumentError(p50=slip.p50, p99=late, n=slip.n)}


def _today() -> str:
    return datetime.fromtimestamp(SystemClock().wall() / 1e9, UTC).isoformat(timespec="seconds")
