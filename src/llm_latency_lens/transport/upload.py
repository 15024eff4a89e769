"""When the peer had acknowledged a whole request: the kernel's own stamp of the acknowledgement (Linux).

`send` returns as soon as the kernel has copied the bytes, long before they are on a slow network.
SO_TIMESTAMPING can stamp the acknowledgement of a call's last byte; the stamp comes through the socket's
error queue. Requests that fit into TCP's first flight need no watching: their upload is a round trip.
"""

import fcntl
import socket
import struct
import sys
import termios

from llm_latency_lens.transport.stamps import KernelClock

FIRST_FLIGHT = 14_600
"""Ten segments of 1,460 bytes may be sent before any acknowledgement (RFC 6928)."""

_SO_TIMESTAMPING = 37
_MSG_ERRQUEUE = 0x2000
_RX_SOFTWARE = 1 << 3
_FLAGS = 1 << 4 | 1 << 7 | 1 << 9 | 1 << 11
"""SOFTWARE, OPT_ID, TX_ACK and OPT_TSONLY (linux/net_tstamp.h)."""
_ANCILLARY_SIZE = 256
_INT = struct.Struct("i")
_MOST = 64


def watch_acknowledgements(sock: socket.socket, *, arrivals: bool) -> bool:
    """Have the kernel stamp acknowledgements of what is sent from now on, and `arrivals` as before.

    Returns False where it can't.
    """
    if sys.platform != "linux":
        return False
    try:
        flags = _FLAGS | (_RX_SOFTWARE if arrivals else 0)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, flags)
    except OSError:
        return False
    return True


def take_acknowledgement(sock: socket.socket, kernel: KernelClock, now: int) -> int:
    """The stamp (monotonic ns) of the latest acknowledgement in the error queue; 0 where there is none."""
    latest = 0
    for _ in range(_MOST):
        try:
            _, ancillary, _, _ = sock.recvmsg(0, _ANCILLARY_SIZE, _MSG_ERRQUEUE)
        except OSError:
            break
        latest = max(latest, kernel.stamp(ancillary, now))
    return latest


def unacknowledged(sock: socket.socket) -> int:
    """How many sent bytes the peer has not acknowledged yet; 0 where that is not known."""
    try:
        found = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, _INT.pack(0))
    except OSError:
        return 0
    return int(_INT.unpack(found)[0])
