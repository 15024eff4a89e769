"""Before a run: is this machine calibrated, and is the load within what it can measure?"""

import pathlib
import sys

import click
import msgspec

from llm_latency_lens.calibrate import Conditions, calibrate
from llm_latency_lens.errors import MachineError, UsageError
from llm_latency_lens.model.calibration import Calibration
from llm_latency_lens.profiler import Benchmark, run
from llm_latency_lens.store.calibrations import save_calibration

_WARN, _REFUSE = 0.5, 0.8


def calibrated(conditions: Conditions, *, quiet: bool) -> tuple[Calibration, pathlib.Path]:
    """Calibrate and keep the result.

    Raises:
        MachineError: it failed, or can't be kept.
    """

    def say(words: str) -> None:
        if not quiet and sys.stderr.isatty():
            click.echo(f"calibrating: {words} ...", err=True)

    found = run(calibrate(conditions, say))
    try:
        return found, save_calibration(found)
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
        click.echo("calibrating the instrument, once for this machine: about 6 s", err=True)
    try:
        found, _ = calibrated(Conditions(), quiet=quiet)
    except MachineError as error:
        click.echo(f"not calibrated: {error}", err=True)
        return prepared
    return msgspec.structs.replace(prepared, calibration=found.for_workers(prepared.order.workers))


def check_roofline(prepared: Benchmark, *, beyond: bool) -> None:
    """Warn of a load near what this machine can measure, refuse one beyond (unless that is wanted).

    Raises:
        UsageError: with what to change.
    """
    planned, calibration = planned_event_rate(prepared), prepared.calibration
    if planned is None or calibration is None or not calibration.roofline:
        return
    share = planned / calibration.roofline
    if share <= _WARN:
        return
    words = (
        f"this load may bring {planned:,.0f} token events/s, {share:.0%} of the {calibration.roofline:,.0f}"
        f" that {prepared.order.workers} measuring process{'es' * (prepared.order.workers > 1)} can take here"
    )
    if share > _REFUSE and not beyond:
        raise UsageError(
            f"{words}; lower --rate or --max-tokens, raise --workers, or say --beyond-roofline"
        )
    click.echo(f"warning: {words}", err=True)


def planned_event_rate(prepared: Benchmark) -> float | None:
    """Token events per second at most; None where nothing bounds them: a closed loop, or answers of any length."""
    arrival, wish = prepared.order.plan.phases[-1].arrival, prepared.order.workload.wish
    if arrival.rate is None or wish.max_tokens is None or not wish.stream:
        return None
    return arrival.rate * wish.max_tokens
