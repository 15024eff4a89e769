"""One benchmark from the command line: store it, watch it, conclude it."""

import pathlib
from typing import Any

import click
import msgspec
from msgspec import Struct

from llm_latency_lens.cli.live import LiveView
from llm_latency_lens.clock import SystemClock
from llm_latency_lens.errors import ExitCode
from llm_latency_lens.model.result import Result
from llm_latency_lens.profiler import Benchmark, Profiler, run
from llm_latency_lens.runner.interpret import subject_of
from llm_latency_lens.runner.run import Sink
from llm_latency_lens.store.recordings import RecordingsWriter
from llm_latency_lens.store.runs import RunWriter, create_run


class Keeping(Struct, frozen=True, kw_only=True):
    """What is kept of a run, where, and whether it is watched."""

    runs_dir: pathlib.Path
    save_raw: bool = False
    quiet: bool = False
    allow_invalid: bool = False


def run_benchmark(
    profiler: Profiler, prepared: Benchmark, keeping: Keeping, sinks: tuple[Sink, ...] = ()
) -> tuple[Result, int, pathlib.Path]:
    """Run, store and summarise; returns the result, the exit code and the run's directory.

    Every record is in the journal before it is counted; if this process dies, `runs recover` has it.
    """
    header: dict[str, Any] = msgspec.to_builtins(prepared.header)
    writer = create_run(keeping.runs_dir, header, SystemClock())
    view = LiveView(prepared.order.plan, quiet=keeping.quiet)
    recordings = _recordings(writer, prepared) if keeping.save_raw else None

    async def watched() -> Result:
        raw = recordings.append if recordings is not None else None
        try:
            return await profiler.benchmark(
                prepared, sinks=(writer.append, view.sink, *sinks), raw=raw, on_run=view.attach
            )
        finally:
            view.close()

    try:
        result = run(watched())
        writer.finish(msgspec.json.format(msgspec.json.encode(result), indent=2))
    except BaseException:
        _abandon(writer)
        raise
    finally:
        if recordings is not None:
            recordings.close()
    code = exit_code_of(result, view.exit_code)
    if keeping.allow_invalid and code in JUDGED.values():
        code = ExitCode.OK
    return result, code, writer.folder


def _recordings(writer: RunWriter, prepared: Benchmark) -> RecordingsWriter:
    order = prepared.order
    subject = subject_of(order.arms[0].target, order.limits, streamed=order.workload.stream)
    return RecordingsWriter(writer.folder, subject.secrets)


def _abandon(writer: RunWriter) -> None:
    writer.abandon()
    click.echo(
        f"records so far are in {writer.folder}; see: llm-latency-lens runs recover", err=True
    )


JUDGED: dict[str, ExitCode] = {
    "INVALID": ExitCode.INVALID_MEASUREMENT,
    "INSUFFICIENT": ExitCode.TOO_FEW_SAMPLES,
}
"""What a verdict other than VALID and WARN makes a run exit with."""


def exit_code_of(result: Result, signalled: ExitCode | None) -> int:
    """What the process returns for a result."""
    if signalled is not None:
        return signalled
    if result.cost is not None and result.cost.cap is not None and result.cost.cap["broke"]:
        return ExitCode.MONEY_CAP
    if not result.outcomes["ok"]:
        return ExitCode.THRESHOLD_FAILED
    return JUDGED.get(result.verdict, ExitCode.OK)
