"""What a command with all its children takes: wall time, CPU, peak memory, on one CPU."""

import os
import pathlib
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence

from msgspec import Struct

_EVERY = 0.02


class Taken(Struct, frozen=True, kw_only=True):
    """Seconds of wall and of CPU, bytes at the peak (sum over the tree), exit code, last words."""

    wall: float
    cpu: float
    peak: int
    code: int
    words: str


def run_on(core: int, command: Sequence[str], env: Mapping[str, str], timeout: float) -> Taken:
    """Run a command on one CPU with all its children, and wait for it."""
    before = _children()
    began = time.perf_counter()
    process = subprocess.Popen(
        [shutil.which("taskset") or "taskset", "-c", str(core), *command],
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    peak, done = [0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, done))
    watcher.start()
    try:
        words, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        words, _ = process.communicate()
        words += f"\nnot done after {timeout:.0f} s"
    finally:
        done.set()
        watcher.join()
    wall = time.perf_counter() - began
    lines = [line for line in words.strip().splitlines() if line.strip()]
    return Taken(
        wall=wall,
        cpu=_children() - before,
        peak=peak[0],
        code=process.returncode,
        words=lines[-1][:200] if lines else "",
    )


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
        for task in pathlib.Path(f"/proc/{one}/task").glob("*/children"):
            try:
                waiting += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def _resident(pid: int) -> int:
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    except (OSError, IndexError):
        return 0
