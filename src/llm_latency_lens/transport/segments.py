"""How many TCP segments a read held, by the kernel's count of those that came in.

`TCP_INFO.tcpi_data_segs_in` grows with every segment that carries data. Reads that were not asked about
held at least one each.
"""

import socket
import struct
import sys

_INFO_SIZE = 156
_DATA_SEGS_IN = 152
_U32 = struct.Struct("=I").unpack_from


class SegmentCounter:
    """The segments of one connection, from its making on."""

    __slots__ = ("_counted", "_skipped", "_sock")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._skipped = 0
        self._counted = self._count()

    def skip(self) -> None:
        """A read was made whose segments do not matter."""
        self._skipped += 1

    def single(self) -> bool:
        """Whether the read just made can only have held one segment; False where it is not known."""
        before, skipped = self._counted, self._skipped
        self._counted, self._skipped = self._count(), 0
        if before is None or self._counted is None:
            return False
        return (self._counted - before) % (1 << 32) - skipped <= 1

    def _count(self) -> int | None:
        if sys.platform != "linux":
            return None
        try:
            info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
        except OSError:
            return None
        return int(_U32(info, _DATA_SEGS_IN)[0]) if len(info) >= _INFO_SIZE else None
