"""llama.cpp's own HTTP server over the tiny model, as a child process: `python -m tests.support.llama_server`.

Prints one line with its address once it listens, and ends when its standard input is closed.
"""

import contextlib
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def llama_server(slots: int = 4) -> Iterator[str]:
    """Serve the tiny model; yields the base URL of its OpenAI API (`http://127.0.0.1:PORT/v1`)."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.llama_server", str(slots)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=pathlib.Path(__file__).resolve().parents[2],
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            address = next((line for line in process.stdout if line.startswith("LISTENING ")), "")
            if not address:
                raise RuntimeError("llama.cpp's server did not come up")
            yield address.split()[1].rstrip("/") + "/v1"
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def main(slots: int) -> None:
    """Make the model, serve it, wait for the end of standard input."""
    import xllamacpp  # noqa: PLC0415 - in the child process only
    from tests.support.tiny_model import write_model  # noqa: PLC0415 - in the child process only

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "tiny.gguf")
        write_model(path)
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = 8192
        params.n_parallel = slots
        params.port = 0
        params.cpuparams.n_threads = 1
        params.warmup = False
        server = xllamacpp.Server(params)
        print(f"LISTENING {server.listening_address}", flush=True)  # noqa: T201 - read by the parent
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))
