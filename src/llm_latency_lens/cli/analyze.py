"""`analyze`: stored runs read again, filtered, grouped, in time and over a history."""

import pathlib
import sys
from typing import Any

import click

from llm_latency_lens.cli.options import JSON, RUNS_DIR, option, options
from llm_latency_lens.cli.types import DURATION
from llm_latency_lens.errors import UsageError

_LOOK = (
    option("--where", metavar="FILTER", default="", show_default=False, help="Only these requests, such as 'provider == \"openai\" and ttft > 500ms'."),
    option("--by", metavar="FIELD", default="target", help="A table row for each value of a field."),
    option("--every", type=DURATION, metavar="TIME", help="A time series in steps of this length."),
    option("--sla", metavar="THRESHOLDS", help="Hold each run to these, such as 'ttft.p95<800ms,success_rate>=99%'."),
    option("--history", metavar="QUANTITY", help="A quantity over the runs, such as ttft.p50, with its steps."),
)  # fmt: skip


@click.command()
@click.argument("run_ids", nargs=-1, metavar="[RUN...|all]")
@options(_LOOK, RUNS_DIR, JSON)
def analyze(run_ids: tuple[str, ...], **given: Any) -> int:  # noqa: ANN401 - click's options
    """Read stored runs again: filter, group, time series, thresholds, history.

    RUN may be the beginning of an id, `last` (the default) or `all`. Fields of --where and --by are in
    docs/reference/fields.md; times are written with their unit.
    """
    from llm_latency_lens.cli.looking import analysed, held  # noqa: PLC0415
    from llm_latency_lens.report.analysis import analysis_report  # noqa: PLC0415
    from llm_latency_lens.report.console import print_report  # noqa: PLC0415
    from llm_latency_lens.store.runs import list_runs, open_run  # noqa: PLC0415

    root = pathlib.Path(given["runs_dir"])
    runs = list_runs(root) if "all" in run_ids else [open_run(root, one) for one in run_ids or ("last",)]  # fmt: skip
    if not runs:
        raise UsageError(f"no runs in {given['runs_dir']!r}")
    if given["sla"]:
        return held(runs, given)
    found = analysed(runs, given)
    if given["as_json"]:
        import msgspec  # noqa: PLC0415

        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        print_report(analysis_report(found), sys.stdout)
    return 0
