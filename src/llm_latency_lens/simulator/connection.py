"""One client connection: requests in, with the instant of their arrival; bytes out, at once."""

import asyncio
import socket
from collections.abc import Callable

import httptools

from llm_latency_lens.simulator.stamp import ANCILLARY, WallMap, now

_LARGEST_BODY = 16 * 1024 * 1024


class Connection:
    """A non-blocking socket in the loop. `on_request(connection)` is called for each whole request."""

    def __init__(
        self,
        sock: socket.socket,
        number: int,
        wall: WallMap,
        on_request: Callable[["Connection"], None],
        on_close: Callable[["Connection"], None],
    ) -> None:
        self.number = number
        self.method = ""
        self.path = ""
        self.body = bytearray()
        self.received = 0
        self.received_by = "user"
        self.read = 0
        self.open = True
        self._sock = sock
        self._wall = wall
        self._on_request = on_request
        self._on_close = on_close
        self._backlog = bytearray()
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._loop.add_reader(sock, self._on_readable)

    def write(self, data: bytes) -> bool | None:
        """Send now: True where it left, False where the buffer was full and it waits, None where closed."""
        if not self.open:
            return None
        if self._backlog:
            self._backlog += data
            return False
        try:
            count = self._sock.send(data)
        except BlockingIOError:
            count = 0
        except OSError:
            self.close()
            return None
        if count == len(data):
            return True
        self._backlog += memoryview(data)[count:]
        self._loop.add_writer(self._sock, self._on_writable)
        return False

    def close(self) -> None:
        """Close the socket; the server is told once."""
        if self.open:
            self.open = False
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()
            self._on_close(self)

    def on_message_begin(self) -> None:
        """Httptools: a request begins."""
        self.body.clear()
        self.path = ""

    def on_url(self, url: bytes) -> None:
        """Httptools: a piece of the request's target."""
        self.path += url.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        """Httptools: a piece of the body."""
        self.body += data

    def on_message_complete(self) -> None:
        """Httptools: the request is whole."""
        self.method = self._parser.get_method().decode("ascii")
        self._on_request(self)

    def _on_readable(self) -> None:
        try:
            data, ancillary, _, _ = self._sock.recvmsg(65536, ANCILLARY)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        if not data or len(self.body) > _LARGEST_BODY:
            self.close()
            return
        self.read = now()
        self.received, self.received_by = self._wall.arrival(ancillary, self.read)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def _on_writable(self) -> None:
        try:
            count = self._sock.send(self._backlog)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        del self._backlog[:count]
        if not self._backlog:
            self._loop.remove_writer(self._sock)
