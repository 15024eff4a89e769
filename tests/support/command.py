"""The command line as people run it: a process of its own, its exit code and what it printed."""

import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from msgspec import Struct

ENVIRONMENT = {
    key: value for key, value in os.environ.items() if not key.startswith(("LLL_", "OPENAI_"))
} | {"LLL_CALIBRATE": "never"}


class Outcome(Struct, frozen=True):
    """What a command did."""

    code: int
    out: str
    err: str


def lll(
    *arguments: str, cwd: pathlib.Path, env: dict[str, str] | None = None, timeout: float = 60
) -> Outcome:
    """Run `llm-latency-lens ARGUMENTS` in `cwd`."""
    with start(*arguments, cwd=cwd, env=env) as process:
        out, err = process.communicate(timeout=timeout)
    return Outcome(process.returncode, out, err)


def start(
    *arguments: str, cwd: pathlib.Path, env: dict[str, str] | None = None
) -> "subprocess.Popen[str]":
    """Start it and go on."""
    return subprocess.Popen(
        [sys.executable, "-m", "llm_latency_lens", *arguments],
        cwd=cwd,
        env={**ENVIRONMENT, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return as soon as `condition` holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s")
        pause.wait(0.01)
