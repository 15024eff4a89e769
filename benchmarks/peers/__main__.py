"""`python -m benchmarks.peers [--home FOLDER] [--only NAME] [--setup] [--write]`: every peer and ours, one table.

One server for all: the embedded simulator on CPU 1, its ledger the truth, and for the client's own limit
a server with every answer ready; the client with all its processes on CPU 0. A tool that fails is a row
that says so.
"""

import argparse
import fnmatch
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable

from msgspec import Struct

from benchmarks.peers.table import HERE, NOT_HERE, PEERS, Peer, Told, Work
from benchmarks.peers.tree import Taken, run_on
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.ledger import Ledger
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

CLIENT, SERVER = 0, 1
CAPACITY = {"concurrency": 64, "requests": 2000, "tokens": 256}
STREAMS = (1, 128, 512)
PACED = {"concurrency": 64, "requests": 256, "tokens": 256}
_SLOW = {"llmeter": 500}
"""Fewer requests where 2,000 take minutes; the rate per CPU second does not depend on it."""


class Row(Struct, kw_only=True):
    """One tool's numbers; times in seconds, memory in bytes."""

    name: str
    version: str
    install: int | None = None
    start: Taken | None = None
    ready: float | None = None
    capacity: float | None = None
    paced: float | None = None
    peak: int | None = None
    errors: dict[int, tuple[float | None, float | None]] = {}
    failed: list[str] = []


def ours(work: Work) -> list[str]:
    """Our own command, as a user types it."""
    return [
        sys.executable, "-m", "llm_latency_lens", "benchmark", "openai:sim", "--base-url", work.base_url, "-p", "w1 " * 32,
        "-n", str(work.requests), "-c", str(work.concurrency), "--max-tokens", str(work.tokens), "--workers", "1", "--json",
        "--calibrate", "never", "--allow-invalid", "--runs-dir", str(work.out),
    ]  # fmt: skip


def read_ours(work: Work) -> Told:
    """From the run's summary."""
    (path,) = work.out.rglob("summary.json")
    found = json.loads(path.read_text())["metrics"]["ttft"]
    return Told(mean=found["mean"], p50=found["p50"], p99=found["p99"] or found["max"])


OURS = Peer(name="llm-latency-lens", version="this", packages=(), command=ours, read=read_ours)


def served(peer: Peer, home: pathlib.Path, shape: dict[str, int], latency: tuple[str, str]) -> tuple[Taken, Told, Ledger]:  # fmt: skip
    """One run of a peer against a fresh server."""
    spec = SimulatorSpec(ttft=parse_latency(latency[0]), itl=parse_latency(latency[1]), tokens=shape["tokens"])  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, SimulatorProcess(spec, core=SERVER) as server:
        work = Work(base_url=server.base_url, out=pathlib.Path(folder), home=home, **shape)
        taken = _run(peer, work)
        told = peer.read(work)
        return taken, told, server.stop()


def _run(peer: Peer, work: Work) -> Taken:
    hub = {"HF_HOME": str(work.home / "hub")} if peer.hub else {}
    taken = run_on(CLIENT, peer.command(work), {**dict(peer.env), **hub}, timeout=240)
    if taken.code:
        raise RuntimeError(f"exit {taken.code}: {taken.words}")
    return taken


def against_ready(peer: Peer, home: pathlib.Path, shape: dict[str, int]) -> tuple[Taken, int]:
    """One run against a server that has its answers ready; what it took, and how many tokens were served."""
    command = ["taskset", "-c", str(SERVER), sys.executable, "-m", "benchmarks.peers.ready", str(shape["tokens"])]  # fmt: skip
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline())
        try:
            out = pathlib.Path(folder)
            taken = _run(peer, Work(base_url=f"http://127.0.0.1:{port}/v1", out=out, home=home, **shape))  # fmt: skip
        finally:
            server.stdin.close()
        return taken, int(server.stdout.readline()) * shape["tokens"]


def measure(peer: Peer, home: pathlib.Path) -> Row:
    """All of a peer's numbers; one that fails is left out, and the row says why."""
    row = Row(name=peer.name, version=peer.version, install=_size(home / peer.name))
    shape = {**CAPACITY, "requests": _SLOW.get(peer.name, CAPACITY["requests"])}
    for step in (_start, _ready, _capacity, _paced, _accuracy):
        try:
            step(row, peer, home, shape)
        except (RuntimeError, OSError, KeyError, ValueError, subprocess.SubprocessError) as error:
            row.failed.append(f"{step.__name__[1:]}: {str(error)[:120]}")
    return row


def _start(row: Row, peer: Peer, home: pathlib.Path, _: dict[str, int]) -> None:
    row.start, _told, _ledger = served(peer, home, {"concurrency": 1, "requests": 1, "tokens": 16}, ("5ms", "1ms"))  # fmt: skip


def _ready(row: Row, peer: Peer, home: pathlib.Path, shape: dict[str, int]) -> None:
    taken, tokens = against_ready(peer, home, shape)
    row.ready = tokens / _net(row, taken)


def _capacity(row: Row, peer: Peer, home: pathlib.Path, shape: dict[str, int]) -> None:
    taken, _, ledger = served(peer, home, shape, ("0ms", "0ms"))
    row.peak = taken.peak
    row.capacity = _tokens(ledger) / _net(row, taken)


def _paced(row: Row, peer: Peer, home: pathlib.Path, _: dict[str, int]) -> None:
    taken, _told, ledger = served(peer, home, PACED, ("200ms", "10ms"))
    row.paced = _net(row, taken) / _tokens(ledger)


def _accuracy(row: Row, peer: Peer, home: pathlib.Path, _: dict[str, int]) -> None:
    for streams in STREAMS:
        _taken, told, ledger = served(peer, home, {"concurrency": streams, "requests": max(4, streams), "tokens": 64}, ("200ms", "20ms"))  # fmt: skip
        row.errors[streams] = _errors(told, ledger)


def _net(row: Row, taken: Taken) -> float:
    """CPU seconds without the start's."""
    return max(taken.cpu - (row.start.cpu if row.start else 0.0), 1e-6)


def _tokens(ledger: Ledger) -> int:
    return sum(entry.output_tokens for entry in ledger.entries)


def _errors(told: Told, ledger: Ledger) -> tuple[float | None, float | None]:
    """What the tool reported less what the ledger says: mean and p99 of TTFT."""
    truth = sorted((e.tokens_sent()[0] - e.received) / 1e9 for e in ledger.entries if e.tokens_sent())  # fmt: skip
    if not truth:
        return None, None
    p99 = truth[min(len(truth) - 1, round(0.99 * (len(truth) - 1)))]
    mean = None if told.mean is None else told.mean - statistics.fmean(truth)
    return mean, None if told.p99 is None else told.p99 - p99


def _size(folder: pathlib.Path) -> int | None:
    if not folder.exists():
        return None
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and f.suffix != ".whl")


def set_up(peer: Peer, home: pathlib.Path) -> None:
    """Make a peer's environment; uv where it is installed, else venv and pip."""
    folder = home / peer.name
    folder.mkdir(parents=True, exist_ok=True)
    interpreter = str(folder / "venv/bin/python")
    if peer.packages:
        python, uv = peer.python or sys.executable, shutil.which("uv")
        make = [uv, "venv", "-q", "--python", python] if uv else [python, "-m", "venv"]
        add = [uv, "pip", "install", "-q", "--python", interpreter] if uv else [interpreter, "-m", "pip", "install", "-q"]  # fmt: skip
        subprocess.run([*make, str(folder / "venv")], check=True)
        subprocess.run([*add, *peer.packages], check=True)
    if peer.wheel:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), peer.wheel], check=True)  # fmt: skip
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            wanted = fnmatch.filter(archive.namelist(), peer.unpacked)
            archive.extractall(folder / "src", wanted)
    if peer.name == "vllm":
        subprocess.run([interpreter, str(HERE / "runners/make_tokenizer.py"), str(home)], check=True)  # fmt: skip


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| tool | version | installed | start: wall / CPU / memory | events per CPU s, answers ready | events per CPU s, token by token | CPU per event, paced | peak memory | " + " | ".join(f"TTFT error at {n}: mean / p99" for n in STREAMS) + " |",
        "|" + "---|" * (8 + len(STREAMS)),
    ]  # fmt: skip
    for row in rows:
        start = "-" if row.start is None else f"{row.start.wall:.2f} s / {row.start.cpu:.2f} s / {row.start.peak / 1e6:,.0f} MB"  # fmt: skip
        cells = [
            row.name,
            row.version,
            _shown(row.install, lambda v: f"{v / 1e6:,.0f} MB"),
            start,
            _shown(row.ready, lambda v: f"{v:,.0f}"),
            _shown(row.capacity, lambda v: f"{v:,.0f}"),
            _shown(row.paced, lambda v: f"{v * 1e6:,.1f} µs"),
            _shown(row.peak, lambda v: f"{v / 1e6:,.0f} MB"),
        ]
        for streams in STREAMS:
            mean, p99 = row.errors.get(streams, (None, None))
            ends = (_shown(v, lambda v: f"{v * 1000:+.2f}") for v in (mean, p99))
            cells.append(" / ".join(ends) + " ms")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shown(value: float | None, form: Callable[[float], str]) -> str:
    return "-" if value is None else form(value)


def main() -> None:
    """Set up where asked, measure, print, and write the page where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=pathlib.Path, default=pathlib.Path("~/.cache/llm-latency-lens-peers").expanduser())  # fmt: skip
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--setup", action="store_true")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        sys.exit("a server and a client need a CPU each: this machine has one")
    chosen = [p for p in PEERS if not given.only or p.name in given.only]
    rows = []
    for peer in (*chosen, OURS):
        if given.setup and peer is not OURS:
            print(f"setting up {peer.name}", file=sys.stderr)
            set_up(peer, given.home)
        print(f"measuring {peer.name}", file=sys.stderr)
        rows.append(measure(peer, given.home))
        for words in rows[-1].failed:
            print(f"  {words}", file=sys.stderr)
    found = table(rows)
    print(found)
    if given.write:
        page = HERE.parents[1] / "docs/peers.md"
        head, _, _ = page.read_text(encoding="utf-8").partition("<!-- table -->\n")
        rest = "".join(f"- {name}: {why}.\n" for name, why in NOT_HERE.items())
        rest += "".join(f"- {row.name}, {words}\n" for row in rows for words in row.failed)
        page.write_text(f"{head}<!-- table -->\n{found}\n\nWithout a row, or a number:\n\n{rest}", encoding="utf-8")  # fmt: skip


if __name__ == "__main__":
    main()
