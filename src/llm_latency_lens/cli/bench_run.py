"""One benchmark from the command line: store it, watch it, conclude it."""

import pathlib
from typing import Any

import click
import msgspec

from llm_latency_lens.cli.live import LiveView
from llm_latency_lens.clock import SystemClock
from llm_latency_lens.errors import ExitCode
from llm_latency_lens.model.result import Result
from llm_latency_lens.profiler import Benchmark, Profiler, run
from llm_latency_lens.runner.run import Sink
from llm_latency_lens.store.runs import RunWriter, create_run


def run_benchmark(
    profiler: Profiler,
    prepared: Benchmark,
    runs_dir: pathlib.Path,
    *,
    quiet: bool,
    sinks: tuple[Sink, ...] = (),
) -> tuple[Result, int, pathlib.Path]:
    """Run, store and summarise; returns the result, the exit code and the run's directory.

    Every record is in the journal before it is counted; if this process dies, `runs recover` has it.
    """
    header: dict[str, Any] = msgspec.to_builtins(prepared.header)
    writer = create_run(runs_dir, header, SystemClock())
    view = LiveView(prepared.order.plan, quiet=quiet)
    try:
        result = run(_watched(profiler, prepared, (writer.append, view.sink, *sinks), view))
        writer.finish(msgspec.json.format(msgspec.json.encode(result), indent=2))
    except BaseException:
        _abandon(writer)
        raise
    return result, exit_code_of(result, view.exit_code), writer.folder


async def _watched(
    profiler: Profiler, prepared: Benchmark, sinks: tuple[Sink, ...], view: LiveView
) -> Result:
    try:
        return await profiler.benchmark(prepared, sinks=sinks, on_run=view.attach)
    finally:
        view.close()


def _abandon(writer: RunWriter) -> None:
    writer.abandon()
    click.echo(
        f"records so far are in {writer.folder}; see: llm-latency-lens runs recover", err=True
    )


def exit_code_of(result: Result, signalled: ExitCode | None) -> int:
    """What the process returns for a result."""
    if signalled is not None:
        return signalled
    if not result.outcomes["ok"]:
        return ExitCode.THRESHOLD_FAILED
    return ExitCode.INVALID_MEASUREMENT if result.verdict == "INVALID" else ExitCode.OK
