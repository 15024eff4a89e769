"""`demo`: our numbers beside the simulator's own ledger, in a few seconds."""

import sys
from typing import Any

import click

from llm_latency_lens.cli.options import QUIET, RUNS_DIR, option, options
from llm_latency_lens.cli.types import DURATION, RATE

_LOAD = (
    option("--rate", type=RATE, default="40/s", help="Open-loop load."),
    option("--duration", "-d", type=DURATION, default="6s", help="How long."),
)


@click.command()
@options(_LOAD, RUNS_DIR, QUIET)
def demo(**given: Any) -> int:  # noqa: ANN401 - click's options
    """Benchmark the embedded simulator and compare our numbers with its ledger.

    Starts the simulator in a process of its own, puts open-loop load on it, prints the report and,
    beside what we measured, what the simulator says that it did.
    """
    import pathlib  # noqa: PLC0415

    from llm_latency_lens.cli.bench_run import Keeping, run_benchmark  # noqa: PLC0415
    from llm_latency_lens.load import Load  # noqa: PLC0415
    from llm_latency_lens.model.record import Record  # noqa: PLC0415
    from llm_latency_lens.profiler import Profiler  # noqa: PLC0415
    from llm_latency_lens.report.console import print_report  # noqa: PLC0415
    from llm_latency_lens.report.load import load_report  # noqa: PLC0415
    from llm_latency_lens.report.truth import truth_report  # noqa: PLC0415
    from llm_latency_lens.simulator.latency import parse_latency  # noqa: PLC0415
    from llm_latency_lens.simulator.process import SimulatorProcess  # noqa: PLC0415
    from llm_latency_lens.simulator.spec import SimulatorSpec  # noqa: PLC0415
    from llm_latency_lens.simulator.truth import compare_with_ledger  # noqa: PLC0415

    spec = SimulatorSpec(
        ttft=parse_latency("lognormal:120ms,0.25"),
        itl=parse_latency("gamma:15ms,8"),
        tokens=48,
        seed=7,
    )
    records: list[Record] = []
    with SimulatorProcess(spec) as simulator:
        profiler = Profiler(f"openai:{spec.model}", base_url=simulator.base_url, environment={})
        load = Load(rate=given["rate"], duration=given["duration"], warmup=64, seed=7)
        prepared = profiler.prepare(load, "Tell me about latency.", command=sys.argv)
        keeping = Keeping(runs_dir=pathlib.Path(given["runs_dir"]), quiet=given["quiet"])
        result, code, folder = run_benchmark(profiler, prepared, keeping, sinks=(records.append,))
        ledger = simulator.stop()
    print_report(load_report(result), sys.stdout)
    click.echo()
    print_report(truth_report(compare_with_ledger(records, ledger)), sys.stdout)
    click.echo(f"stored in {folder}; again: llm-latency-lens runs show {folder.name}", err=True)
    return code
