"""A socket while its connection is being made: the handshakes of proxies and of TLS go through it."""

import asyncio
import socket

from llm_latency_lens.transport.packet_flow import PacketFlow
from llm_latency_lens.transport.tls import TlsLayer


class Link:
    """A connected socket, the TLS layers around its bytes, and its packets where they are watched.

    Attributes:
        layers: outermost first.
        received: bytes read from the socket so far, below TLS.
    """

    __slots__ = ("_loop", "flow", "layers", "received", "sock")

    def __init__(self, sock: socket.socket, flow: PacketFlow | None) -> None:
        self.sock = sock
        self.flow = flow
        self.received = 0
        self.layers: list[TlsLayer] = []
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        """Send all of `data` through the layers."""
        for layer in reversed(self.layers):
            data = layer.encrypt(data)
        await self._loop.sock_sendall(self.sock, data)

    async def receive(self) -> bytes:
        """The next plaintext; b"" where the peer closed."""
        while data := await self._loop.sock_recv(self.sock, 65536):
            self.received += len(data)
            for layer in self.layers:
                data = layer.decrypt(data)
            if data:
                return data
        return b""

    async def start_tls(self, layer: TlsLayer) -> None:
        """Shake hands inside the layers that are there, then add this one."""
        done = layer.handshake()
        while True:
            if outgoing := layer.outgoing():
                await self.send(outgoing)
            if done:
                break
            layer.feed(await self.receive())
            done = layer.handshake()
        self.layers.append(layer)
