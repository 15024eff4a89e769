"""`python -m benchmarks.peers [--home FOLDER] [--only NAME] [--setup] [--write]`: one table of all.

One server for all: the embedded simulator on CPU 1, its ledger the truth, and for the client's own
limit a server with every answer ready; the client with all its processes on CPU 0. A tool that can
not be set up or that fails is a row that says why. Each row is printed, and with `--write` put
into docs/peers.md, as soon as it is there; rows of tools that were not chosen stay as they are.
"""

import argparse
import contextlib
import fcntl
import json
import math
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from benchmarks.peers import page
from benchmarks.peers.environment import Environment, SetupError, interpreter, make
from benchmarks.peers.page import STREAMS, Row
from benchmarks.peers.table import CLIENT, HERE, NOT_HERE, PEERS, Peer, Told, Work
from benchmarks.peers.tree import Taken, run_on
from benchmarks.peers.words import last_words
from llm_latency_lens.errors import LensError
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.ledger import Ledger
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

CPU_OF_CLIENT, CPU_OF_SERVER = 0, 1
CAPACITY = {"concurrency": 64, "requests": 2000, "tokens": 256}
PACED = {"concurrency": 64, "requests": 256, "tokens": 256}
_SLOW = {"llmeter": 500}
"""Fewer requests where 2,000 take minutes; the rate per CPU second does not depend on it."""
_FAILURES = (
    RuntimeError,
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    LensError,
    subprocess.SubprocessError,
)
"""What a tool that fails, or whose result file is not as expected, ends in."""


class NoFiguresError(RuntimeError):
    """A tool's run gave none; the message says why, with the tool's last words."""


def ours(work: Work) -> list[str]:
    """Return our own command, as a user types it."""
    return [
        *(sys.executable, "-m", "llm_latency_lens", "benchmark", "openai:sim"),
        *("--base-url", work.base_url, "-p", "w1 " * 32, "--workers", "1", "--json"),
        *("-n", str(work.requests), "-c", str(work.concurrency), "--max-tokens", str(work.tokens)),
        *("--calibrate", "never", "--allow-invalid", "--runs-dir", str(work.out)),
    ]


def read_ours(work: Work) -> Told:
    """Read the run's summary."""
    (path,) = work.out.rglob("summary.json")
    ttft = json.loads(path.read_text())["metrics"]["ttft"]
    return Told(mean=ttft["mean"], p50=ttft["p50"], p99=ttft["p99"] or ttft["max"])


OURS = Peer(
    name="llm-latency-lens",
    version="this",
    environment=Environment(name="llm-latency-lens"),
    command=ours,
    read=read_ours,
    tokenizer=False,
)


def served(
    peer: Peer, home: pathlib.Path, shape: dict[str, int], latency: tuple[str, str]
) -> tuple[Taken, Told, Ledger]:
    """Run a peer against a fresh server."""
    ttft, itl = map(parse_latency, latency)
    spec = SimulatorSpec(ttft=ttft, itl=itl, tokens=shape["tokens"])
    with (
        tempfile.TemporaryDirectory() as folder,
        SimulatorProcess(spec, core=CPU_OF_SERVER) as server,
    ):
        work = Work(base_url=server.base_url, out=pathlib.Path(folder), home=home, **shape)
        taken = _run(peer, work)
        ledger = server.stop()
        _require(_tokens(ledger), taken)
        return taken, _told(peer, work, taken), ledger


def _run(peer: Peer, work: Work) -> Taken:
    hub = str(work.home / "hub")
    env = {"HF_HOME": hub, "HF_HUB_CACHE": f"{hub}/hub"} if peer.hub else {}
    # The server is on this machine, whatever proxy the way to others takes.
    direct = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    env |= {**dict(peer.env), **direct}
    taken = run_on(CPU_OF_CLIENT, peer.command(work), env, timeout=peer.limit)
    if taken.code:
        raise NoFiguresError(taken.reason)
    return taken


def _told(peer: Peer, work: Work, taken: Taken) -> Told:
    try:
        return peer.read(work)
    except _FAILURES as error:
        what = f"no result to read ({type(error).__name__}: {last_words(str(error))})"
        raise NoFiguresError(f"{what}; {taken.reason}") from error


def _require(tokens: int, taken: Taken) -> None:
    """A run without one answer has no figures, however well it ended."""
    if not tokens:
        raise NoFiguresError(f"the server gave it no answer; {taken.reason}")


def against_ready(peer: Peer, home: pathlib.Path, shape: dict[str, int]) -> tuple[Taken, int]:
    """Run a peer against a server that has its answers ready; return the tokens served as well."""
    ready = [sys.executable, "-m", "benchmarks.peers.ready", str(shape["tokens"])]
    command = ["taskset", "-c", str(CPU_OF_SERVER), *ready]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        base_url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        try:
            work = Work(base_url=base_url, out=pathlib.Path(folder), home=home, **shape)
            taken = _run(peer, work)
        finally:
            server.stdin.close()
        tokens = int(server.stdout.readline()) * shape["tokens"]
    _require(tokens, taken)
    return taken, tokens


def measure(peer: Peer, home: pathlib.Path) -> Row:
    """Return a peer's numbers. One that fails is missing; without a start there is no other."""
    row = Row(name=peer.name, version=peer.version, install=_size(peer, home))
    shape = {**CAPACITY, "requests": _SLOW.get(peer.name, CAPACITY["requests"])}
    for step in (_start, _ready, _capacity, _paced, _accuracy):
        with _noted(row, step.__name__[1:]):
            step(row, peer, home, shape)
        if row.start is None:
            break
    return row


@contextlib.contextmanager
def _noted(row: Row, what: str) -> Iterator[None]:
    """A failure is the row's reason for what is missing."""
    try:
        yield
    except _FAILURES as error:
        own = isinstance(error, NoFiguresError)
        words = str(error) if own else f"{type(error).__name__}: {last_words(str(error))}"
        row.failed.append(f"{what}: {words}")


def _start(row: Row, peer: Peer, home: pathlib.Path, _: dict[str, int]) -> None:
    one = {"concurrency": 1, "requests": 1, "tokens": 16}
    row.start, _told, _ledger = served(peer, home, one, ("5ms", "1ms"))


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
        shape = {"concurrency": streams, "requests": max(4, streams), "tokens": 64}
        with _noted(row, f"TTFT at {streams}"):
            taken, told, ledger = served(peer, home, shape, ("200ms", "20ms"))
            row.errors[streams] = errors = _errors(told, ledger)
            if None in errors:
                raise NoFiguresError(f"it reports no mean or no p99; {taken.reason}")


def _net(row: Row, taken: Taken) -> float:
    """CPU seconds without the start's."""
    return max(taken.cpu - (row.start.cpu if row.start else 0.0), 1e-6)


def _tokens(ledger: Ledger) -> int:
    return sum(entry.output_tokens for entry in ledger.entries)


def _errors(told: Told, ledger: Ledger) -> tuple[float | None, float | None]:
    """What the tool reported less what the ledger says: mean and p99 of TTFT."""
    sent = ((entry.received, entry.tokens_sent()) for entry in ledger.entries)
    truth = sorted((tokens[0] - received) / 1e9 for received, tokens in sent if tokens)
    if not truth:
        return None, None
    p99 = truth[min(len(truth) - 1, round(0.99 * (len(truth) - 1)))]
    return _less(told.mean, statistics.fmean(truth)), _less(told.p99, p99)


def _less(told: float | None, truth: float) -> float | None:
    return told - truth if told is not None and math.isfinite(told) else None


def _size(peer: Peer, home: pathlib.Path) -> int | None:
    """Bytes of everything that it runs from; None for ours."""
    environments = (peer.environment, peer.shared)
    folders = [home / e.name for e in environments if e is not None and (home / e.name).exists()]
    if not folders:
        return None
    return sum(f.stat().st_size for folder in folders for f in folder.rglob("*") if f.is_file())


def set_up(peer: Peer, home: pathlib.Path) -> None:
    """Make what a peer needs: the shared environment and the tokenizer first, then its own.

    Raises:
        SetupError: a step failed.
    """
    downloader = interpreter(home, CLIENT.name)
    first = CLIENT if peer.shared or peer.tokenizer else None
    for environment in (first, peer.environment):
        if environment is not None and make(environment, home, downloader):
            print(f"  made the environment {environment.name}", file=sys.stderr)


def row_of(peer: Peer, home: pathlib.Path, *, setup: bool) -> Row:
    """Set a peer up where asked, and measure it; what failed is in the row."""
    if setup and peer is not OURS:
        print(f"setting up {peer.name}", file=sys.stderr)
        try:
            set_up(peer, home)
        except SetupError as error:
            return Row(name=peer.name, version=peer.version, failed=[f"set-up: {error}"])
        except OSError as error:
            said = f"set-up: {last_words(str(error))}"
            return Row(name=peer.name, version=peer.version, failed=[said])
    print(f"measuring {peer.name}", file=sys.stderr)
    return measure(peer, home)


def main() -> None:
    """Set up where asked, measure, print, and write the page where asked."""
    names = [peer.name for peer in PEERS]
    home = pathlib.Path("~/.cache/llm-latency-lens-peers").expanduser()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=pathlib.Path, default=home)
    parser.add_argument("--only", action="append", default=[], choices=names, metavar="NAME")
    parser.add_argument("--setup", action="store_true")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        sys.exit("a server and a client need a CPU each: this machine has one")
    # Ended from outside, it ends what it has started.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    print(page.table([]), flush=True)
    with _alone(given.home.resolve()) as home:
        for peer in (*(p for p in PEERS if not given.only or p.name in given.only), OURS):
            row = row_of(peer, home, setup=given.setup)
            for words in row.failed:
                print(f"  {words}", file=sys.stderr)
            print(page.shown(row), flush=True)
            if given.write:
                _write(row, [*names, OURS.name])


@contextlib.contextmanager
def _alone(home: pathlib.Path) -> Iterator[pathlib.Path]:
    """Wait for any other run in that folder: two would remake each other's environments."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another run in the same folder", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield home


def _write(row: Row, order: list[str]) -> None:
    path = HERE.parents[1] / "docs/peers.md"
    page.write(path, page.merged(path.read_text(encoding="utf-8"), [row], order, NOT_HERE))


if __name__ == "__main__":
    main()
