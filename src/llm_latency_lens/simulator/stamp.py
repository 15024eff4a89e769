"""The simulator's own stamps. It shares no code with the transport, whose stamps its ledger checks."""

import socket
import struct
import sys
import time

ANCILLARY = 96
_SO_TIMESTAMPING = 37
_FLAGS = (1 << 3) | (1 << 4)  # RX_SOFTWARE, SOFTWARE
_TIMESPEC = struct.Struct("@ll")
_FRESH_NS = 1_000_000_000

now = time.monotonic_ns


def ask_for_stamps(sock: socket.socket) -> None:
    """Let the kernel stamp what `sock`, or any connection accepted from it, receives (Linux)."""
    if sys.platform == "linux":
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _FLAGS)


class WallMap:
    """Where the wall clock stands on the monotonic one, measured anew each second."""

    def __init__(self) -> None:
        self._difference = 0
        self._measured = -_FRESH_NS

    def arrival(self, ancillary: list[tuple[int, int, bytes]], read: int) -> tuple[int, str]:
        """The instant of arrival of a read made at `read`, and who says so: kernel or user."""
        if read - self._measured >= _FRESH_NS:
            self._measure()
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPING:
                seconds, ns = _TIMESPEC.unpack_from(data)
                arrived = seconds * 1_000_000_000 + ns - self._difference
                if seconds and 0 <= read - arrived < 5 * _FRESH_NS:
                    return arrived, "kernel"
        return read, "user"

    def _measure(self) -> None:
        tightest = None
        for _ in range(5):
            first, wall, second = now(), time.time_ns(), now()
            if tightest is None or second - first < tightest:
                tightest = second - first
                self._difference = wall - (first + second) // 2
        self._measured = now()
