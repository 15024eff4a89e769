"""The LiteLLM proxy in an environment of its own: another maker's idea of four wire formats, over a real server.

It is large (some 600 MB), so it is installed for the nightly tests only, in `.venv-litellm`.
"""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

from tests.support.command import eventually

VERSION = "1.106.2"
KEY = "sk-litellm-0123456789"
_ROOT = pathlib.Path(__file__).resolve().parents[2]
_VENV = pathlib.Path(os.environ.get("LLL_LITELLM_VENV", _ROOT / ".venv-litellm"))


def install() -> pathlib.Path:
    """The proxy's command; installed first where it is not there yet."""
    command = _VENV / "bin" / "litellm"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(_VENV)], check=True)
        pip = [str(_VENV / "bin" / "python"), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, f"litellm[proxy]=={VERSION}"], check=True)
    return command


@contextlib.contextmanager
def litellm_proxy(upstream: str, folder: pathlib.Path) -> Iterator[str]:
    """Serve `tiny` over the OpenAI-compatible `upstream`; yields the proxy's address."""
    config = folder / "litellm.yaml"
    config.write_text(
        "model_list:\n  - model_name: tiny\n    litellm_params:\n"
        f"      model: openai/tiny\n      api_base: {upstream}\n      api_key: none\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "LITELLM_MASTER_KEY": KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    words = [str(install()), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "litellm.log").open("wb") as log:
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=log, cwd=folder)
    address = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _alive(address), seconds=120)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _alive(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health/liveliness", timeout=2) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
