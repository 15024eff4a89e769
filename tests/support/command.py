"""The command line as people run it: a process of its own, its exit code and what it printed."""

import json
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


_IN_TURN = """
import contextlib, io, json, sys
from llm_latency_lens.cli.main import run
def stream():
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
for words in json.load(sys.stdin):
    with contextlib.redirect_stdout(stream()) as out, contextlib.redirect_stderr(stream()) as err:
        code = run(words)
    said = {"out": out.buffer.getvalue().decode(), "err": err.buffer.getvalue().decode()}
    print(json.dumps({"code": code, **said}))
"""


def in_turn(
    *commands: list[str], cwd: pathlib.Path, env: dict[str, str] | None = None, timeout: float = 60
) -> list[Outcome]:
    """Run several commands one after another in one process, which is started and imports once."""
    done = subprocess.run(
        [sys.executable, "-c", _IN_TURN],
        cwd=cwd,
        env={**ENVIRONMENT, **(env or {})},
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return [Outcome(**json.loads(line)) for line in done.stdout.splitlines()]


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
