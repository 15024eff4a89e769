"""A kernel ring of the peers' packets: an arrival stamp for every segment, however late the reader.

The kernel merges segments that wait in a socket and keeps only the last one's stamp. A packet
socket (AF_PACKET, Linux, CAP_NET_RAW) sees each segment before that happens. Only the first bytes
of packets from the peers' ports are taken. TPACKET_V2: with the blocks of V3, packets were lost where
the reader was late.
"""

import mmap
import socket
import struct
import sys
from array import array
from collections.abc import Iterable

from llm_latency_lens.errors import MachineError, UsageError
from llm_latency_lens.transport.packet_flow import PacketFlow
from llm_latency_lens.transport.stamps import KernelClock

RING_BYTES = 8 << 20
"""Room for 32,768 packets: half a second at 65,000 packets/s."""

_FRAME = 256
_FRAME_WORDS = _FRAME // 4
_BLOCK = 1 << 16
_SNAP = 128

_ETH_P_ALL = 0x0003
_SOL_PACKET = 263
_RX_RING, _STATISTICS, _VERSION, _IGNORE_OUTGOING = 5, 6, 10, 23
_TPACKET_V2 = 1
_SO_ATTACH_FILTER = 26
_STATUS_USER = 1

_FRAME_HEAD = struct.Struct("=4xI6xHII").unpack_from  # tp_len, tp_net, tp_sec, tp_nsec
_IPV4 = struct.Struct(">2xH8x12sI4xH").unpack_from
_IPV6 = struct.Struct(">4xH2x36sI4xH").unpack_from
# Both: the length that IP states; addresses and ports; TCP's sequence number, offset and flags.
_U32_PAIR = struct.Struct("=II")
_RING_REQUEST = struct.Struct("=IIII")
_INSTRUCTION = struct.Struct("=HBBI")
_PROGRAM = struct.Struct("@HP")

_SYN, _RST = 0x02, 0x04
_STARTS_MAX = 4096

_LOAD_BYTE, _LOAD_HALF, _LOAD_HALF_AT_X, _X_IS = 0x30, 0x28, 0x48, 0x01
_AND, _IF_EQUAL, _IF_SET, _RETURN = 0x54, 0x15, 0x45, 0x06

_TCP_SOURCE_PORT = (
    (_LOAD_BYTE, 0, 0, 0),
    (_IF_EQUAL, 0, 5, 0x45),  # 1: IPv4 without options, else 7
    (_X_IS, 0, 0, 20),
    (_LOAD_HALF, 0, 0, 6),
    (_IF_SET, 7, 0, 0x1FFF),  # 4: a later fragment, to 12
    (_LOAD_BYTE, 0, 0, 9),
    (_IF_EQUAL, 6, 5, socket.IPPROTO_TCP),  # 6: to 13, else 12
    (_AND, 0, 0, 0xF0),
    (_X_IS, 0, 0, 40),
    (_IF_EQUAL, 0, 2, 0x60),  # 9: IPv6, else 12
    (_LOAD_BYTE, 0, 0, 6),
    (_IF_EQUAL, 1, 0, socket.IPPROTO_TCP),  # 11: to 13
    (_RETURN, 0, 0, 0),
    (_LOAD_HALF_AT_X, 0, 0, 0),  # 13: the source port
)
"""Classic BPF (code, jump if true, jump if false, value): the source port of TCP over IP."""


def check_packets() -> None:
    """Open a packet socket and close it again.

    Raises:
        UsageError: this process may not open packet sockets, or this is not Linux.
        MachineError: this system has none.
    """
    _open_socket().close()


def packets_permitted() -> bool:
    """Whether this process may open packet sockets: Linux, with the capability CAP_NET_RAW."""
    if sys.platform != "linux":
        return False
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except OSError:
        return False
    return True


class PacketRing:
    """The packets that come from some ports, and a flow for each watched connection.

    One for each measuring process, opened before the first connection is made: a flow needs the
    handshake's packet to know where its stream begins.

    Args:
        ports: the peers' TCP ports (those of proxies, where connections go through one).
        size: bytes of the ring, rounded up to 64 KiB.

    Raises:
        UsageError: this process may not open packet sockets, or this is not Linux.
        MachineError: the kernel did not give the ring.
    """

    def __init__(self, ports: Iterable[int], size: int = RING_BYTES) -> None:
        self._blocks = max(1, -(-size // _BLOCK))
        self._clock = KernelClock()
        self._dropped = 0
        self._flows: dict[bytes, PacketFlow] = {}
        self._starts: dict[bytes, int] = {}
        self._frames = self._blocks * (_BLOCK // _FRAME)
        self._position = 0
        self._sock = _open_socket()
        try:
            self._map = _start_ring(self._sock, sorted(set(ports)), self._blocks)
        except OSError as error:
            self._sock.close()
            raise MachineError(
                f"the kernel did not give a ring of {self._blocks * _BLOCK >> 20} MiB for packet"
                f" stamps ({error.strerror}): use --stamps kernel (packet stamps need Linux 4.20)"
            ) from None
        self._words = memoryview(self._map).cast("I")

    @property
    def dropped(self) -> int:
        """Packets that the kernel could not put into the ring because it was full."""
        data = self._sock.getsockopt(_SOL_PACKET, _STATISTICS, _U32_PAIR.size)
        self._dropped += _U32_PAIR.unpack(data)[1]  # reading resets the kernel's own count
        return self._dropped

    def watch(self, sock: socket.socket) -> PacketFlow:
        """Return the flow of connected socket `sock`; called as soon as it is connected."""
        self.drain()
        key = _flow_key(sock)
        flow = self._flows[key] = PacketFlow(key, self.drain)
        start = self._starts.pop(key, None)
        if start is not None:
            flow.begin(start)
        return flow

    def forget(self, flow: PacketFlow) -> None:
        """Stop watching `flow`; its connection is closed."""
        if self._flows.get(flow.key) is flow:
            del self._flows[flow.key]

    def drain(self) -> None:
        """Hand what the ring holds to the flows."""
        words, frames = self._words, self._frames
        position = self._position
        if not words[position * _FRAME_WORDS] & _STATUS_USER:
            return
        self._clock.refresh()
        for _ in range(frames):
            if not words[position * _FRAME_WORDS] & _STATUS_USER:
                break
            self._take(position * _FRAME)
            words[position * _FRAME_WORDS] = 0
            position = (position + 1) % frames
        self._position = position

    def close(self) -> None:
        """Give the ring back; safe to call twice."""
        self._flows.clear()
        self._words.release()
        self._map.close()
        self._sock.close()

    def _take(self, frame: int) -> None:
        data = self._map
        length, network, seconds, ns = _FRAME_HEAD(data, frame)
        packet = frame + network
        if data[packet] == 0x45:
            total, key, sequence, flags = _IPV4(data, packet)
            headers = 20 + 4 * (flags >> 12)
            total = total or length  # more than 64 KiB put together by the kernel
        else:
            total, key, sequence, flags = _IPV6(data, packet)
            headers = 4 * (flags >> 12)
        flow = self._flows.get(key)
        if flags & (_SYN | _RST):
            if flags & _SYN:
                self._begin(key, (sequence + 1) & 0xFFFFFFFF, flow)
        elif flow is not None:
            flow.add(sequence, total - headers, self._clock.monotonic(seconds, ns))

    def _begin(self, key: bytes, start: int, flow: PacketFlow | None) -> None:
        if flow is not None:
            flow.begin(start)
            return
        self._starts.pop(key, None)
        self._starts[key] = start
        if len(self._starts) > _STARTS_MAX:
            del self._starts[next(iter(self._starts))]


def _open_socket() -> socket.socket:
    if sys.platform != "linux":
        raise UsageError("packet stamps exist on Linux only: use --stamps kernel or user")
    try:
        # Of all interfaces; to bind later would need the name of one.
        return socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    except PermissionError:
        raise UsageError(
            "this process may not open packet sockets, which --stamps packet needs: run it as root"
            " or with the capability CAP_NET_RAW (in a container: --cap-add NET_RAW), or use"
            " --stamps kernel"
        ) from None
    except OSError as error:
        raise MachineError(
            f"this system has no packet sockets ({error.strerror}), which --stamps packet needs:"
            " use --stamps kernel"
        ) from None


def _start_ring(sock: socket.socket, ports: list[int], blocks: int) -> mmap.mmap:
    """Filter first, then the ring: making it discards what the socket took before."""
    _attach_filter(sock, ports)
    sock.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V2)
    sock.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    size = blocks * _BLOCK
    sock.setsockopt(
        _SOL_PACKET, _RX_RING, _RING_REQUEST.pack(_BLOCK, blocks, _FRAME, size // _FRAME)
    )
    return mmap.mmap(sock.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)


def _attach_filter(sock: socket.socket, ports: list[int]) -> None:
    accept = [step for port in ports for step in ((_IF_EQUAL, 0, 1, port), (_RETURN, 0, 0, _SNAP))]
    steps = [*_TCP_SOURCE_PORT, *accept, (_RETURN, 0, 0, 0)]
    code = array("B", b"".join(_INSTRUCTION.pack(*step) for step in steps))
    program = _PROGRAM.pack(len(steps), code.buffer_info()[0])
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def _flow_key(sock: socket.socket) -> bytes:
    """Addresses and ports as they stand in a packet from the peer: source, destination."""
    peer, local = sock.getpeername(), sock.getsockname()
    hosts = [socket.inet_pton(sock.family, end[0].partition("%")[0]) for end in (peer, local)]
    return b"".join(hosts) + struct.pack(">HH", peer[1], local[1])
