"""`benchmark --find-capacity`: the search, watched and kept."""

import pathlib
import sys
from collections.abc import Coroutine
from typing import Any

import click
import msgspec

from llm_latency_lens.capacity.question import CapacityQuestion, plan_capacity
from llm_latency_lens.capacity.search import SearchProgress, find_capacity
from llm_latency_lens.cli.asking import load_of, make_profiler, make_workload
from llm_latency_lens.cli.bench_run import Keeping, Watch, run_capacity
from llm_latency_lens.cli.calibrating import with_calibration
from llm_latency_lens.cli.expense import consent
from llm_latency_lens.cli.retold import retold
from llm_latency_lens.clock import SystemClock
from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.capacity import Capacity, CapacityStep
from llm_latency_lens.report.capacity import capacity_report
from llm_latency_lens.report.console import print_report
from llm_latency_lens.units import NS_PER_S, format_duration, format_rate

_CONTRADICT = (
    *("concurrency", "requests", "arrival", "until_precise", "save_raw", "goodput"),
    "abort_on",
)
_EVERY_NS = 10 * NS_PER_S


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
    consent(plan.first, given["ask_above"], yes=given["yes"], most_sent=plan.question.most_sent)
    first = with_calibration(plan.first, given["calibrate"], quiet=quiet)
    plan = msgspec.structs.replace(plan, first=first)
    view = SearchView(question, quiet=quiet)

    def search(watch: Watch) -> Coroutine[Any, Any, Capacity]:
        return find_capacity(
            profiler,
            plan,
            sinks=watch.sinks,
            on_run=watch.on_run,
            watch=view.show,
            stopping=watch.stopping,
        )

    # The live view of a single run does not fit a search, which has a view of its own.
    keeping = Keeping(
        runs_dir=pathlib.Path(given["runs_dir"]), quiet=True, allow_invalid=given["allow_invalid"]
    )
    try:
        capacity, code, folder = run_capacity(search, first, keeping)
    finally:
        view.close()
    if given["as_json"]:
        click.echo(msgspec.json.format(msgspec.json.encode(capacity), indent=2))
    else:
        print_report(capacity_report(capacity), sys.stdout)
        click.echo(f"stored in {folder}; again: llm-latency-lens runs show {folder.name}", err=True)
    return code


class SearchView:
    """Shows a search on stderr: a live line on a terminal, else one every ten seconds."""

    def __init__(self, question: CapacityQuestion, *, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._clock = SystemClock()
        self._due = self._clock.now() + _EVERY_NS
        if not quiet:
            most = format_duration(question.time_limit * NS_PER_S)
            click.echo(
                f"searching for the highest rate that keeps {question.slo}: up to"
                f" {format_rate(question.most)}, for at most {most} (--duration)",
                err=True,
            )

    def show(self, news: SearchProgress | CapacityStep) -> None:
        """Show how the search goes on, or that a step has ended."""
        if self._quiet:
            return
        if isinstance(news, CapacityStep):
            again = "again " if news.again else ""
            words = f"{format_rate(news.rate)}: {again}{news.judgement} - {news.why}"
            click.echo(f"{self._clear}{words}", err=True)
            self._due = self._clock.now() + _EVERY_NS
        elif self._terminal:
            click.echo(f"{self._clear}{progress_line(news)}", nl=False, err=True)
        elif self._clock.now() >= self._due:
            self._due = self._clock.now() + _EVERY_NS
            click.echo(progress_line(news), err=True)

    def close(self) -> None:
        """Leave nothing of the line behind."""
        if self._terminal and not self._quiet:
            click.echo(self._clear, nl=False, err=True)

    @property
    def _clear(self) -> str:
        return "\r\x1b[K" if self._terminal else ""


def progress_line(progress: SearchProgress) -> str:
    """What goes on, what is still missing, and how long it may take."""
    if progress.rate is None:
        return "sending a few requests one at a time"
    rate = format_rate(progress.rate)
    if progress.note:
        return f"{progress.note}; then {rate}"
    parts = [f"{'again ' if progress.again else ''}{rate}: {progress.seen:,} requests judged"]
    if progress.seen and progress.needed is None:
        parts.append("too near the limit to decide soon")
    elif progress.needed is not None:
        parts.append(f"about {progress.needed:,} more to decide")
    if progress.left is not None:
        parts.append(f"about {_whole(progress.left)} left")
    return ", ".join(parts)


def _whole(seconds: float) -> str:
    """Seconds without fractions, long times as minutes: an estimate deserves no more."""
    return f"{seconds:.0f} s" if seconds < 100 else format_duration(round(seconds) * NS_PER_S)


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
    start, most = given["rate"], given["max_rate"]
    if start is not None and start >= most:
        raise UsageError("--max-rate must be above --rate, with which the search begins")
    question = CapacityQuestion(
        slo=given["slo"], start=start, most=most, step_requests=given["step_requests"]
    )
    if given["duration"] is None:
        return question
    return msgspec.structs.replace(question, time_limit=given["duration"] / NS_PER_S)
