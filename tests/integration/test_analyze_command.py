"""`analyze`, `runs query` and `runs export` on stored runs."""

import csv
import io
import json
import pathlib

import duckdb
import pytest
from tests.support.command import lll

from llm_latency_lens.simulator.fault import parse_fault
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Two runs, one of them with a tenth of its requests failing."""
    path = tmp_path_factory.mktemp("analyze")
    for faults in ((), (parse_fault("status:500@every=10"),)):
        spec = SimulatorSpec(ttft=parse_latency("lognormal:10ms,0.3"), itl=parse_latency("1ms"), tokens=6, faults=faults)  # fmt: skip
        with SimulatorProcess(spec) as server:
            words = ["benchmark", "openai:sim", "--base-url", server.base_url, "-p", "hi"]
            found = lll(*words, "-n", "80", "-c", "4", "--warmup", "2", "--allow-invalid", cwd=path)
        assert found.code == 0, found.err
    return path


def test_runs_are_filtered_grouped_and_cut(folder: pathlib.Path) -> None:
    """Of all runs only what matches; by outcome; in stretches; as a document and as a table."""
    words = ["analyze", "all", "--by", "outcome", "--every", "100ms"]
    document = json.loads(lll(*words, "--json", cwd=folder).out)
    assert document["schema"] == "llm-latency-lens/analysis/1"
    assert {group["key"]: group["requests"] for group in document["groups"]} == {"ok": 152, "error_http": 8}  # fmt: skip
    assert sum(bucket["requests"] for bucket in document["buckets"]) == 160
    some = lll("analyze", "--where", "outcome == 'ok' and ttft < 1ns", cwd=folder)
    assert "no request matches" in some.out
    shown = lll("analyze", "all", "--history", "ttft.p50", cwd=folder)
    assert "ttft.p50 over 2 runs" in shown.out
    assert "steps are looked for from 20 runs on" in shown.out


def test_an_sla_is_held_run_by_run(folder: pathlib.Path) -> None:
    """The whole passes or fails; a filter changes what is judged."""
    assert (
        lll("analyze", "--sla", "ttft.p90<1s", "--where", "outcome == 'ok'", cwd=folder).code == 0
    )
    failed = lll("analyze", "all", "--sla", "success_rate>=99.9%", cwd=folder)
    assert failed.code == 3
    assert failed.out.count("gate on") == 2


def test_sql_sees_the_records_and_nothing_else(folder: pathlib.Path) -> None:
    """Numbers agree with the journal; files, settings and a second database are out of reach."""
    sql = "SELECT outcome, count(*) AS n, median(ttft) AS p50 FROM records WHERE phase = 'measure' GROUP BY 1 ORDER BY 1"  # fmt: skip
    rows = json.loads(lll("runs", "query", sql, "--json", cwd=folder).out)
    assert [(row["outcome"], row["n"]) for row in rows] == [("error_http", 8), ("ok", 152)]
    assert rows[0]["p50"] is None
    assert 0.005 < rows[1]["p50"] < 0.05
    for attack in (
        "SELECT * FROM read_csv('/etc/hostname')",
        "COPY records TO 'out.csv'",
        "SET enable_external_access = true",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "SELECT nonsense",
    ):
        found = lll("runs", "query", attack, cwd=folder)
        assert (found.code, found.out) == (2, ""), attack
        assert "the query: " in found.err
    assert not (folder / "out.csv").exists()


def test_x9_csv_cells_are_no_formulas(folder: pathlib.Path) -> None:
    """X9: what a spreadsheet would run begins with an apostrophe; numbers stay numbers."""
    sql = "SELECT '=1+1' AS a, '@x' AS b, '-2' AS c, -2 AS d, '\tx' AS e, 'plain' AS f"
    rows = list(csv.reader(io.StringIO(lll("runs", "query", sql, "--csv", cwd=folder).out)))
    assert rows == [list("abcdef"), ["'=1+1", "'@x", "'-2", "-2", "'\tx", "plain"]]


def test_parquet_holds_every_attempt(folder: pathlib.Path) -> None:
    """Read back by another database, warm-up included, types kept; a wrong path is one line."""
    found = lll("runs", "export", "--parquet", "all.parquet", cwd=folder)
    assert found.code == 0, found.err
    rows = duckdb.read_parquet(str(folder / "all.parquet"))
    counted = rows.aggregate(
        "count(*), count(DISTINCT run), sum(reused::INT) > 0, max(ttft) < 1"
    ).fetchall()
    assert counted == [(164, 2, True, True)]
    wrong = lll("runs", "export", "--parquet", "no/where.parquet", cwd=folder)
    assert wrong.code == 1
    assert "can't write" in wrong.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["analyze", "--where", "tttft > 1s"], "did you mean 'ttft'"),
        (["analyze", "--by", "providr"], "did you mean 'provider'"),
        (["analyze", "--history", "ttft.p42"], "ttft has mean"),
        (["analyze", "--sla", "ttft"], "is not a threshold"),
        (["analyze", "all", "--runs-dir", "nowhere"], "no runs in 'nowhere'"),
        (["runs", "query", "SELECT 1", "--runs-dir", "nowhere"], "no runs in 'nowhere'"),
    ],
)
def test_wrong_words_are_refused(folder: pathlib.Path, words: list[str], said: str) -> None:
    """One line that says what is meant."""
    found = lll(*words, cwd=folder)
    assert (found.code, found.out) == (2, "")
    assert said in found.err
