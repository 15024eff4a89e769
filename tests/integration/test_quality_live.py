"""The self-check and the calibration on real runs: real faults, a real machine."""

import json
import os
import pathlib
import re
import shutil
import signal

import pytest
from tests.support.command import ENVIRONMENT, eventually, lll, start
from tests.support.repetition import SLOW

from llm_latency_lens.simulator.batching import parse_batching
from llm_latency_lens.simulator.fault import parse_fault
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

QUICK = SimulatorSpec(ttft=parse_latency("20ms"), itl=parse_latency("2ms"), tokens=30)


def verdicts(out: str) -> dict[str, str]:
    """The checks of a result document by name."""
    return {check["name"]: check["verdict"] for check in json.loads(out)["quality"]["checks"]}


def words(server: SimulatorProcess, *more: str) -> list[str]:
    """The words of a benchmark with a JSON result."""
    return ["benchmark", "openai:sim", "--base-url", server.base_url, "-p", "hello", "--json", *more]  # fmt: skip


def worker_of(pid: int) -> int:
    """The measuring process of a running command."""
    found: list[int] = []

    def look() -> bool:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in map(int, children):
            command = pathlib.Path(f"/proc/{child}/cmdline").read_bytes()
            if b"runner.worker" in command:
                found.append(child)
        return bool(found)

    eventually(look)
    return found[0]


def test_q2_q3_a_client_that_was_held_up_knows_it(tmp_path: pathlib.Path) -> None:
    """Q2, Q3: the measuring process is stopped for half a second in mid-run: loop and schedule say so."""
    with SimulatorProcess(QUICK) as server:
        command = words(server, "--rate", "60/s", "-d", "3s", "--seed", "3", "--warmup", "0")
        with start(*command, cwd=tmp_path) as process:
            worker = worker_of(process.pid)
            journal = tmp_path / "lll-runs"
            eventually(lambda: any(p.stat().st_size > 4000 for p in journal.rglob("journal.jsonl")))
            os.kill(worker, signal.SIGSTOP)
            eventually(lambda: _state(worker) == "T")
            signal.sigtimedwait([], 0.5)
            os.kill(worker, signal.SIGCONT)
            out, _ = process.communicate(timeout=60)
    document = json.loads(out)
    found = verdicts(out)
    assert found["schedule slip"] == "INVALID"
    assert found["Little's law"] == "VALID"
    assert document["metrics"]["ttft_from_intended"]["verdict"] == "INVALID"
    assert max(length for _, length in document["quality"]["vitals"][0]["blocked"]) > 400_000_000


def _state(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_q8_answers_in_one_burst_invalidate(tmp_path: pathlib.Path) -> None:
    """Q8: a server that holds everything back until the end: exit 4, or 0 where that is allowed."""
    burst = SimulatorSpec(
        ttft=parse_latency("20ms"), itl=parse_latency("5ms"), tokens=30, faults=(parse_fault("burst"),)
    )  # fmt: skip
    with SimulatorProcess(burst) as server:
        found = lll(*words(server, "-n", "20", "-c", "4"), cwd=tmp_path)
        allowed = lll(*words(server, "-n", "20", "-c", "4", "--allow-invalid"), cwd=tmp_path)
    assert found.code == 4, found.err
    assert verdicts(found.out)["buffered delivery"] == "INVALID"
    assert (allowed.code, json.loads(allowed.out)["verdict"]) == (0, "INVALID")


def test_q11_an_overload_is_no_state(tmp_path: pathlib.Path) -> None:
    """Q11: twice what the server can serve: the backlog grows and nothing is valid."""
    model = parse_batching("prefill=100000tok/s,step=4ms+0.25ms*batch,slots=4")
    with SimulatorProcess(SimulatorSpec(batching=model, tokens=10)) as server:
        found = lll(*words(server, "--rate", "160/s", "-d", "2s"), cwd=tmp_path)
    assert found.code == 4, found.err
    assert verdicts(found.out)["backlog"] == "INVALID"


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, str]:
    """A cache with a calibration of this machine, of quick streams, and its document as it was printed."""
    folder = tmp_path_factory.mktemp("calibrated")
    env = {"XDG_CACHE_HOME": str(folder / "cache")}
    made = lll("calibrate", "-c", "16", "--event-rate", "200/s", "--json", cwd=folder, env=env)
    assert made.code == 0, made.err
    return folder / "cache", made.out


def test_q6_a_calibration_is_kept_and_shown(
    tmp_path: pathlib.Path, calibrated: tuple[pathlib.Path, str]
) -> None:
    """Q6: made once, found again, beside every latency; a load that is surely beyond the forecast is refused."""
    cache, printed = calibrated
    env = {"XDG_CACHE_HOME": str(cache)}
    document = json.loads(printed)
    assert set(document["errors"]) == {"ttft", "e2e", "tpot", "gap", "slip"}
    assert 0 < document["errors"]["ttft"]["p50"] < 0.005
    assert all(cost >= 0 for cost in document["cost"].values())
    assert 1e-6 < document["cost"]["read"] + document["cost"]["event"] < 1e-3
    assert len(list(cache.rglob("calibration-*.json"))) == 1
    with SimulatorProcess(QUICK) as server:
        load = [*words(server)[:-1], "--rate", "40/s", "-d", "1s"]
        auto = {**env, "LLL_CALIBRATE": "auto"}
        found = lll(*load, cwd=tmp_path, env=auto)
        never = lll(*load, cwd=tmp_path, env=env)
        much = ["--rate", "100000/s", "--max-tokens", "1000"]
        refused = lll(*words(server, "-n", "20", *much), cwd=tmp_path, env=auto)
        near = lll(*words(server)[:-1], "-n", "4", "--rate", "100/s", "--max-tokens", "1000", cwd=tmp_path, env=auto)  # fmt: skip
    assert re.search(r"TTFT .*± [\d.]+ [µm]s", found.out), found.out
    assert "calibrating" not in found.err
    assert "±" not in never.out
    assert (refused.code, refused.out) == (2, "")
    assert "--beyond-roofline" in refused.err
    assert re.search(r"by forecast about [\d,]+% of what this machine can carry", near.err)
    assert near.code != 2


@SLOW
def test_q6_an_outdated_calibration_is_made_anew(
    tmp_path: pathlib.Path, calibrated: tuple[pathlib.Path, str]
) -> None:
    """Q6: without being asked; what was kept by another version is said, and replaced."""
    shutil.copytree(calibrated[0], tmp_path / "cache")
    (kept,) = (tmp_path / "cache").rglob("calibration-*.json")
    kept.write_text(kept.read_text().replace("calibration/2", "calibration/1"))
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "LLL_CALIBRATE": "auto"}
    with SimulatorProcess(QUICK) as server:
        found = lll(*words(server)[:-1], "-n", "6", cwd=tmp_path, env=env)
    assert "the stored calibration is of another version" in found.err
    assert "once for this machine" in found.err
    assert json.loads(kept.read_text())["schema"] == "llm-latency-lens/calibration/2"


@pytest.mark.parametrize("state", ["missing", "broken", "outdated"])
def test_q6_a_machine_is_calibrated_before_its_first_run(
    tmp_path: pathlib.Path, calibrated: tuple[pathlib.Path, str], state: str
) -> None:
    """Q6: where nothing is kept that can be used, it begins by itself; only another version is called so."""
    if state != "missing":
        shutil.copytree(calibrated[0], tmp_path / "cache")
        (kept,) = (tmp_path / "cache").rglob("calibration-*.json")
        text = kept.read_text().replace("calibration/2", "calibration/1")
        kept.write_text("{" if state == "broken" else text)
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "LLL_CALIBRATE": "auto"}
    command = ["benchmark", "openai:m", "--base-url", "http://127.0.0.1:9/v1", "-p", "x"]
    with start(*command, cwd=tmp_path, env=env) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        if state == "outdated":
            assert "the stored calibration is of another version" in first
            first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert "once for this machine" in first


def test_q6_a_cache_that_can_not_be_written_is_said(tmp_path: pathlib.Path) -> None:
    """Q6: before anything is measured; `calibrate` fails, and a run is made without a calibration."""
    (tmp_path / "file").write_text("")
    env = {"XDG_CACHE_HOME": str(tmp_path / "file")}
    failed = lll("calibrate", "-c", "4", cwd=tmp_path, env=env)
    assert (failed.code, failed.out) == (1, "")
    assert "can't be kept" in failed.err
    with SimulatorProcess(QUICK) as server:
        auto = {**env, "LLL_CALIBRATE": "auto"}
        found = lll(*words(server)[:-1], "-n", "6", cwd=tmp_path, env=auto)
    assert "not calibrated: the calibration can't be kept" in found.err
    assert "6 successful requests" in found.out


@pytest.mark.parametrize("flag", ["--calibrate=sometimes", "--step-requests=5"])
def test_wrong_words_are_refused(tmp_path: pathlib.Path, flag: str) -> None:
    """Before anything is sent."""
    found = lll("benchmark", "openai:m", "--base-url", "http://127.0.0.1:9/v1", "-p", "x", flag, cwd=tmp_path)  # fmt: skip
    assert (found.code, found.out) == (2, "")
    assert "LLL_CALIBRATE" in ENVIRONMENT
