"""`runs query` and `runs export`: stored runs as tables, with the extra `[sql]`."""

import csv
import io
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from llm_latency_lens.cli.options import JSON, RUNS_DIR, option, options
from llm_latency_lens.errors import UsageError

_CSV = (option("--csv", "as_csv", is_flag=True, help="Print CSV."),)
_PARQUET = (option("--parquet", metavar="FILE", type=click.Path(dir_okay=False), required=True, help="The file to write."),)  # fmt: skip
_RISKY = ("=", "+", "-", "@", "\t", "\r")


@click.command()
@click.argument("sql")
@click.argument("run_ids", nargs=-1, metavar="[RUN...]")
@options(_CSV, RUNS_DIR, JSON)
def query(sql: str, run_ids: tuple[str, ...], **given: Any) -> int:  # noqa: ANN401 - click's options
    """Ask stored runs in SQL: tables `records` (a row an attempt) and `runs`.

    Such as: SELECT target, count(*), quantile_cont(ttft, 0.95) FROM records GROUP BY 1. Without RUN all
    runs are loaded. The columns are in docs/reference/fields.md.
    """
    with _database(given["runs_dir"], run_ids) as database:
        names, rows = database.query(sql)
    if given["as_json"]:
        found = [dict(zip(names, row, strict=True)) for row in rows]
        click.echo(msgspec.json.format(msgspec.json.encode(found, enc_hook=str), indent=2))
    elif given["as_csv"]:
        click.echo(_as_csv(names, rows), nl=False)
    else:
        from llm_latency_lens.report.console import print_report  # noqa: PLC0415
        from llm_latency_lens.report.document import Report, Table  # noqa: PLC0415

        cells = tuple(
            tuple("" if value is None else _shown(value) for value in row) for row in rows
        )
        words = tuple(i for i in range(len(names)) if any(isinstance(row[i], str) for row in rows))
        print_report(Report(f"{len(rows):,} rows", (Table("", tuple(names), cells, text=words),)), sys.stdout)  # fmt: skip
    return 0


@click.command("export")
@click.argument("run_ids", nargs=-1, metavar="[RUN...]")
@options(_PARQUET, RUNS_DIR)
def export(run_ids: tuple[str, ...], **given: Any) -> int:  # noqa: ANN401 - click's options
    """Write the records of stored runs to a Parquet file, a row an attempt. Without RUN all runs."""
    with _database(given["runs_dir"], run_ids) as database:
        count = database.write_parquet(pathlib.Path(given["parquet"]))
    click.echo(f"{count:,} records written to {given['parquet']}", err=True)
    return 0


def _database(runs_dir: str, run_ids: tuple[str, ...]) -> Any:  # noqa: ANN401 - a Database, imported late
    from llm_latency_lens.metrics.columns import FIELDS  # noqa: PLC0415
    from llm_latency_lens.store.query import Database  # noqa: PLC0415
    from llm_latency_lens.store.runs import StoredRun, list_runs, open_run  # noqa: PLC0415

    root = pathlib.Path(runs_dir)
    runs = [open_run(root, one) for one in run_ids] if run_ids else list_runs(root)
    if not runs:
        raise UsageError(f"no runs in {runs_dir!r}")

    def rows(run: StoredRun) -> Iterator[tuple[Any, ...]]:
        for record in run.reading().records():
            yield tuple(field.of(record) for field in FIELDS)

    return Database(runs, {field.name: field.kind for field in FIELDS}, rows)


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _as_csv(names: list[str], rows: list[tuple[Any, ...]]) -> str:
    """Cells that a spreadsheet would take for a formula begin with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_harmless(name) for name in names])
    writer.writerows([[_harmless(value) for value in row] for row in rows])
    return text.getvalue()


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_RISKY) else value
