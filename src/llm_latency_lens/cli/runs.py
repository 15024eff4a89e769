"""`runs`: what is stored, one of them whole, and what can be saved of an interrupted one."""

import pathlib
import sys
from typing import Any

import click

from llm_latency_lens.cli.options import JSON, RUNS_DIR, options
from llm_latency_lens.cli.querying import export, query
from llm_latency_lens.errors import ExitCode, StoreError


@click.group()
def runs() -> None:
    """List, show, recover, query and export stored runs."""


runs.add_command(query)
runs.add_command(export)


@runs.command("list")
@options(RUNS_DIR, JSON)
def list_(runs_dir: str, *, as_json: bool) -> int:
    """List the stored runs, oldest first."""
    from llm_latency_lens.report.console import print_report  # noqa: PLC0415
    from llm_latency_lens.report.document import Report, Table  # noqa: PLC0415
    from llm_latency_lens.store.runs import list_runs  # noqa: PLC0415

    found = [_entry(run) for run in list_runs(pathlib.Path(runs_dir))]
    if as_json:
        _print_json(found)
        return ExitCode.OK
    if not found:
        click.echo(f"no runs in {runs_dir!r}", err=True)
        return ExitCode.OK
    rows = tuple(
        (entry["id"], entry["target"], _shown(entry["ok"]), _shown(entry["planned"]), entry["status"], entry["verdict"] or "-")
        for entry in found
    )  # fmt: skip
    table = Table(
        "", ("id", "target", "ok", "planned", "status", "verdict"), rows, text=(0, 1, 4, 5)
    )
    print_report(Report(f"{len(rows)} runs in {runs_dir}", (table,)), sys.stdout)
    return ExitCode.OK


@runs.command()
@click.argument("run_id", metavar="ID")
@options(RUNS_DIR, JSON)
def show(run_id: str, runs_dir: str, *, as_json: bool) -> int:
    """Show a run's report. ID may be the beginning of one, or `last`."""
    from llm_latency_lens.cli.shown import report_of  # noqa: PLC0415
    from llm_latency_lens.report.console import print_report  # noqa: PLC0415
    from llm_latency_lens.store.runs import open_run  # noqa: PLC0415

    run = open_run(pathlib.Path(runs_dir), run_id)
    summary = run.summary()
    if summary is None:
        raise StoreError(
            f"run {run.id} is {run.status()} and has no summary; try: llm-latency-lens runs recover {run.id}"
        )
    if as_json:
        _print_json(summary)
    else:
        print_report(report_of(summary), sys.stdout)
        click.echo(f"repeat it: {_command(run.header())}", err=True)
    return ExitCode.OK


@runs.command()
@click.argument("run_id", metavar="ID")
@options(RUNS_DIR, JSON)
def recover(run_id: str, runs_dir: str, *, as_json: bool) -> int:
    """Save what an interrupted run has measured. ID may be the beginning of one, or `last`.

    Every record that was acknowledged is read; the journal itself is never modified.
    """
    from llm_latency_lens.cli.recovery import recover_and_conclude  # noqa: PLC0415
    from llm_latency_lens.cli.shown import report_of  # noqa: PLC0415
    from llm_latency_lens.report.console import print_report  # noqa: PLC0415
    from llm_latency_lens.store.runs import open_run  # noqa: PLC0415

    run = open_run(pathlib.Path(runs_dir), run_id)
    if run.status() == "running":
        raise StoreError(f"run {run.id} is still being written; stop it first")
    if run.status() == "complete":
        click.echo(f"run {run.id} is complete: this reads its journal again", err=True)
    recovery, result = recover_and_conclude(run)
    for problem in recovery.problems:
        words = f"line {problem.line}, byte {problem.offset}: {problem.size} bytes left out: {problem.words}"
        click.echo(words, err=True)
    click.echo(f"{recovery.records} records recovered to {recovery.path}", err=True)
    import msgspec  # noqa: PLC0415

    document = msgspec.to_builtins(result)
    if as_json:
        _print_json(document)
    else:
        print_report(report_of(document), sys.stdout)
    return ExitCode.OK


def _entry(run: Any) -> dict[str, Any]:  # noqa: ANN401 - a StoredRun, imported late
    summary = run.summary() or {}
    try:
        target = run.header()["spec"]["target"]
    except (StoreError, KeyError, TypeError):
        target = "?"
    return {
        "id": run.id,
        "target": target,
        "status": run.status(),
        "ok": _succeeded(summary),
        "planned": summary.get("offered", {}).get("planned"),
        "verdict": summary.get("verdict"),
    }


def _succeeded(summary: dict[str, Any]) -> int | None:
    parts = summary.get("arms", [summary])
    counts = [part.get("outcomes", {}).get("ok") for part in parts]
    return None if None in counts else sum(counts)


def _shown(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _command(header: dict[str, Any]) -> str:
    import shlex  # noqa: PLC0415

    words = list(header.get("command") or [])[1:]
    if "--seed" not in words and header.get("seed") is not None and words:
        words += ["--seed", str(header["seed"])]
    elided = any(", sha256 " in word for word in words)
    note = "  (prompts are not stored: put yours in)" if elided else ""
    return shlex.join(["llm-latency-lens", *words]) + note


def _print_json(document: object) -> None:
    import msgspec  # noqa: PLC0415

    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
