"""A small CONNECT proxy on loopback, in a thread; with or without TLS of its own."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator


class Proxy:
    """`tunnels` lists what clients asked to be connected to."""

    def __init__(self, tls: ssl.SSLContext | None, status: bytes) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self._status = status
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.port: int = self._listener.getsockname()[1]
        self.tunnels: list[str] = []
        self._threads[0].start()

    def close(self) -> None:
        """Let everything go."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: threading.Thread) -> None:
        self._threads.append(work)
        work.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._start(threading.Thread(target=self._serve, args=(sock,), daemon=True))

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self._sockets.append(sock)
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(4096)
            where = head.split()[1].decode()
            self.tunnels.append(where)
            sock.sendall(b"HTTP/1.1 " + self._status + b"\r\n\r\n")
            if not self._status.startswith(b"200"):
                sock.close()
                return
            host, _, port = where.rpartition(":")
            other = socket.create_connection((host, int(port)))
            self._sockets.append(other)
            self._start(threading.Thread(target=_pump, args=(other, sock), daemon=True))
            _pump(sock, other)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxy(tls: ssl.SSLContext | None = None, status: bytes = b"200 Connected") -> Iterator[Proxy]:
    """Run a proxy for the length of a `with` block."""
    server = Proxy(tls, status)
    try:
        yield server
    finally:
        server.close()
