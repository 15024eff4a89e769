"""Names to addresses: looked up once for all connections that are being made, kept for half a minute."""

import asyncio
import ipaddress
import socket
import time
from typing import Any

from msgspec import Struct

_KEEP_NS = 30_000_000_000


class Address(Struct, frozen=True):
    """An address family and the socket address that `connect` takes."""

    family: int
    sockaddr: tuple[Any, ...]


class Resolver:
    """The system's resolver with a short memory; simultaneous questions share one lookup.

    With `rotate_from` each connection leads with another of a name's addresses, beginning with that one.
    """

    def __init__(self, rotate_from: int | None = None) -> None:
        self._turn = rotate_from
        self._known: dict[tuple[str, int], tuple[int, list[Address]]] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[list[Address]]] = {}

    @staticmethod
    def literal(host: str, port: int) -> Address | None:
        """The address where `host` is one already."""
        try:
            version = ipaddress.ip_address(host).version
        except ValueError:
            return None
        if version == 4:
            return Address(socket.AF_INET, (host, port))
        return Address(socket.AF_INET6, (host, port, 0, 0))

    def cached(self, host: str, port: int) -> list[Address] | None:
        """What was found in the last half minute."""
        found = self._known.get((host, port))
        if found is None or time.monotonic_ns() - found[0] > _KEEP_NS:
            return None
        return self._rotated(found[1])

    def remember(self, host: str, port: int, addresses: list[Address]) -> None:
        """Take `addresses` as the answer for the next half minute, as if the system had given it."""
        self._known[host, port] = (time.monotonic_ns(), addresses)

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Ask the system; families alternate, the system's first choice leads. Raises OSError."""
        key = (host, port)
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(_look_up(host, port))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        addresses = await asyncio.shield(task)
        self.remember(host, port, addresses)
        return self._rotated(addresses)

    @property
    def rotates(self) -> bool:
        """Whether connections are spread over a name's addresses."""
        return self._turn is not None

    def _rotated(self, addresses: list[Address]) -> list[Address]:
        if self._turn is None or len(addresses) < 2:
            return addresses
        first = self._turn % len(addresses)
        self._turn += 1
        return addresses[first:] + addresses[:first]


async def _look_up(host: str, port: int) -> list[Address]:
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(Address(info[0], info[4]) for info in infos))
    first = [a for a in addresses if a.family == addresses[0].family]
    other = [a for a in addresses if a.family != addresses[0].family]
    mixed = []
    for index in range(max(len(first), len(other))):
        mixed += first[index : index + 1] + other[index : index + 1]
    return mixed
