"""SQL over stored runs, and Parquet: an in-memory DuckDB that sees two tables and nothing else.

The tables are loaded first; then the database is shut off from files and network, and its settings are
locked, before it sees the query.
"""

import json
import pathlib
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, Self

import msgspec

from llm_latency_lens.errors import StoreError, UsageError
from llm_latency_lens.store.runs import StoredRun

RUN_COLUMNS = {
    "id": "VARCHAR",
    "started": "TIMESTAMP",
    "target": "VARCHAR",
    "status": "VARCHAR",
    "verdict": "VARCHAR",
    "requests": "BIGINT",
    "ok": "BIGINT",
    "cost": "DOUBLE",
    "command": "VARCHAR",
}
"""The columns of the table `runs`."""


class Database:
    """The tables `records` (one row an attempt) and `runs`, in memory; use it in a `with` block.

    Args:
        runs: the stored runs to load.
        columns: names and SQL types of `records`, the run's id left out.
        rows: the rows of a run, as values in the order of the columns.

    Raises:
        UsageError: the extra is missing.
    """

    def __init__(self, runs: Iterable[StoredRun], columns: dict[str, str], rows: Any) -> None:  # noqa: ANN401 - a callable of runs
        try:
            import duckdb  # noqa: PLC0415 - the extra
        except ImportError:
            raise UsageError(
                "SQL and Parquet need the extra: pip install 'llm-latency-lens[sql]'"
            ) from None
        self._duckdb = duckdb
        self._connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})  # fmt: skip
        runs = list(runs)
        self._load("runs", RUN_COLUMNS, (_run_row(run) for run in runs))
        described = {"run": "VARCHAR", **columns}
        self._load(
            "records",
            described,
            (
                dict(zip(described, (run.id, *row), strict=True))
                for run in runs
                for row in rows(run)
            ),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def query(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one query; its column names and rows.

        Raises:
            UsageError: it is wrong, or asks for what is shut off.
        """
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        try:
            found = self._connection.execute(sql)
            names = [column[0] for column in found.description or ()]
            return names, found.fetchall()
        except self._duckdb.Error as error:
            words = str(error).strip().splitlines()
            raise UsageError(f"the query: {words[0] if words else 'failed'}") from None

    def write_parquet(self, path: pathlib.Path) -> int:
        """Write `records` to a file; returns the number of rows.

        Raises:
            StoreError: the file can't be written.
        """
        target = str(path).replace("'", "''")
        try:
            self._connection.execute(
                f"COPY records TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
            )
        except self._duckdb.Error as error:
            raise StoreError(f"can't write {str(path)!r}: {str(error).splitlines()[0]}") from None
        counted = self._connection.execute("SELECT count(*) FROM records").fetchone()
        return int(counted[0]) if counted else 0

    def _load(self, table: str, columns: dict[str, str], rows: Iterator[dict[str, Any]]) -> None:
        """Through a file of JSON lines: the one way in that needs no further library and keeps nulls."""
        encode = msgspec.json.Encoder().encode
        with tempfile.TemporaryDirectory(prefix="lll-query-") as folder:
            path = pathlib.Path(folder) / "rows.jsonl"
            with path.open("wb") as file:
                file.writelines(encode(row) + b"\n" for row in rows)
            described = ", ".join(f"{json.dumps(name)} {kind}" for name, kind in columns.items())
            self._connection.execute(f"CREATE TABLE {table} ({described})")
            kinds = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
            # The names are those of our own tables, the path is our own.
            load = f"INSERT INTO {table} SELECT * FROM read_json(?, format = 'newline_delimited', columns = {{{kinds}}})"  # noqa: S608
            self._connection.execute(load, [str(path)])


def _run_row(run: StoredRun) -> dict[str, Any]:
    header, summary = run.header(), run.summary() or {}
    cost = (summary.get("cost") or {}).get("total")
    values = (
        run.id,
        header.get("started", "").replace("T", " ").removesuffix("Z") or None,
        header.get("spec", {}).get("target"),
        run.status(),
        summary.get("verdict"),
        summary.get("offered", {}).get("planned"),
        summary.get("outcomes", {}).get("ok"),
        None if cost is None else float(cost),
        " ".join(header.get("command") or ()),
    )
    return dict(zip(RUN_COLUMNS, values, strict=True))
