"""One client connection: requests in, with the instant of their arrival; bytes out, at once.

What the socket does not take at once waits here in order, and whoever wrote it can ask when it left.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable

import httptools
from msgspec import Struct

from llm_latency_lens.simulator.framing import json_response
from llm_latency_lens.simulator.stamp import ANCILLARY, WallMap, now

_LARGEST_BODY = 16 * 1024 * 1024


class Arrived(Struct, frozen=True, kw_only=True):
    """A whole request; header names in lower case. `received` is when its last byte arrived (by `received_by`), `read` when it was taken.

    `too_large`: the body was above 16 MiB and has been dropped.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    received: int
    received_by: str
    read: int
    keep_alive: bool
    too_large: bool


class Handlers(Struct, frozen=True):
    """Who is told: `request` of each whole request, `closed` once, with how the connection ended.

    The ending is client_closed, server_stopped, or pipelined (a request before the last one's answer
    was whole, which this server does not serve).
    """

    request: Callable[["Connection", Arrived], None]
    closed: Callable[["Connection", str], None]


class _Incoming:
    """The request that httptools is reading; its methods are httptools' callbacks."""

    def __init__(self, send_continue: Callable[[], None]) -> None:
        self.whole = 0
        self._send_continue = send_continue
        self._expects = False
        self.on_message_begin()

    def on_message_begin(self) -> None:
        self.path = b""
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.too_large = False
        self._expects = False

    def on_url(self, url: bytes) -> None:
        self.path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        if name.lower() == b"expect" and value.lower() == b"100-continue":
            self._expects = True

    def on_headers_complete(self) -> None:
        if self._expects:
            self._send_continue()

    def on_body(self, data: bytes) -> None:
        if self.too_large or len(self.body) + len(data) > _LARGEST_BODY:
            self.too_large = True
            self.body.clear()
        else:
            self.body += data

    def on_message_complete(self) -> None:
        self.whole += 1


class Connection:
    """A non-blocking socket in the running loop, closed by `close` or by the client."""

    def __init__(self, sock: socket.socket, number: int, wall: WallMap, handlers: Handlers) -> None:
        self.number = number
        self.open = True
        self._sock = sock
        self._wall = wall
        self._handlers = handlers
        self._busy = False
        self._keep_alive = True
        self._ending = False
        self._backlog = bytearray()
        self._handed = 0  # bytes ever put into the backlog
        self._waiting: deque[tuple[int, Callable[[int], None]]] = deque()
        self._loop = asyncio.get_running_loop()
        self._incoming = _Incoming(self._send_continue)
        self._parser = httptools.HttpRequestParser(self._incoming)
        self._loop.add_reader(sock, self._on_readable)

    def write(self, data: bytes) -> bool | None:
        """Send now: True where it left, False where the buffer was full and it waits, None where closed."""
        if not self.open:
            return None
        count = 0
        if not self._backlog:
            try:
                count = self._sock.send(data)
            except BlockingIOError:
                pass
            except OSError:
                self.close("client_closed")
                return None
            if count == len(data):
                return True
            self._loop.add_writer(self._sock, self._on_writable)
        self._backlog += memoryview(data)[count:]
        self._handed += len(data) - count
        return False

    def after_backlog(self, told: Callable[[int], None]) -> None:
        """Tell `told` the instant of the send that takes the last byte now waiting."""
        self._waiting.append((self._handed, told))

    def answered(self) -> None:
        """The answer is whole: be ready for the next request, or end as the client wished."""
        self._busy = False
        if not self._keep_alive:
            self._end_output()

    def close(self, how: str) -> None:
        """Close the socket; the server is told once how it ended."""
        if self.open:
            self.open = False
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()
            self._waiting.clear()
            self._handlers.closed(self, how)

    def reset(self) -> None:
        """Close with a reset."""
        if self.open:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close("reset")

    def _on_readable(self) -> None:
        try:
            data, ancillary, _, _ = self._sock.recvmsg(65536, ANCILLARY)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        if not data:
            self.close("client_closed")
            return
        if self._ending:
            return
        read = now()
        arrival = self._wall.arrival(ancillary, read)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # We offer no other protocol; the request is answered, but the parser takes no further one.
            self._keep_alive = False
        except httptools.HttpParserError as error:
            self._refuse(f"not HTTP/1.1: {error}")
            return
        if self._incoming.whole:
            self._take(read, arrival)

    def _take(self, read: int, arrival: tuple[int, str]) -> None:
        incoming = self._incoming
        if self._busy or incoming.whole > 1:
            self.close("pipelined")
            return
        incoming.whole = 0
        self._busy = True
        self._keep_alive = self._keep_alive and self._parser.should_keep_alive()
        arrived = Arrived(
            method=self._parser.get_method().decode("ascii"),
            path=incoming.path.decode("latin-1"),
            headers=incoming.headers,
            body=bytes(incoming.body),
            received=arrival[0],
            received_by=arrival[1],
            read=read,
            keep_alive=self._keep_alive,
            too_large=incoming.too_large,
        )
        self._handlers.request(self, arrived)

    def _refuse(self, words: str) -> None:
        if self._busy:
            self.close("pipelined")
            return
        self._keep_alive = False
        self.write(json_response(400, {"error": {"message": words}}, keep_alive=False))
        self.answered()

    def _send_continue(self) -> None:
        self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _end_output(self) -> None:
        # Closing while the client still sends would reset the connection and could destroy the answer.
        self._ending = True
        if self.open and not self._backlog:
            try:
                self._sock.shutdown(socket.SHUT_WR)
            except OSError:
                self.close("client_closed")

    def _on_writable(self) -> None:
        at = now()
        try:
            count = self._sock.send(self._backlog)
        except BlockingIOError:
            return
        except OSError:
            self.close("client_closed")
            return
        del self._backlog[:count]
        if not self._backlog:
            self._loop.remove_writer(self._sock)
        left = self._handed - len(self._backlog)
        while self._waiting and self._waiting[0][0] <= left:
            self._waiting.popleft()[1](at)
        if self._ending and not self._backlog:
            self._end_output()
