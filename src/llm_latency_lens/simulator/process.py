"""The simulator as a child process, for demos, tests and benchmarks."""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import Self

import msgspec
from msgspec import Struct

from llm_latency_lens.errors import MachineError
from llm_latency_lens.simulator.ledger import Ledger, read_ledger
from llm_latency_lens.simulator.spec import SimulatorSpec


class Launch(Struct, frozen=True):
    """What the child reads first: the spec, and the CPU to stay on."""

    spec: SimulatorSpec
    core: int | None = None


class SimulatorProcess:
    """A running simulator; use it in a `with` block. Its ledger is a temporary file unless the spec names one.

    `stop()` ends it and gives the ledger back.
    """

    def __init__(self, spec: SimulatorSpec | None = None, core: int | None = None) -> None:
        spec = spec or SimulatorSpec()
        self._folder = tempfile.TemporaryDirectory(prefix="lll-simulator-")
        path = spec.ledger or f"{self._folder.name}/ledger.jsonl"
        self.spec = msgspec.structs.replace(spec, ledger=path)
        self.ledger_path = path
        self.address = ""
        self._complaints = pathlib.Path(self._folder.name) / "stderr.txt"
        self._core = core
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """The base URL of its OpenAI API."""
        return f"{self.address}/v1"

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self.address.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """The process's id while it runs."""
        if self._process is None:
            raise MachineError("the simulator is not running; use it in a with block")
        return self._process.pid

    def __enter__(self) -> Self:
        with self._complaints.open("wb") as complaints:
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "llm_latency_lens.simulator"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,
            )
        if process.stdin is None or process.stdout is None:
            raise MachineError("the simulator's pipes are missing")
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(msgspec.json.encode(Launch(self.spec, self._core)) + b"\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            self._end()
            words = self._last_words()
            self._folder.cleanup()
            raise MachineError(f"the simulator could not start: {words}")
        self.address = json.loads(line)["listening"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._folder.cleanup()

    def stop(self) -> Ledger:
        """End the process and read its ledger.

        Raises:
            MachineError: it had ended by itself, or would not end.
            StoreError: its ledger can't be read.
        """
        code = self._end()
        if code:
            raise MachineError(
                f"the simulator ended with code {code}: {self._last_words()}; its ledger is not whole"
            )
        return read_ledger(self.ledger_path)

    def _end(self) -> int:
        """Close its standard input, at whose end it ends; returns the exit code, 0 where it was stopped before."""
        process, self._process = self._process, None
        if process is None:
            return 0
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            return process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _last_words(self) -> str:
        lines = self._complaints.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
