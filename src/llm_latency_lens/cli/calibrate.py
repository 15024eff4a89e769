"""`calibrate`: the instrument's own error and capacity on this machine, kept for the runs that follow."""

import sys
from typing import Any

import click

from llm_latency_lens.cli.options import JSON, QUIET, option, options
from llm_latency_lens.cli.types import RATE

_CONDITIONS = (
    option("--concurrency", "-c", type=click.IntRange(1), default=64, help="Streams at once."),
    option("--event-rate", type=RATE, default="50/s", metavar="RATE", help="Token events of each stream."),
    option("--workers", type=click.IntRange(1), default=1, metavar="N", help="Measuring processes."),
)  # fmt: skip


@click.command()
@options(_CONDITIONS, JSON, QUIET)
def calibrate(**given: Any) -> int:  # noqa: ANN401 - click's options
    """Measure the instrument itself: its error and its capacity on this machine.

    The embedded simulator, in a process of its own, sends tokens at known instants; what is measured
    is held against its ledger. The result is kept and shown with every metric of the runs that follow.
    """
    import msgspec  # noqa: PLC0415

    from llm_latency_lens.calibrate import Conditions  # noqa: PLC0415
    from llm_latency_lens.cli.calibrating import calibrated  # noqa: PLC0415

    conditions = Conditions(
        concurrency=given["concurrency"], event_rate=given["event_rate"], workers=given["workers"]
    )
    found, path = calibrated(conditions, quiet=given["quiet"] or given["as_json"])
    if given["as_json"]:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        from llm_latency_lens.report.calibration import calibration_report  # noqa: PLC0415
        from llm_latency_lens.report.console import print_report  # noqa: PLC0415

        print_report(calibration_report(found), sys.stdout)
        click.echo(f"kept in {path}", err=True)
    return 0
