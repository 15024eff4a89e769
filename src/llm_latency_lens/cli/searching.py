"""`benchmark --find-capacity`: the search, watched and kept."""

import pathlib
import sys
from collections.abc import Coroutine
from typing import Any

import click
import msgspec

from llm_latency_lens.capacity import CapacityQuestion, find_capacity, plan_capacity
from llm_latency_lens.cli.asking import load_of, make_profiler, make_workload
from llm_latency_lens.cli.bench_run import Keeping, Watch, run_capacity
from llm_latency_lens.cli.calibrating import with_calibration
from llm_latency_lens.cli.expense import consent
from llm_latency_lens.cli.retold import retold
from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.capacity import Capacity, CapacityStep
from llm_latency_lens.report.capacity import capacity_report
from llm_latency_lens.report.console import print_report
from llm_latency_lens.units import format_rate

_CONTRADICT = ("concurrency", "requests", "duration", "arrival", "until_precise", "save_raw", "goodput")  # fmt: skip


def search_capacity(target: str, given: dict[str, Any]) -> int:
    """Search, print, and return the exit code.

    Raises:
        UsageError: options that contradict a search.
    """
    question = _question(given)
    profiler = make_profiler(target, given)
    workload = make_workload(given, nonce=given["nonce"])
    load = msgspec.structs.replace(load_of({**given, "rate": None}), requests=1)
    plan = plan_capacity(profiler, workload, load, question, command=retold(sys.argv))
    quiet = given["quiet"] or given["as_json"]
    consent(plan.first, given["ask_above"], yes=given["yes"])
    first = with_calibration(plan.first, given["calibrate"], quiet=quiet)
    plan = msgspec.structs.replace(plan, first=first)

    def told(step: CapacityStep | float) -> None:
        if isinstance(step, CapacityStep) and not quiet and sys.stderr.isatty():
            again = "again: " if step.again else ""
            rate = format_rate(step.rate, "requests")
            click.echo(f"{rate}: {again}{step.judgement} by {step.requests:,} requests", err=True)

    def go(watch: Watch) -> Coroutine[Any, Any, Capacity]:
        return find_capacity(
            profiler,
            plan,
            sinks=watch.sinks,
            on_run=watch.on_run,
            on_step=told,
        )

    keeping = Keeping(
        runs_dir=pathlib.Path(given["runs_dir"]), quiet=quiet, allow_invalid=given["allow_invalid"]
    )
    found, code, folder = run_capacity(go, first, keeping)
    if given["as_json"]:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        print_report(capacity_report(found), sys.stdout)
        click.echo(f"stored in {folder}; again: llm-latency-lens runs show {folder.name}", err=True)
    return code


def _question(given: dict[str, Any]) -> CapacityQuestion:
    if not given["slo"]:
        raise UsageError("--find-capacity needs --slo, such as 'ttft.p95<500ms'")
    if not given["find_capacity"]:
        raise UsageError("--slo goes with --find-capacity; single requests are judged by --goodput")
    for name in _CONTRADICT:
        if given[name]:
            raise UsageError(
                f"--{name.replace('_', '-')} contradicts --find-capacity, which makes its own load"
            )
    start, most = given["rate"] or 1.0, given["max_rate"]
    if start >= most:
        raise UsageError("--max-rate must be above --rate, with which the search begins")
    return CapacityQuestion(
        slo=given["slo"], start=start, most=most, step_requests=given["step_requests"]
    )
