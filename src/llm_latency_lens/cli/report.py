"""`report`: a finished run as a page, as Markdown, or on the console again."""

import pathlib
import sys
from typing import Any

import click

from llm_latency_lens.cli.options import AS_TOOL, JSON, RUNS_DIR, option, options
from llm_latency_lens.errors import UsageError

_FORMATS = (
    option("--html", metavar="FILE", type=click.Path(dir_okay=False), help="Write one self-contained page; - is stdout."),
    option("--markdown", metavar="FILE", type=click.Path(dir_okay=False), help="Write Markdown; - is stdout."),
    option("--junit", metavar="FILE", type=click.Path(dir_okay=False), help="Write a run's checks as JUnit XML; - is stdout."),
)  # fmt: skip


@click.command()
@click.argument("run_id", metavar="RUN|FILE", default="last")
@options(_FORMATS, AS_TOOL, RUNS_DIR, JSON)
def report(run_id: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Report a finished run: benchmark, comparison or search for capacity.

    RUN may be the beginning of an id, or `last`. The page needs no network and runs no script. From a
    result FILE alone, without its run's records, there are no plots. With --as the run is reported as another
    tool would: docs/as-other-tools.md.
    """
    from llm_latency_lens.cli.shown import report_of  # noqa: PLC0415
    from llm_latency_lens.cli.stored import document_of  # noqa: PLC0415
    from llm_latency_lens.report.console import print_report  # noqa: PLC0415
    from llm_latency_lens.report.markdown import to_markdown  # noqa: PLC0415

    document = document_of(run_id, given["runs_dir"])
    if given["as_tool"]:
        from llm_latency_lens.cli.shown import print_as_tool, records_of  # noqa: PLC0415

        records = records_of(document, given["runs_dir"])
        print_as_tool(given["as_tool"], records, as_json=given["as_json"])
        return 0
    if given["html"]:
        from llm_latency_lens.cli.shown import page_of, records_of  # noqa: PLC0415

        _give(given["html"], page_of(document, records_of(document, given["runs_dir"])))
    if given["markdown"]:
        _give(given["markdown"], to_markdown(report_of(document)))
    if given["junit"]:
        _give(given["junit"], _junit(document, run_id))
    if given["as_json"]:
        import msgspec  # noqa: PLC0415

        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
    elif not any(given[name] for name in ("html", "markdown", "junit")):
        print_report(report_of(document), sys.stdout)
    return 0


def _junit(document: dict[str, Any], where: str) -> str:
    from llm_latency_lens.cli.stored import typed  # noqa: PLC0415
    from llm_latency_lens.model.result import Result  # noqa: PLC0415
    from llm_latency_lens.report.junit import result_junit  # noqa: PLC0415

    found = typed(document, where)
    if not isinstance(found, Result):
        raise UsageError(
            "--junit: a comparison has no checks of its own; try: llm-latency-lens gate"
        )
    return result_junit(found)


def _give(path: str, text: str) -> None:
    if path == "-":
        click.echo(text, nl=False)
        return
    try:
        pathlib.Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can't write {path!r}: {error.strerror}") from None
    click.echo(f"written to {path}", err=True)
