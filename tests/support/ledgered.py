"""The ledgered server as a child process, plain or behind TLS, and its ledger as values.

The oracle of the accuracy bars: it imports nothing of the product.
"""

import contextlib
import functools
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence

import msgspec
import trustme

HERE = pathlib.Path(__file__).parent


class Entry(msgspec.Struct, frozen=True):
    """One request in the ledger; instants in monotonic ns.

    Attributes:
        id: the response's id, as the client sees it.
        received: the kernel's stamp of the request's arrival.
        writes: for each write of tokens, the instants before and after it and the number of tokens.
        role: the instants around a role chunk of its own; zeros where there was none.
        lost: whether the client did not take the whole answer.
        due: when the first token was to be written.
    """

    id: str
    received: int
    writes: tuple[tuple[int, int, int], ...]
    role: tuple[int, int] = (0, 0)
    lost: bool = False
    due: int = 0


class Ledgered:
    """A running server; `stop` gives its ledger in the order in which the requests came."""

    def __init__(
        self, port: int, folder: pathlib.Path, processes: "list[subprocess.Popen[str]]"
    ) -> None:
        self.port = port
        self.certificate = folder / "ca.pem"
        self._ledger = folder / ("tls.jsonl" if len(processes) > 1 else "ledger.jsonl")
        self._processes = processes

    def stop(self) -> list[Entry]:
        """Stop it and read what it wrote down."""
        for process in reversed(self._processes):
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(timeout=20) == 0
        lines = self._ledger.read_bytes().splitlines()
        return [msgspec.json.decode(line, type=Entry) for line in lines]


@contextlib.contextmanager
def ledgered(*options: str, tls: bool = False, cpu: int | None = None) -> Iterator[Ledgered]:
    """Run the server with `options` (see the C file), on processor `cpu` where given."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        pin = [] if cpu is None else ["--cpu", str(cpu)]
        ledger = ["--ledger", str(folder / "ledger.jsonl")]
        processes: list[subprocess.Popen[str]] = []
        try:
            processes.append(_start([f"{_compiled().name}/server", *options, *pin, *ledger]))
            port = _port(processes[0])
            if tls:
                terminator = _terminator(folder, port, cpu)
                processes.append(_start(terminator))
                port = _port(processes[1])
            yield Ledgered(port, folder, processes)
        finally:
            for process in processes:
                with process:
                    process.kill()


@functools.cache
def _compiled() -> "tempfile.TemporaryDirectory[str]":
    """The folder of the compiled server; it goes when this process ends."""
    compiler = shutil.which("cc")
    assert compiler is not None, "the ledgered server needs a C compiler (cc)"
    folder = tempfile.TemporaryDirectory(prefix="ledgered-")
    source = str(HERE / "ledgered_server.c")
    subprocess.run([compiler, "-O2", "-o", f"{folder.name}/server", source], check=True)
    return folder


def _terminator(folder: pathlib.Path, port: int, cpu: int | None) -> list[str]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    identity = folder / "identity.pem"
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        identity
    )
    pin = [] if cpu is None else [str(cpu)]
    script = str(HERE / "ledgered_tls.py")
    return [sys.executable, script, str(identity), str(port), str(folder / "tls.jsonl"), *pin]


def _start(command: Sequence[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, text=True
    )


def _port(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("LISTENING "), "the ledgered server did not come up"
    return int(line.split()[1])
