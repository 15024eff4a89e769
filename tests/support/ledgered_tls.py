"""A TLS terminator that writes down when every byte came and went.

`python ledgered_tls.py CERTIFICATE PORT LEDGER [CPU]` stands before the ledgered server on PORT,
and keeps a ledger of the same form: what a client can see is what leaves here. One thread; each
piece of the answer goes on as one TLS record. It imports nothing of the product. Prints "LISTENING <port>";
the ledger is written when standard input is closed.
"""

import json
import os
import pathlib
import re
import select
import socket
import ssl
import sys
import time

SO_TIMESTAMPING = 37
NUMBER = re.compile(rb'"id":"led-(\d+)"')
TOKEN = b'"content":"word '
WORD = b"word "

Entry = dict[str, object]


def offset() -> int:
    """Monotonic minus real time, by the tightest of some brackets."""
    best = (1 << 62, 0)
    for _ in range(50):
        before = time.monotonic_ns()
        real = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = time.monotonic_ns()
        best = min(best, (after - before, (before + after) // 2 - real))
    return best[1]


class Link:
    """One client's connection and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, context: ssl.SSLContext, port: int) -> None:
        self.client = client
        self.client.setblocking(False)
        self.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, 0x18)
        self.server = socket.create_connection(("127.0.0.1", port))
        self.server.setblocking(False)
        self.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.shaken = False
        self.received = 0
        self.entry: Entry | None = None


class Terminator:
    """The links, and the ledger of all of them."""

    def __init__(self, certificate: str, port: int) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.port = port
        self.ledger: list[Entry] = []
        self.links: dict[int, Link] = {}
        self.poll = select.epoll()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setblocking(False)
        self.offset = offset()
        self.mapped = time.monotonic_ns()

    def run(self) -> None:
        """Serve until standard input is closed."""
        self.poll.register(self.listener, select.EPOLLIN)
        self.poll.register(0, select.EPOLLIN | select.EPOLLHUP)
        port = self.listener.getsockname()[1]
        print(f"LISTENING {port}", flush=True)  # noqa: T201 - read by the parent
        while True:
            ready = self.poll.poll()
            if time.monotonic_ns() - self.mapped > 250_000_000:
                self.offset, self.mapped = offset(), time.monotonic_ns()
            for fd, _ in ready:
                if fd == 0:
                    return
                if fd == self.listener.fileno():
                    self.accept()
                elif fd in self.links:
                    self.serve(self.links[fd], fd)

    def accept(self) -> None:
        """Take a client and connect it to the server."""
        link = Link(self.listener.accept()[0], self.context, self.port)
        for sock in (link.client, link.server):
            self.links[sock.fileno()] = link
            self.poll.register(sock, select.EPOLLIN)

    def serve(self, link: Link, fd: int) -> None:
        """One end of the link can be read."""
        try:
            alive = self.upwards(link) if fd == link.client.fileno() else self.downwards(link)
        except (ConnectionError, ssl.SSLError):
            alive = False
        if not alive:
            for sock in (link.client, link.server):
                del self.links[sock.fileno()]
                self.poll.unregister(sock)
                sock.close()

    def upwards(self, link: Link) -> bool:
        """From the client: a handshake or a request, stamped by the kernel."""
        data, ancillary, _, _ = link.client.recvmsg(65536, 80)
        user = time.monotonic_ns()
        if not data:
            return False
        link.incoming.write(data)
        try:
            if not link.shaken:
                link.tls.do_handshake()
                link.shaken = True
            request = link.tls.read(65536)
        except ssl.SSLWantReadError:
            request = b""
        if link.outgoing.pending:
            link.client.sendall(link.outgoing.read())
        if request:
            link.received = self.stamp(ancillary, user)
            link.server.sendall(request)
        return True

    def stamp(self, ancillary: list[tuple[int, int, bytes]], user: int) -> int:
        """The kernel's stamp as monotonic ns, else the user's."""
        for _, kind, data in ancillary:
            seconds = int.from_bytes(data[:8], sys.byteorder)
            if kind == SO_TIMESTAMPING and seconds:
                return seconds * 10**9 + int.from_bytes(data[8:16], sys.byteorder) + self.offset
        return user

    def downwards(self, link: Link) -> bool:
        """From the server: a piece of an answer, passed on with stamps around the write."""
        data = link.server.recv(65536)
        if not data:
            return False
        link.tls.write(data)
        record = link.outgoing.read()
        before = time.monotonic_ns()
        sent = link.client.send(record)
        self.note(link, data, [before, time.monotonic_ns()])
        return sent == len(record)

    def note(self, link: Link, data: bytes, stamps: list[int]) -> None:
        """Write down what the piece held."""
        if data.startswith(b"HTTP/1.1 "):
            number = NUMBER.search(data)
            link.entry = {
                "id": f"led-{int(number[1]) if number else -1}",
                "received": link.received,
                "lost": True,
                "role": [0, 0],
                "writes": [],
            }
            self.ledger.append(link.entry)
        if link.entry is None:
            return
        if TOKEN in data:
            writes = link.entry["writes"]
            assert isinstance(writes, list)
            writes.append([*stamps, data.count(WORD)])
        elif b'"role":' in data:
            link.entry["role"] = stamps
        if b"[DONE]" in data:
            link.entry["lost"] = False


def main(certificate: str, port: str, ledger: str, cpu: str | None = None) -> None:
    """Serve, then write the ledger."""
    if cpu is not None:
        os.sched_setaffinity(0, {int(cpu)})
    terminator = Terminator(certificate, int(port))
    terminator.run()
    lines = [json.dumps(entry) + "\n" for entry in terminator.ledger]
    pathlib.Path(ledger).write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
