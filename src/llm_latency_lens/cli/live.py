"""What is seen while a run goes on: a line of progress on stderr, and what Ctrl-C does.

The first Ctrl-C stops sending, drains and reports; the second ends what is under way at once. What was
measured is kept either way.
"""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Coroutine
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.errors import ExitCode
from llm_latency_lens.metrics.definitions import BY_NAME
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.runner.run import Run
from llm_latency_lens.schedule.plan import Plan
from llm_latency_lens.schedule.share import planned_in_phase
from llm_latency_lens.units import NS_PER_S, MonoNs, format_duration

if TYPE_CHECKING:
    from rich.console import Console

_REFRESH_NS = 200_000_000
_LABELS = {"ttft": "TTFT", "e2e": "end to end"}


class LiveView:
    """Watches one run. `sink` counts records, `attach` is given the run, `exit_code` tells of signals."""

    def __init__(self, plan: Plan, *, quiet: bool) -> None:
        self.exit_code: ExitCode | None = None
        self._plan = plan
        self._quiet = quiet or not sys.stderr.isatty()
        self._clock = SystemClock()
        self._outcomes: Counter[str] = Counter()
        self._latencies: Counter[str] = Counter()
        self._run: Run | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @cached_property
    def _console(self) -> "Console":
        from rich.console import Console  # noqa: PLC0415 - 20 ms that a piped run does not need

        return Console(stderr=True)

    def sink(self, record: Record) -> None:
        """Count one record."""
        if record.phase != "measure":
            return
        self._outcomes[record.outcome.kind.value] += 1
        if record.outcome.kind is OutcomeKind.OK:
            name = "ttft" if record.streamed else "e2e"
            self._latencies[name] += round((BY_NAME[name].of(record) or 0.0) * NS_PER_S)

    def attach(self, run: Run) -> None:
        """Watch `run` from now on; called inside its event loop."""
        self._run = run
        loop = asyncio.get_running_loop()
        for number, code in (
            (signal.SIGINT, ExitCode.INTERRUPTED),
            (signal.SIGTERM, ExitCode.TERMINATED),
        ):
            loop.add_signal_handler(number, self._on_signal, code)
        if not self._quiet:
            self._keep(self._show(run))

    def close(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_signal(self, code: ExitCode) -> None:
        if self._run is None:
            return
        if self.exit_code is None:
            self.exit_code = code
            words = "stopping: nothing more is sent, what is under way is drained (Ctrl-C again: at once)"
            self._keep(self._run.stop())
        else:
            words = "ending what is under way"
            self._keep(self._run.abort())
        self._console.print(words, style="yellow", highlight=False)

    async def _show(self, run: Run) -> None:
        from rich.progress import (  # noqa: PLC0415 - see _console
            BarColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(30),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
        )
        with Progress(
            *columns, console=self._console, transient=True, auto_refresh=False
        ) as progress:
            task = progress.add_task("starting", total=None, words="")
            phase_seen, began = -1, self._clock.now()
            planned: int | None = None
            due = began
            while True:
                if run.phase != phase_seen:
                    phase_seen, began = run.phase, self._clock.now()
                    planned = planned_in_phase(self._plan, run.phase)
                phase = self._plan.phases[run.phase]
                if planned is not None:
                    done, total = float(run.books[phase.name].received), float(planned)
                else:
                    done = (self._clock.now() - began) / NS_PER_S
                    total = (phase.stop.duration or 0) / NS_PER_S
                progress.update(
                    task,
                    description=phase.name,
                    completed=done,
                    total=total,
                    words=self._words(run),
                )
                progress.refresh()
                due = MonoNs(due + _REFRESH_NS)
                await self._clock.sleep_until(due)

    def _words(self, run: Run) -> str:
        ok = self._outcomes["ok"]
        failed = sum(self._outcomes.values()) - ok
        parts = [
            f"{ok:,} ok",
            f"[red]{failed:,} failed[/red]" if failed else "",
            f"{run.in_flight} in flight",
        ]
        if ok:
            parts += [
                f"{_LABELS[name]} {format_duration(total / ok)}"
                for name, total in self._latencies.items()
            ]
        return " · ".join(part for part in parts if part)
