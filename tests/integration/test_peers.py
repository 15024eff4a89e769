"""The benchmark of the peers on real processes: environments made and made anew, rows that say why."""

import contextlib
import ensurepip
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator

import pytest
from benchmarks.peers.__main__ import _accuracy, measure
from benchmarks.peers.environment import Environment, SetupError, make
from benchmarks.peers.page import Row
from benchmarks.peers.table import Peer, Told, Work
from benchmarks.peers.tree import run_on

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTHON = pathlib.Path(sys.executable)
UV = shutil.which("uv", path=f"{os.environ['PATH']}:{ROOT / '.venv-ci/bin'}")
"""On the PATH, or where `.ci/run` installs it."""

with_pip = pytest.mark.skipif(
    not (os.environ.get("LLL_REQUIRE_REAL") or os.environ.get("LLL_NIGHTLY")),
    reason="makes environments with pip, a quarter of a minute; set LLL_REQUIRE_REAL=1",
)
ASK = """
import json, sys, urllib.request
body = {"model": "sim", "stream": True, "messages": [{"role": "user", "content": "w1"}]}
request = urllib.request.Request(
    sys.argv[1] + "/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
)
urllib.request.urlopen(request).read()
print("asked once")
"""
"""A client that asks once, and writes no result."""

SET_UP = """
import pathlib, sys
from benchmarks.peers.environment import Environment, SetupError, interpreter, make
home = pathlib.Path(sys.argv[1])
client = Environment(name="client", packages=("pip", "probe==1.0"))
tool = Environment(name="tool", wheel="probe==1.0", unpacked="probe/*")
try:
    made = [make(one, home, interpreter(home, "client")) for one in (client, tool)]
except SetupError as error:
    sys.exit(f"set-up: {error}")
print(made)
"""
"""Makes a client's environment and a tool out of its wheel, as a peer's set-up does."""


def peer(command: list[str], *, told: Told | None = None, limit: float = 60.0) -> Peer:
    """A tool that is that command, with the server's address as its last argument."""

    def read(work: Work) -> Told:
        (_result,) = work.out.iterdir() if told is None else (told,)
        return told or Told()

    return Peer(
        name="tool",
        version="1",
        environment=Environment(name="tool"),
        command=lambda work: [*command, work.base_url],
        read=read,
        limit=limit,
    )


def ended(pid: int) -> bool:
    """Whether a process ends within ten seconds."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 10)[0])
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ([sys.executable, "-c", "raise ValueError('no model')"], "exit 1: ValueError: no model"),
        ([sys.executable, "-c", "print('hi')"], "the server gave it no answer; exit 0: hi"),
        ([sys.executable, "-c", ASK], r"no result to read \(ValueError: .*\); exit 0: asked once"),
        (["sh", "-c", "kill -9 $$"], "killed by SIGKILL: it said nothing"),
        (["/nowhere/tool"], "exit 12[67]: .*tool: No such file or directory"),
    ],
)
def test_a_tool_without_figures_is_a_reason(
    tmp_path: pathlib.Path, command: list[str], reason: str
) -> None:
    """However it fails, its own last words are in the row, and no other run is tried."""
    row = measure(peer(command), tmp_path)
    assert row.start is None
    (said,) = row.failed
    assert re.fullmatch(f"start: {reason}", said)


def test_a_figure_that_a_tool_does_not_report_is_a_reason(tmp_path: pathlib.Path) -> None:
    """Not a number is no number; the other one stays."""
    row = Row(name="tool", version="1")
    tool = peer([sys.executable, "-c", ASK], told=Told(mean=float("nan"), p99=0.2))
    _accuracy(row, tool, tmp_path, {})
    for streams, (mean, p99) in row.errors.items():
        assert mean is None
        assert p99 is not None
        assert f"TTFT at {streams}: it reports no mean or no p99" in " ".join(row.failed)
    assert len(row.errors) == len(row.failed) == 3


def test_a_tool_that_hangs_is_ended_with_its_children(tmp_path: pathlib.Path) -> None:
    """Even one in a session of its own, that holds the output open; the row says so."""
    pids = tmp_path / "pids"
    script = f"setsid sleep 1000 & echo $$ $! > {pids}; echo connecting; wait"
    row = measure(peer(["sh", "-c", script], limit=3.0), tmp_path)
    assert row.failed == ["start: not done after 3 s, ended: connecting"]
    assert all(ended(int(pid)) for pid in pids.read_text().split())


def test_a_child_that_outlives_its_tool_is_ended(tmp_path: pathlib.Path) -> None:
    """It would take the next tool's CPU; nobody waits for it."""
    pids = tmp_path / "pids"
    taken = run_on(None, ["sh", "-c", f"sleep 1000 & echo $! > {pids}"], {}, timeout=100)
    assert (taken.code, taken.limit) == (0, None)
    assert ended(int(pids.read_text()))


def test_a_step_of_the_set_up_that_hangs_is_ended(tmp_path: pathlib.Path) -> None:
    """The reason names the step; the next call starts anew."""
    stuck = tmp_path / "stuck"
    stuck.write_text("#!/bin/sh\necho waiting for the index\nexec sleep 1000\n")
    stuck.chmod(0o755)
    wheel = Environment(name="tool", wheel="probe==1.0", unpacked="*")
    reason = r"pip download probe==1\.0: not done after 3 s, ended: waiting for the index"
    with pytest.raises(SetupError, match=reason):
        make(wheel, tmp_path, stuck, limit=3.0)


@with_pip
def test_an_environment_that_lost_a_part_is_made_anew(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its interpreter, what its wheel held, what its script made, or its place."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    links(tmp_path / "links", monkeypatch)
    home = tmp_path / "home"
    client = Environment(name="client", packages=("probe==1.0",))
    tool = Environment(name="tool", wheel="probe==1.0", unpacked="probe/*")
    words = Environment(name="words", makes=("tokenizer",))

    def remade(*environments: Environment) -> list[bool]:
        (home / "tokenizer").mkdir(parents=True, exist_ok=True)
        return [make(one, home, PYTHON) for one in environments]

    assert remade(client, tool, words) == [True, True, True]
    assert remade(client, tool, words) == [False, False, False]
    (home / "client/venv/bin/python").unlink()
    shutil.rmtree(home / "tool/src")
    assert remade(client, tool, words) == [True, True, False]
    (home / "tokenizer").rmdir()
    assert make(words, home, PYTHON)
    home = home.rename(tmp_path / "elsewhere")
    assert remade(tool, words) == [True, True]


def links(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, *, probe: bool = True) -> None:
    """Offer a wheel that holds one module, and Python's own wheel of pip; no index."""
    folder.mkdir(exist_ok=True)
    bundled = sysconfig.get_config_var("WHEEL_PKG_DIR")
    place = pathlib.Path(bundled or pathlib.Path(ensurepip.__file__).parent / "_bundled")
    for wheel in place.glob("pip-*.whl"):
        shutil.copy(wheel, folder)
    if probe:
        with zipfile.ZipFile(folder / "probe-1.0-py3-none-any.whl", "w") as archive:
            about = "probe-1.0.dist-info"
            archive.writestr("probe/__init__.py", "")
            archive.writestr(
                f"{about}/METADATA", "Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n"
            )
            archive.writestr(
                f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{about}/RECORD", "")
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.setenv(name, str(folder))


@with_pip
@pytest.mark.parametrize("way", ["pip", "uv"])
def test_a_set_up_out_of_an_environment_without_pip(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """What uv makes has no pip: where it fails the row says why, and then it works all the same."""
    if way == "uv" and not UV:
        assert not os.environ.get("LLL_REQUIRE_REAL"), "uv is required: .ci/run installs it"
        pytest.skip("uv is not installed")
    monkeypatch.setenv("PATH", str(pathlib.Path(UV).parent) if way == "uv" and UV else "")
    for name, value in {"PIP_NO_INDEX": "1", "UV_NO_INDEX": "1", "PIP_USER": "1"}.items():
        monkeypatch.setenv(name, value)
    maker = [UV, "venv", "-q", "--python"] if way == "uv" and UV else []
    command = [*maker, sys.executable] if maker else [sys.executable, "-m", "venv", "--without-pip"]
    subprocess.run([*command, str(tmp_path / "venv")], check=True)
    (site,) = tmp_path.glob("venv/lib/python*/site-packages")
    ours = (ROOT, ROOT / "src", sysconfig.get_path("purelib"))
    (site / "ours.pth").write_text("".join(f"{path}\n" for path in ours))
    python = str(tmp_path / "venv/bin/python")

    def set_up() -> subprocess.CompletedProcess[str]:
        code = [python, "-c", SET_UP, str(tmp_path / "home")]
        return subprocess.run(code, capture_output=True, text=True, check=False, cwd=tmp_path)

    links(tmp_path / "links", monkeypatch, probe=False)
    failed = set_up()
    assert failed.returncode == 1
    assert f"{'uv ' if way == 'uv' else ''}pip install: exit 1: " in failed.stderr
    assert "probe" in failed.stderr
    links(tmp_path / "links", monkeypatch)
    assert set_up().stdout == "[True, True]\n"
    assert set_up().stdout == "[False, False]\n"
    assert (tmp_path / "home/tool/src/probe/__init__.py").exists()


def test_an_index_out_of_reach_is_a_reason_without_its_address(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose index it is stays out of a page that anybody reads."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@localhost:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(SetupError) as failed:
        make(Environment(name="tool", wheel="probe==1.0", unpacked="*"), tmp_path, PYTHON)
    said = str(failed.value)
    assert said.startswith("pip download probe==1.0: exit 1: ")
    assert "No matching distribution found for probe==1.0" in said
    assert "secret" not in said
    assert "localhost" not in said


@contextlib.contextmanager
def run(home: pathlib.Path) -> Iterator[subprocess.Popen[str]]:
    """Measure LLMeter out of that folder, without a set-up; killed where it is not done."""
    command = [sys.executable, "-m", "benchmarks.peers", "--only", "llmeter", "--home", str(home)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def python_of(home: pathlib.Path, script: str) -> None:
    """Put a script where LLMeter's interpreter is looked for."""
    path = home / "llmeter/venv/bin/python"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_row_is_printed_before_the_next_tool_is_measured(tmp_path: pathlib.Path) -> None:
    """Whoever ends a long run keeps the rows that were there."""
    python_of(tmp_path, "echo no key; exit 3")
    with run(tmp_path) as running:
        assert running.stdout is not None
        row = next(line for line in running.stdout if line.startswith("| llmeter"))
        running.terminate()
        running.communicate(timeout=60)
    assert row.endswith("| start: exit 3: no key |\n")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_run_that_is_ended_ends_its_tool_and_the_next_in_line_goes_on(
    tmp_path: pathlib.Path, ending: signal.Signals
) -> None:
    """Nothing measures on unseen; two runs in one folder never remake each other's tools."""
    os.mkfifo(tmp_path / "pid")
    python_of(tmp_path, f"echo $$ > {tmp_path / 'pid'}; exec sleep 1000")
    with run(tmp_path) as first:
        pid = int((tmp_path / "pid").read_text())
        with run(tmp_path) as second:
            assert second.stderr is not None
            assert second.stderr.readline() == "waiting for another run in the same folder\n"
            first.send_signal(ending)
            first.communicate(timeout=60)
            assert first.returncode == (-ending if ending is signal.SIGKILL else 128 + ending)
            assert ended(pid)
            pid = int((tmp_path / "pid").read_text())
            second.terminate()
            second.communicate(timeout=60)
            assert ended(pid)
