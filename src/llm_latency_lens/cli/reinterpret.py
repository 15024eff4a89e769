"""`reinterpret`: the same bytes and stamps, read again under the definitions of today."""

import pathlib
import sys
from typing import Any

import click

from llm_latency_lens.cli.options import JSON, RUNS_DIR, options
from llm_latency_lens.errors import ExitCode


@click.command()
@click.argument("run_id", metavar="RUN")
@options(RUNS_DIR, JSON)
def reinterpret(run_id: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Read a run's saved recordings again and recompute every number.

    The run must have been made with --save-raw; what is stored stays as it is. RUN may be the
    beginning of an id, or `last`.
    """
    from llm_latency_lens.cli.recovery import conclude_records, subject_of_run  # noqa: PLC0415
    from llm_latency_lens.interpret.interpret import interpret  # noqa: PLC0415
    from llm_latency_lens.report.console import print_report  # noqa: PLC0415
    from llm_latency_lens.report.load import load_report  # noqa: PLC0415
    from llm_latency_lens.store.recordings import read_recordings  # noqa: PLC0415
    from llm_latency_lens.store.runs import open_run  # noqa: PLC0415

    run = open_run(pathlib.Path(given["runs_dir"]), run_id)
    subject = subject_of_run(run)
    records = (interpret(attempt, subject) for attempt in read_recordings(run.folder))
    result = conclude_records(run, records)
    if given["as_json"]:
        import msgspec  # noqa: PLC0415

        click.echo(msgspec.json.format(msgspec.json.encode(result), indent=2))
    else:
        print_report(load_report(result), sys.stdout)
    return ExitCode.OK
