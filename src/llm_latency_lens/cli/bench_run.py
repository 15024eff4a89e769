"""One benchmark from the command line: store it, watch it, conclude it."""

import pathlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click
import msgspec
from msgspec import Struct

from llm_latency_lens.cli.live import LiveView
from llm_latency_lens.clock import SystemClock
from llm_latency_lens.compare import Planned, compare
from llm_latency_lens.errors import ExitCode
from llm_latency_lens.interpret.interpret import subject_of
from llm_latency_lens.model.capacity import Capacity, CapacityEnd
from llm_latency_lens.model.comparison import Comparison
from llm_latency_lens.model.result import Result
from llm_latency_lens.profiler import Benchmark, Profiler, run
from llm_latency_lens.runner.run import RawSink, Run, Sink
from llm_latency_lens.store.recordings import RecordingsWriter
from llm_latency_lens.store.runs import RunWriter, create_run

JUDGED: dict[str, ExitCode] = {
    "INVALID": ExitCode.INVALID_MEASUREMENT,
    "INSUFFICIENT": ExitCode.TOO_FEW_SAMPLES,
}
"""What a verdict other than VALID and WARN makes a run exit with."""


COMPARED: dict[str, ExitCode] = {
    "less": ExitCode.OK,
    "more": ExitCode.OK,
    "equivalent": ExitCode.OK,
    "inconclusive": ExitCode.TOO_FEW_SAMPLES,
}
"""What a comparison's finding makes it exit with."""

SEARCHED: dict[CapacityEnd, ExitCode] = {
    "metric": ExitCode.TOO_FEW_SAMPLES,
    "undecided": ExitCode.TOO_FEW_SAMPLES,
    "time": ExitCode.TOO_FEW_SAMPLES,
    "steps": ExitCode.TOO_FEW_SAMPLES,
    "stopped": ExitCode.TOO_FEW_SAMPLES,
    "unanswered": ExitCode.THRESHOLD_FAILED,
    "quota": ExitCode.THRESHOLD_FAILED,
    "untrusted": ExitCode.INVALID_MEASUREMENT,
    "client": ExitCode.INVALID_MEASUREMENT,
    "spend_limit": ExitCode.MONEY_CAP,
}
"""What the end of a search without a proven rate makes it exit with, whether or not a rate has failed."""

D = TypeVar("D", Result, Comparison, Capacity)


class Keeping(Struct, frozen=True, kw_only=True):
    """What is kept of a run, where, and whether it is watched."""

    runs_dir: pathlib.Path
    save_raw: bool = False
    quiet: bool = False
    allow_invalid: bool = False

    def forgiven(self, code: int) -> int:
        """The exit code, where verdicts may be passed over."""
        return ExitCode.OK if self.allow_invalid and code in JUDGED.values() else code


class Watch(Struct, frozen=True):
    """Who gets the records, the raw attempts and the run itself; `stopping` once the user wants an end."""

    sinks: tuple[Sink, ...]
    raw: RawSink | None
    on_run: Callable[[Run], None]
    stopping: Callable[[], bool]


def run_benchmark(
    profiler: Profiler, prepared: Benchmark, keeping: Keeping, sinks: tuple[Sink, ...] = ()
) -> tuple[Result, int, pathlib.Path]:
    """Run, store and summarise; returns the result, the exit code and the run's directory."""

    def go(watch: Watch) -> Coroutine[Any, Any, Result]:
        return profiler.benchmark(
            prepared, sinks=(*watch.sinks, *sinks), raw=watch.raw, on_run=watch.on_run
        )

    result, signalled, folder = run_kept(prepared, keeping, go)
    code = exit_code_of(result, signalled)
    return result, keeping.forgiven(code), folder


def run_comparison(planned: Planned, keeping: Keeping) -> tuple[Comparison, int, pathlib.Path]:
    """As `run_benchmark`, for a comparison."""

    def go(watch: Watch) -> Coroutine[Any, Any, Comparison]:
        return compare(planned, sinks=watch.sinks, on_run=watch.on_run)

    found, signalled, folder = run_kept(planned.benchmark, keeping, go)
    code: int = signalled if signalled is not None else COMPARED[found.finding]
    if signalled is None and found.abort is not None:
        code = ExitCode.THRESHOLD_FAILED
    elif signalled is None and found.verdict == "INVALID":
        code = ExitCode.INVALID_MEASUREMENT
    return found, keeping.forgiven(code), folder


def run_capacity(
    search: Callable[[Watch], Coroutine[Any, Any, Capacity]], first: Benchmark, keeping: Keeping
) -> tuple[Capacity, int, pathlib.Path]:
    """As `run_benchmark`, for a search of capacity; `first` is its first step."""
    capacity, signalled, folder = run_kept(first, keeping, search)
    judged = capacity.failed is not None
    other = ExitCode.THRESHOLD_FAILED if judged else ExitCode.TOO_FEW_SAMPLES
    code: int = SEARCHED.get(capacity.end, other)
    if signalled is not None:
        code = signalled
    elif capacity.passed is not None and code != ExitCode.MONEY_CAP:
        code = ExitCode.OK
    return capacity, keeping.forgiven(code), folder


def run_kept(
    prepared: Benchmark, keeping: Keeping, go: Callable[[Watch], Coroutine[Any, Any, D]]
) -> tuple[D, ExitCode | None, pathlib.Path]:
    """Store a run while it goes, watch it, and keep the document it ends in.

    Every record is in the journal before it is counted; if this process dies, `runs recover` has it.
    """
    header: dict[str, Any] = msgspec.to_builtins(prepared.header)
    writer = create_run(keeping.runs_dir, header, SystemClock())
    view = LiveView(prepared.order.plan, quiet=keeping.quiet)
    recordings = _recordings(writer, prepared) if keeping.save_raw else None
    raw = recordings.append if recordings is not None else None

    async def watched() -> D:
        try:
            sinks = (writer.append, view.sink)
            return await go(Watch(sinks, raw, view.attach, lambda: view.exit_code is not None))
        finally:
            view.close()

    try:
        document = run(watched())
        writer.finish(msgspec.json.format(msgspec.json.encode(document), indent=2))
    except BaseException:
        _abandon(writer)
        raise
    finally:
        if recordings is not None:
            recordings.close()
    return document, view.exit_code, writer.folder


def _recordings(writer: RunWriter, prepared: Benchmark) -> RecordingsWriter:
    order = prepared.order
    subject = subject_of(order.arms[0].target, order.limits, streamed=order.workload.stream)
    return RecordingsWriter(writer.folder, subject.secrets)


def _abandon(writer: RunWriter) -> None:
    writer.abandon()
    click.echo(
        f"records so far are in {writer.folder}; see: llm-latency-lens runs recover", err=True
    )


def exit_code_of(result: Result, signalled: ExitCode | None) -> int:
    """What the process returns for a result."""
    if signalled is not None:
        return signalled
    if result.cost is not None and result.cost.cap is not None and result.cost.cap["broke"]:
        return ExitCode.MONEY_CAP
    if result.abort is not None or not result.outcomes["ok"]:
        return ExitCode.THRESHOLD_FAILED
    unknown = result.precision is not None and not result.precision.reached
    return JUDGED.get(result.verdict, ExitCode.TOO_FEW_SAMPLES if unknown else ExitCode.OK)
