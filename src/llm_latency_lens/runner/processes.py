"""The parent's side of measuring processes: start them, steer them, receive what they ship.

Workers are fresh interpreters (never forks, and no `__main__` of the caller is run again), in a
session of their own so that Ctrl-C reaches the parent alone.
"""

import asyncio
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence

from llm_latency_lens.errors import MachineError
from llm_latency_lens.runner.messages import Frames, ToParent, ToWorker, decode_to_parent, frame

_PACKAGE_PARENT = str(pathlib.Path(__file__).resolve().parents[2])
_READ = 1 << 20


class WorkerProcess:
    """One worker: `send` messages to it; `on_message` gets its answers, `on_lost` its early end.

    Variables whose value holds one of `secrets` are kept out of its environment: its order has the key.
    """

    def __init__(
        self,
        number: int,
        on_message: Callable[[int, ToParent], None],
        on_lost: Callable[[int], None],
        secrets: Sequence[str] = (),
    ) -> None:
        self.number = number
        self._on_message = on_message
        self._on_lost = on_lost
        self._frames = Frames()
        self._loop = asyncio.get_running_loop()
        self._sock, theirs = socket.socketpair()
        self._sock.setblocking(False)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "llm_latency_lens.runner.worker", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=_environment(secrets),
                start_new_session=True,
            )
        except OSError as error:
            self._sock.close()
            raise MachineError(f"can't start a measuring process: {error}") from None
        finally:
            theirs.close()
        self._loop.add_reader(self._sock, self._on_readable)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the worker can still be talked to."""
        return self._sock.fileno() >= 0

    async def send(self, message: ToWorker) -> None:
        """Deliver `message`; a worker that is gone is reported through `on_lost`, not here."""
        if not self.alive:
            return
        try:
            await self._loop.sock_sendall(self._sock, frame(message))
        except OSError:
            return

    def close(self) -> int:
        """Let the worker end (it does when we close our end) and return its exit status."""
        self._detach()
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _detach(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def _on_readable(self) -> None:
        try:
            data = self._sock.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._detach()
            self._on_lost(self.number)
            return
        for body in self._frames.feed(data):
            self._on_message(self.number, decode_to_parent(body))


def _environment(secrets: Sequence[str]) -> dict[str, str]:
    """Ours without any secret, and with the package importable even where it is not installed."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not any(secret in value for secret in secrets)
    }
    paths = [_PACKAGE_PARENT, *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment
