"""The simulator as a child process, for demos, tests and benchmarks."""

import json
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
        self._core = core
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """The base URL of its OpenAI API."""
        return f"{self.address}/v1"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "llm_latency_lens.simulator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise MachineError("the simulator's pipes are missing")
        stdin.write(msgspec.json.encode(Launch(self.spec, self._core)) + b"\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            self.__exit__(None, None, None)
            where = f"{self.spec.host}:{self.spec.port}"
            raise MachineError(f"the simulator could not start on {where}; is the port taken?")
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
        """End the process and read its ledger."""
        self._end()
        return read_ledger(self.ledger_path)

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        self._process = None
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
