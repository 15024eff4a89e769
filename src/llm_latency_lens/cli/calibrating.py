"""Before a run: is this machine calibrated, and is the load within what it can measure?"""

import contextlib
import pathlib
import sys
from collections.abc import Iterator

import click
import msgspec

from llm_latency_lens.calibrate import Conditions, calibrate
from llm_latency_lens.errors import MachineError, UsageError
from llm_latency_lens.model.calibration import TYPICAL_EVENT, Calibration
from llm_latency_lens.profiler import Benchmark, run
from llm_latency_lens.runner.environment import describe_machine
from llm_latency_lens.store.calibrations import (
    check_cache,
    has_outdated_calibration,
    save_calibration,
)

_WARN, _REFUSE = 0.5, 1.0
"""Shares of the measuring processes' CPU, by forecast; refused only by the most favourable one."""


def calibrated(conditions: Conditions, *, quiet: bool) -> tuple[Calibration, pathlib.Path]:
    """Calibrate and keep the result.

    Raises:
        MachineError: it failed, or can't be kept.
    """

    def say(words: str) -> None:
        if not quiet and sys.stderr.isatty():
            click.echo(f"calibrating: {words} ...", err=True)

    with _keeping():
        check_cache(describe_machine(), conditions.workers)
    found = run(calibrate(conditions, say))
    with _keeping():
        return found, save_calibration(found)


@contextlib.contextmanager
def _keeping() -> Iterator[None]:
    """Says what became of the cache. Raises MachineError where it can't be written."""
    try:
        yield
    except OSError as error:
        raise MachineError(
            f"the calibration can't be kept: {error.strerror}: {error.filename}; set XDG_CACHE_HOME"
        ) from None


def with_calibration(prepared: Benchmark, how: str, *, quiet: bool) -> Benchmark:
    """The run with the calibration of this machine: kept, or made now (`how`: auto, now or never).

    Nothing that goes wrong with it keeps a run from being made: the error is then unknown, and said to be.
    """
    if how == "never":
        return msgspec.structs.replace(prepared, calibration=None)
    if how == "auto" and prepared.calibration is not None:
        return prepared
    if not quiet:
        if has_outdated_calibration(describe_machine(), prepared.order.workers):
            click.echo("the stored calibration is of another version: it is not used", err=True)
        click.echo("calibrating the instrument, once for this machine: about 8 s", err=True)
    try:
        found, _ = calibrated(Conditions(), quiet=quiet)
    except MachineError as error:
        click.echo(f"not calibrated: {error}", err=True)
        return prepared
    return msgspec.structs.replace(prepared, calibration=found.for_workers(prepared.order.workers))


def check_roofline(prepared: Benchmark, *, beyond: bool) -> None:
    """Warn of a load near what this machine can carry by forecast, refuse one that is surely beyond.

    How many events a server sends in one piece is not known before the run: the warning takes each to
    come alone, the refusal takes them to come together.

    Raises:
        UsageError: with what to change.
    """
    planned, calibration = planned_events(prepared), prepared.calibration
    if planned is None or calibration is None:
        return
    requests, events = planned
    body, workers, cost = events * TYPICAL_EVENT, prepared.order.workers, calibration.cost
    alone = cost.seconds(requests, events, events, body) / workers
    together = cost.seconds(requests, requests, events, body) / workers
    if alone <= _WARN:
        return
    share = together if together > _REFUSE else alone
    processes = f"{workers} measuring process{'es' * (workers > 1)}"
    words = (
        f"this load may bring {events:,.0f} token events/s, by forecast about {share:.0%} of what this"
        f" machine can carry with {processes}"
    )
    if together > _REFUSE and not beyond:
        raise UsageError(
            f"{words}; lower --rate or --max-tokens, raise --workers, or say --beyond-roofline"
        )
    click.echo(f"warning: {words}; its CPU use and lateness will tell", err=True)


def planned_events(prepared: Benchmark) -> tuple[float, float] | None:
    """Requests and token events per second at most; None in a closed loop, or with answers of any length."""
    arrival, wish = prepared.order.plan.phases[-1].arrival, prepared.order.workload.wish
    if arrival.rate is None or wish.max_tokens is None or not wish.stream:
        return None
    return arrival.rate, arrival.rate * wish.max_tokens
