"""What faults do to an answer: to its bytes (`making_of`), and to their way out (`FaultyOutlet`)."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from llm_latency_lens.simulator.answer import Making
from llm_latency_lens.simulator.connection import Connection
from llm_latency_lens.simulator.fault import Fault
from llm_latency_lens.simulator.framing import Chunked, CloseDelimited, Gzipped
from llm_latency_lens.simulator.stamp import now

_LINE_PIECE = 65536


def making_of(faults: Iterable[Fault]) -> Making:
    """How the answer to a request that these faults hit is made."""
    making = Making()
    for fault in faults:
        change = _CHANGES.get(fault.name)
        if change is not None:
            making = msgspec.structs.replace(making, **change(fault.value))
    return making


def _spoil_event(value: int) -> dict[str, object]:
    def spoil(index: int, data: bytes) -> bytes:
        if index != value:
            return data
        return data[:-4] + bytes((data[-4] ^ 1,)) + data[-3:]

    return {"spoil": spoil}


def _endless(value: int) -> dict[str, object]:
    def spoil(index: int, _: bytes) -> bytes:
        return b"data: " if index == 0 else b"x" * _LINE_PIECE

    return {"spoil": spoil, "tokens": value // _LINE_PIECE + 1}


class _Overstated(Chunked, frozen=True):
    """Chunks whose sizes are not theirs."""

    by: int = 1

    def piece(self, data: bytes) -> bytes:
        """A chunk that says that it is `by` bytes longer."""
        return b"%x\r\n%s\r\n" % (len(data) + self.by, data) if data else b""


_CHANGES: dict[str, Callable[[int], dict[str, object]]] = {
    "empty": lambda _: {"tokens": 0},
    "no-end": lambda _: {"strip_end": True},
    "error-in-stream": lambda value: {"tokens": value, "troubled": True},
    "ping-flood": lambda value: {"pings": value},
    "gzip": lambda _: {"framing": Gzipped},
    "giant-header": lambda value: {"fields": (f"X-Padding: {'x' * value}",)},
    "endless-line": _endless,
    "close-delimited": lambda _: {"framing": CloseDelimited},
    "trailers": lambda _: {"framing": lambda: Chunked(trailer="X-Checksum: none\r\n")},
    "informational": lambda _: {"before": b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"},
    "bad-crc": _spoil_event,
    "wrong-length": lambda value: {"framing": lambda: _Overstated(by=value)},
}


class FaultyOutlet:
    """A connection whose bytes are cut off, held back or dripped.

    What is swallowed counts as waiting for ever, so that the ledger never says that it left.
    """

    def __init__(self, connection: Connection, fault: Fault) -> None:
        self._connection = connection
        self._fault = fault
        self._left = fault.value
        self._begun = False
        self._over = False
        self._writes = 0
        self._pending = bytearray()
        self._handed = 0
        self._waiting: deque[tuple[int, Callable[[int], None]]] = deque()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._deliver = _DELIVERIES[fault.name]

    def write(self, data: bytes) -> bool | None:
        """Send as the fault will have it: see `Outlet`."""
        if not self._connection.open:
            return None
        if not self._begun:
            self._begun = True
            self._left += data.find(b"\r\n\r\n") + 4
        return self._deliver(self, data)

    def after_backlog(self, told: Callable[[int], None]) -> None:
        """Tell `told` when the last byte now waiting has left; never, where it was swallowed."""
        if self._timer is not None:
            self._waiting.append((self._handed, told))
        elif not self._over:
            self._connection.after_backlog(told)

    def close_off(self, data: bytes) -> bool | None:
        """Send what is still allowed, then close cleanly."""
        return self._until(data, lambda: self._connection.close("cut"))

    def reset_off(self, data: bytes) -> bool | None:
        """Send what is still allowed, then reset."""
        return self._until(data, self._connection.reset)

    def stall(self, data: bytes) -> bool | None:
        """Send what is still allowed, then nothing."""
        return self._until(data, lambda: None)

    def swallow(self, _: bytes) -> bool | None:
        """Send nothing."""
        self._over = True
        return False

    def close_inside(self, data: bytes) -> bool | None:
        """Send the writes before that of the token, and half of that one, then close cleanly."""
        self._writes += 1
        if self._writes <= self._fault.value + 1:
            return self._connection.write(data)
        self._left = len(data) // 2
        return self.close_off(data)

    def drip(self, data: bytes) -> bool | None:
        """Send byte by byte."""
        self._pending += data
        self._handed += len(data)
        if self._timer is None:
            self._next_drop()
        return False

    def _until(self, data: bytes, act: Callable[[], None]) -> bool | None:
        if self._over:
            return False
        if len(data) <= self._left:
            self._left -= len(data)
            return self._connection.write(data)
        self._over = True
        self._connection.write(data[: self._left])
        act()
        return False if self._connection.open else None

    def _next_drop(self) -> None:
        self._timer = self._loop.call_later(self._fault.value / 1e9, self._drop)

    def _drop(self) -> None:
        if self._connection.write(bytes(self._pending[:1])) is None:
            return
        del self._pending[:1]
        left = self._handed - len(self._pending)
        while self._waiting and self._waiting[0][0] <= left:
            self._waiting.popleft()[1](now())
        if self._pending:
            self._next_drop()
        else:
            self._timer = None


_DELIVERIES: dict[str, Callable[[FaultyOutlet, bytes], bool | None]] = {
    "cut": FaultyOutlet.close_off,
    "rst": FaultyOutlet.reset_off,
    "stall": FaultyOutlet.stall,
    "fin-mid-event": FaultyOutlet.close_inside,
    "half-open": FaultyOutlet.swallow,
    "drip": FaultyOutlet.drip,
}


def outlet_of(connection: Connection, faults: Iterable[Fault]) -> Connection | FaultyOutlet:
    """The way out for an answer that these faults hit: the first of them that concerns it."""
    for fault in faults:
        if fault.name in _DELIVERIES:
            return FaultyOutlet(connection, fault)
    return connection
