"""How many TCP segments a read held, by the kernel's count of those that came in.

`TCP_INFO.tcpi_data_segs_in` grows with every segment that carries data. Reads that were not asked about
held at least one each. A segment without data that ends the stream (FIN) is not counted, but moves the
stamp of the data that waits before it; the connection's state tells that it came.
"""

import socket
import struct
import sys

_INFO_SIZE = 156
_STATE, _ESTABLISHED = 0, 1
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

    def count(self) -> int | None:
        """The most segments that the read just made can have held; None where that is not known."""
        before, skipped = self._counted, self._skipped
        self._counted, self._skipped = self._count(), 0
        if before is None or self._counted is None:
            return None
        return (self._counted - before) % (1 << 32) - skipped

    def _count(self) -> int | None:
        if sys.platform != "linux":
            return None
        try:
            info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
        except OSError:
            return None
        if len(info) < _INFO_SIZE or info[_STATE] != _ESTABLISHED:
            return None
        return int(_U32(info, _DATA_SEGS_IN)[0])
