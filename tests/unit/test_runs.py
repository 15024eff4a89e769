"""Run directories: created before anything is sent, found again by their beginning, private."""

import json
import pathlib
import stat

import pytest

from llm_latency_lens.clock import ManualClock
from llm_latency_lens.errors import StoreError, UsageError
from llm_latency_lens.store.runs import create_run, list_runs, open_run


def make(root: pathlib.Path, name: str) -> pathlib.Path:
    """A finished run."""
    run = create_run(root, {"id": name, "spec": {"target": "openai:m"}}, ManualClock())
    run.finish(b'{"verdict": "VALID"}')
    return run.folder


def test_a_finished_run_is_complete(tmp_path: pathlib.Path) -> None:
    """Header, journal, summary; no lock is left."""
    folder = make(tmp_path, "a1")
    assert sorted(path.name for path in folder.iterdir()) == [
        "header.json",
        "journal.jsonl",
        "summary.json",
    ]
    run = open_run(tmp_path, "a1")
    assert run.status() == "complete"
    assert run.summary() == {"verdict": "VALID"}
    assert json.loads((folder / "header.json").read_text())["id"] == "a1"


def test_x14_runs_are_private(tmp_path: pathlib.Path) -> None:
    """X14: directory 0700, files 0600."""
    folder = make(tmp_path, "a1")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_run_without_a_seal_is_interrupted(tmp_path: pathlib.Path) -> None:
    """While its writer lives it is running."""
    run = create_run(tmp_path, {"id": "a1"}, ManualClock())
    assert open_run(tmp_path, "a1").status() == "running"
    run.abandon()
    assert open_run(tmp_path, "a1").status() == "interrupted"


@pytest.mark.parametrize(
    "name", ["..", ".", "../x", "a/b", "a\x00b", "A", "", "-a", "a" * 65, "con:", "a\\b", "a.b"]
)
def test_x7_odd_ids_are_refused(tmp_path: pathlib.Path, name: str) -> None:
    """X7: nothing leaves the runs' directory."""
    with pytest.raises(UsageError, match="no run id"):
        create_run(tmp_path, {"id": name}, ManualClock())
    assert list(tmp_path.iterdir()) == []


def test_d8_a_place_that_can_not_be_written_is_refused(tmp_path: pathlib.Path) -> None:
    """D8: before anything is sent or spent."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="directory"):
        create_run(tmp_path / "file", {"id": "a1"}, ManualClock())
    with pytest.raises(UsageError, match="--runs-dir"):
        create_run(pathlib.Path("/proc/none"), {"id": "a1"}, ManualClock())


def test_d6_an_id_is_used_once(tmp_path: pathlib.Path) -> None:
    """D6: the second writer is refused."""
    make(tmp_path, "a1")
    with pytest.raises(StoreError, match="exists already"):
        create_run(tmp_path, {"id": "a1"}, ManualClock())


def test_runs_are_found_by_their_beginning(tmp_path: pathlib.Path) -> None:
    """The id, its beginning where that is enough, or last."""
    for name in ("20260101-a", "20260102-b", "20260102-c"):
        make(tmp_path, name)
    assert [run.id for run in list_runs(tmp_path)] == ["20260101-a", "20260102-b", "20260102-c"]
    assert open_run(tmp_path, "20260101").id == "20260101-a"
    assert open_run(tmp_path, "last").id == "20260102-c"
    with pytest.raises(UsageError, match="beginning of 2 runs"):
        open_run(tmp_path, "20260102")
    with pytest.raises(UsageError, match="did you mean 20260101-a"):
        open_run(tmp_path, "20260101-x")
    with pytest.raises(UsageError, match="no runs"):
        open_run(tmp_path / "none", "last")
