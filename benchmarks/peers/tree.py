"""What a command with all its children takes: wall time, CPU, peak memory; none of them is left.

What it says goes to a file, not a pipe: a child that outlives it can't keep us waiting.
"""

import contextlib
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from msgspec import Struct

from benchmarks.peers.words import last_words

_EVERY = 0.02
_TAIL = 65_536
"""Bytes of its output in which the last words are looked for."""


class Taken(Struct, frozen=True, kw_only=True):
    """Seconds of wall and of CPU, bytes at the peak (sum over the tree), exit code, last words.

    `limit` is the time that it was given, where it was not done by then and had to be ended.
    """

    wall: float
    cpu: float
    peak: int
    code: int
    words: str
    limit: float | None = None

    @property
    def reason(self) -> str:
        """How it ended, for a reader who asks why there is nothing."""
        if self.limit is not None:
            how = f"not done after {self.limit:.0f} s, ended"
        elif self.code < 0:
            how = f"killed by {signal.Signals(-self.code).name}"
        else:
            how = f"exit {self.code}"
        return f"{how}: {self.words or 'it said nothing'}"


def run_on(
    core: int | None, command: Sequence[str], env: Mapping[str, str], timeout: float
) -> Taken:
    """Run a command with all its children, on one CPU unless `core` is None, and wait for it.

    Raises:
        OSError: it could not be started.
    """
    before = _children()
    began = time.perf_counter()
    pinned = [] if core is None else [shutil.which("taskset") or "taskset", "-c", str(core)]
    # A run that is killed can't end its tools: they end with it.
    bound = [setpriv, "--pdeathsig", "KILL"] if (setpriv := shutil.which("setpriv")) else []
    late = False
    with tempfile.TemporaryFile() as output:
        with (
            _started([*bound, *pinned, *command], env, output) as process,
            _peak(process.pid) as peak,
        ):
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                late = True
        wall = time.perf_counter() - began
        words = last_words(_end_of(output))
    return Taken(
        wall=wall,
        cpu=_children() - before,
        peak=peak[0],
        code=process.returncode,
        words=words,
        limit=timeout if late else None,
    )


@contextlib.contextmanager
def _started(
    command: Sequence[str], env: Mapping[str, str], output: BinaryIO
) -> Iterator[subprocess.Popen[bytes]]:
    """Start it in a session of its own; afterwards whatever is left of it is ended."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # Its tree holds children in sessions of their own; its group, those whose parent is gone.
        tree = _tree(process.pid) if process.poll() is None else []
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def _peak(pid: int) -> Iterator[list[int]]:
    """Watch the memory of a tree; the one number in the list is its peak so far."""
    peak, done = [0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(pid, peak, done), daemon=True)
    try:
        # A signal that ends the run may come while it starts: nobody joins it, or waits for it.
        watcher.start()
        yield peak
    finally:
        done.set()


def _end_of(output: BinaryIO) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _TAIL))
    return output.read().decode(errors="replace")


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _watch(pid: int, peak: list[int], done: threading.Event) -> None:
    while not done.wait(_EVERY):
        peak[0] = max(peak[0], sum(_resident(one) for one in _tree(pid)))


def _tree(pid: int) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += _started_by(one)
    return found


def _started_by(pid: int) -> list[int]:
    """The processes that the threads of one have started; those of one that is gone are none."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found


def _resident(pid: int) -> int:
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    except (OSError, IndexError):
        return 0
