"""The instrument measures itself: a known schedule from the embedded simulator, ours against its ledger.

Two short runs. One at the load in question gives the error of every kind of value; one with many
streams gives what a token event costs the measuring process, and so the rate that would fill it.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.errors import MachineError
from llm_latency_lens.load import Load
from llm_latency_lens.model.calibration import Calibration, InstrumentError
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import Result
from llm_latency_lens.model.truth import Truth
from llm_latency_lens.profiler import Profiler
from llm_latency_lens.runner.environment import describe_machine
from llm_latency_lens.simulator.latency import Latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec
from llm_latency_lens.simulator.truth import compare_with_ledger
from llm_latency_lens.units import NS_PER_S

_TTFT = 50_000_000
_TOKENS = 64
_ROOFLINE_STREAMS = 256
_ROOFLINE_RATE = 100.0
"""Token events per second of one stream while the roofline is measured."""
_KINDS = {"TTFT": "ttft", "end to end": "e2e", "TPOT": "tpot", "gap": "gap"}


class Conditions(Struct, frozen=True, kw_only=True):
    """What to calibrate for: streams at once, token events per second of each, measuring processes."""

    concurrency: int = 64
    event_rate: float = 50.0
    workers: int = 1


async def calibrate(
    conditions: Conditions | None = None, on_step: Callable[[str], None] | None = None
) -> Calibration:
    """Measure the instrument; takes about six seconds.

    Args:
        conditions: the load that the calibration is to hold for.
        on_step: is told in words what is being done.

    Raises:
        MachineError: the simulator could not be started, or what was measured is not in its ledger.
    """
    conditions = conditions or Conditions()
    say = on_step or (lambda _: None)
    say(f"instrument error at {conditions.concurrency} streams")
    itl = round(NS_PER_S / conditions.event_rate)
    lifetime = (_TTFT + itl * _TOKENS) / NS_PER_S
    # Open loop, so that the schedule's slip is measured too; as many streams as were asked for.
    load = Load(
        rate=conditions.concurrency / lifetime,
        duration=round(2.5 * lifetime * NS_PER_S),
        workers=conditions.workers,
        warmup=conditions.concurrency,
        seed=1,
    )
    result, truth = await _measured(itl, load)
    say(f"roofline at {_ROOFLINE_STREAMS} streams")
    streams = _ROOFLINE_STREAMS * conditions.workers
    full = Load(concurrency=streams, requests=2 * streams, workers=conditions.workers, seed=1)
    roofline, counted = await _measured(round(NS_PER_S / _ROOFLINE_RATE), full)
    spent = roofline.quality.client["cpu_seconds"]
    return Calibration(
        errors={**_errors(truth), **_slip(result)},
        roofline=conditions.workers * counted.tokens_ours / spent if spent else 0.0,
        workers=conditions.workers,
        concurrency=conditions.concurrency,
        event_rate=conditions.event_rate,
        at=_today(),
        machine=describe_machine(),
    )


async def _measured(itl: int, load: Load) -> tuple[Result, Truth]:
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
