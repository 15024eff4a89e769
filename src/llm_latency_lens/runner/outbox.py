"""What a worker ships, on its way to the parent. It never waits, and its memory does not grow.

What the parent does not take at once goes to an anonymous file (a spool) and from there to the parent,
in order: a parent that is slower than the measurement costs pages of the disk cache, not of the worker.
"""

import asyncio
import os
import pathlib
import socket
import tempfile

from llm_latency_lens.model.recording import Attempt
from llm_latency_lens.runner.messages import Batch, ToParent, frame

_BATCH = 16
_FLUSH_S = 0.05
_PIECE = 1 << 18


class Outbox:
    """Messages for the other end of `sock`, a non-blocking socket of the loop."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._sock = sock
        self._loop = loop
        self._attempts: list[Attempt] = []
        self._flush_handle: asyncio.TimerHandle | None = None
        self._spool = Spool()

    def attempt(self, attempt: Attempt) -> None:
        """Ship `attempt` with the next batch."""
        self._attempts.append(attempt)
        if len(self._attempts) >= _BATCH:
            self.flush()
        elif self._flush_handle is None:
            self._flush_handle = self._loop.call_later(_FLUSH_S, self.flush)

    def flush(self) -> None:
        """Ship what has been collected."""
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        if self._attempts:
            batch, self._attempts = Batch(self._attempts), []
            self.send(batch)

    def send(self, message: ToParent) -> None:
        """Ship one message now, or as soon as the parent takes it."""
        data = memoryview(frame(message))
        if not len(self._spool):
            data = data[self._push(data) :]
            if data:
                self._loop.add_writer(self._sock, self._on_writable)
        if data:
            self._spool.append(data)

    def close(self) -> None:
        """Let the spool go."""
        self._spool.close()

    def _on_writable(self) -> None:
        self._spool.drop(self._push(memoryview(self._spool.peek(_PIECE))))
        if not len(self._spool):
            self._loop.remove_writer(self._sock)

    def _push(self, data: memoryview) -> int:
        """Send as much as goes; returns how much went."""
        sent = 0
        try:
            while sent < len(data):
                sent += self._sock.send(data[sent:])
        except BlockingIOError:
            pass
        return sent


class Spool:
    """Bytes in a file without a name, first in, first out; it starts anew when it has run empty."""

    def __init__(self) -> None:
        self._fd, path = tempfile.mkstemp(prefix="lll-spool-")
        pathlib.Path(path).unlink()
        self._begin = 0
        self._end = 0

    def __len__(self) -> int:
        return self._end - self._begin

    def append(self, data: memoryview) -> None:
        """Put `data` at the end."""
        while data:
            count = os.pwrite(self._fd, data, self._end)
            self._end += count
            data = data[count:]

    def peek(self, most: int) -> bytes:
        """The first bytes, up to `most`."""
        return os.pread(self._fd, min(most, len(self)), self._begin)

    def drop(self, count: int) -> None:
        """Forget the first `count` bytes."""
        self._begin += count
        if self._begin == self._end:
            self._begin = self._end = 0
            os.ftruncate(self._fd, 0)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._fd)
