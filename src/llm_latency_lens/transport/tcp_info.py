"""What the kernel knows of a connection's round trips and retransmits (TCP_INFO, Linux)."""

import socket
import struct
import sys

from msgspec import Struct

_SIZE = 192
_RTT, _RETRANS, _MIN_RTT = 68, 100, 148
_U32 = struct.Struct("=I").unpack_from


class TcpInfo(Struct, frozen=True):
    """Smoothed and least round-trip time (ns), and retransmits since the connection was made."""

    rtt: int
    rtt_min: int
    retransmits: int


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """The connection as it is now; None where the system does not tell."""
    if sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
    except OSError:
        return None
    if len(info) < _MIN_RTT + 4:
        return None
    rtt, least = _U32(info, _RTT)[0] * 1000, _U32(info, _MIN_RTT)[0] * 1000
    return TcpInfo(rtt, least, _U32(info, _RETRANS)[0])
