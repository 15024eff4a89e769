"""Whose clock stamps a read: the kernel's where it offers one, ours beside it always.

Linux stamps each received segment on CLOCK_REALTIME (SO_TIMESTAMPING, software). The stamp is mapped
to the monotonic clock by reading both clocks in a bracket. A stamp that can't be true (later than our
own, or seconds before it: the wall clock was stepped) is dropped, and the record says so by its absence.
"""

import socket
import struct
import sys
import time

from llm_latency_lens.model.recording import StampSource

ANCILLARY_SIZE = 80
"""Buffer for the ancillary data of one `recvmsg`; a smaller one makes the kernel drop the stamp."""

_SO_TIMESTAMPING = 37
_SOFTWARE_RX = 0x18
_BELIEVABLE_NS = 5_000_000_000
_REFRESH_NS = 250_000_000
_BRACKETS = 5
_SLIPPED_NS = 50_000
"""Two mappings of clocks that were not set differ by less."""

_SECONDS_NS = struct.Struct("=qq").unpack_from

Ancillary = list[tuple[int, int, bytes]]


def enable(sock: socket.socket) -> bool:
    """Ask the kernel to stamp what `sock` receives; False where it can't."""
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _SOFTWARE_RX)
    except OSError:
        return False
    return True


class KernelClock:
    """Maps kernel stamps to the monotonic clock; one for each measuring process.

    With `source` "user" no stamps are asked for.
    """

    __slots__ = ("_mapped_at", "_offset", "_source")

    def __init__(self, source: StampSource = "auto") -> None:
        self._source = source
        self._offset = 0
        self._mapped_at = -_REFRESH_NS

    @property
    def wanted(self) -> bool:
        """Whether the kernel's stamps of arrivals are asked for."""
        return self._source != "user"

    def enable(self, sock: socket.socket) -> None:
        """Have the kernel stamp what `sock` receives, where that is wanted and it can."""
        if self.wanted:
            enable(sock)

    def refresh(self) -> None:
        """Map anew where the last mapping is a quarter of a second old: the clocks may be slewed apart."""
        now = time.monotonic_ns()
        if now - self._mapped_at < _REFRESH_NS:
            return
        self._mapped_at = now
        self._offset = min(_bracketed() for _ in range(_BRACKETS))[1]

    def holds(self) -> bool:
        """Whether the mapping is still true: the wall clock was not set since; maps anew."""
        before, self._mapped_at = self._offset, time.monotonic_ns()
        self._offset = min(_bracketed() for _ in range(_BRACKETS))[1]
        return abs(self._offset - before) < _SLIPPED_NS

    def stamp(self, ancillary: Ancillary, user: int) -> int:
        """The kernel's stamp of a read as monotonic ns, or 0 where there is none to be believed."""
        for _, kind, data in ancillary:
            if kind == _SO_TIMESTAMPING:
                seconds, ns = _SECONDS_NS(data)
                stamp = self.monotonic(seconds, ns)
                if seconds and is_plausible(stamp, user):
                    return stamp
        return 0

    def monotonic(self, seconds: int, ns: int) -> int:
        """The kernel's own (seconds, ns) of CLOCK_REALTIME as monotonic ns."""
        return seconds * 1_000_000_000 + ns + self._offset


def is_plausible(stamp: int, user: int) -> bool:
    """Whether a kernel stamp can be true of bytes that were read at `user` (both monotonic ns)."""
    return user - _BELIEVABLE_NS < stamp <= user


def _bracketed() -> tuple[int, int]:
    """The bracket's width and monotonic minus real time, in ns."""
    before = time.monotonic_ns()
    real = time.clock_gettime_ns(time.CLOCK_REALTIME)
    after = time.monotonic_ns()
    return after - before, (before + after) // 2 - real


def kernel_stamps_offered() -> bool:
    """Whether this machine's kernel takes the option that stamps reads."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        return enable(sock)
