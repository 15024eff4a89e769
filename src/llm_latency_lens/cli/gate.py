"""`gate`: hold a run or a comparison to thresholds and to a baseline, for CI."""

import os
import pathlib
import sys
from typing import TYPE_CHECKING, Any

import click

from llm_latency_lens.cli.options import JSON, RUNS_DIR, option, options
from llm_latency_lens.errors import UsageError

if TYPE_CHECKING:
    from llm_latency_lens.model.result import Result

_GATE = (
    option(
        "--require",
        metavar="THRESHOLDS",
        help="Such as 'ttft.p95<800ms,cost.mean<$0.01,success_rate>=99%'.",
    ),
    option(
        "--baseline",
        metavar="RUN|FILE",
        multiple=True,
        help="A result to compare with: a result file, or a stored run. Five or more runs of the "
        "same workload also show how much max, min, throughput and cost.total vary.",
    ),
    option(
        "--allow",
        metavar="CHANGES",
        help="Changes over the baseline that are allowed, such as "
        "'ttft.p95<+10%,success_rate>-0.5pp'.",
    ),
    option("--junit", metavar="FILE", type=click.Path(dir_okay=False), help="Write JUnit XML."),
    option(
        "--markdown",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="Write Markdown; - is stdout.",
    ),
    option(
        "--github/--no-github",
        default=None,
        help="Job summary and annotations for GitHub.  [default: in GitHub Actions]",
    ),
)


@click.command()
@click.argument("subject", metavar="RUN|FILE", default="last")
@options(_GATE, RUNS_DIR, JSON)
def gate(subject: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Hold a run to thresholds and to a baseline: pass, fail or no verdict.

    RUN is a stored run (`last`), FILE what --json printed or a run's summary.json: of a benchmark
    or of a comparison, whose last target is then held against its first. A condition passes where
    the whole interval meets it and fails where none of it does. Exit codes: 0 passed, 3 a threshold
    is missed, 7 a regression, 4 the measurement is invalid, 5 no verdict.

    \b
    Thresholds:   --require 'ttft.p95<800ms,success_rate>=99%'
    Regressions:  --baseline main.json --allow 'ttft.p95<+10%'
    Extremes:     --baseline 1.json ... --baseline 5.json --allow 'ttft.max<+20%'
    """  # noqa: D301 - click reads the backspace
    from llm_latency_lens.cli.stored import document_of, typed  # noqa: PLC0415
    from llm_latency_lens.criteria.allowance import parse_allowances  # noqa: PLC0415
    from llm_latency_lens.criteria.gate import Gate, hold, hold_comparison  # noqa: PLC0415
    from llm_latency_lens.criteria.threshold import parse_thresholds  # noqa: PLC0415
    from llm_latency_lens.model.comparison import Comparison  # noqa: PLC0415

    asked = Gate(
        thresholds=parse_thresholds(given["require"]) if given["require"] else (),
        allowances=parse_allowances(given["allow"]) if given["allow"] else (),
    )
    document = typed(document_of(subject, given["runs_dir"]), subject)
    if isinstance(document, Comparison):
        if given["baseline"]:
            raise UsageError("--baseline: a comparison has its baseline in it, its first target")
        found = hold_comparison(asked, document)
    else:
        baselines = [_baseline(name, given["runs_dir"]) for name in given["baseline"]]
        found = hold(asked, document, baselines)
    _tell(found, given)
    return found.exit_code


def _baseline(name: str, runs_dir: str) -> "Result":
    from llm_latency_lens.cli.stored import document_of, typed  # noqa: PLC0415
    from llm_latency_lens.model.result import Result  # noqa: PLC0415

    document = typed(document_of(name, runs_dir), name)
    if not isinstance(document, Result):
        raise UsageError(f"--baseline {name}: a comparison is no baseline; give a result")
    return document


def _tell(found: Any, given: dict[str, Any]) -> None:  # noqa: ANN401 - a GateReport, imported late
    import msgspec  # noqa: PLC0415

    from llm_latency_lens.report.console import print_report  # noqa: PLC0415
    from llm_latency_lens.report.gate import annotations, gate_report  # noqa: PLC0415
    from llm_latency_lens.report.junit import gate_junit  # noqa: PLC0415
    from llm_latency_lens.report.markdown import to_markdown  # noqa: PLC0415

    report = gate_report(found)
    if given["junit"]:
        _write(given["junit"], gate_junit(found))
    if given["markdown"] not in {None, "-"}:
        _write(given["markdown"], to_markdown(report))
    github = given["github"]
    if github or (github is None and os.environ.get("GITHUB_ACTIONS") == "true"):
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary:
            _write(summary, to_markdown(report), append=True)
        # The runner reads them on either stream; stdout is the report's.
        for line in annotations(found):
            click.echo(line, err=True)
    if given["as_json"]:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    elif given["markdown"] == "-":
        click.echo(to_markdown(report), nl=False)
    else:
        print_report(report, sys.stdout)


def _write(path: str, text: str, *, append: bool = False) -> None:
    try:
        with pathlib.Path(path).open("a" if append else "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"can't write {path!r}: {error.strerror}") from None
