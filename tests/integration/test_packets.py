"""The packet ring against real sockets: pieces that nobody read in time, drops, refusals."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from tests.support.timed_sender import Write, connection, held_port, listening

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.errors import MachineError
from llm_latency_lens.transport.packet_flow import Piece
from llm_latency_lens.transport.packets import PacketRing, packets_permitted

MS = 1_000_000
SOON = 100_000

permitted = pytest.mark.skipif(
    not packets_permitted() and not os.environ.get("LLL_REQUIRE_REAL"),
    reason="packet sockets need Linux and CAP_NET_RAW",
)


@contextlib.contextmanager
def ring_on(server: socket.socket, size: int = 1 << 20) -> Iterator[PacketRing]:
    """A ring of the packets that `server` sends."""
    ring = PacketRing([server.getsockname()[1]], size)
    try:
        yield ring
    finally:
        ring.close()


def read_all(client: socket.socket, size: int) -> int:
    """Read `size` bytes; the instant after the last read."""
    while size:
        size -= len(client.recv(size))
    return SystemClock().now()


def assert_exact(pieces: list[Piece], writes: Sequence[Write]) -> None:
    """Each piece is one write of the sender, and arrived within 0.1 ms of it."""
    assert [end for end, _ in pieces] == [write.end for write in writes]
    for (_, stamp), write in zip(pieces, writes, strict=True):
        assert write.before - SOON < stamp < write.after + SOON


@permitted
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_pieces_that_waited_in_the_socket_keep_their_own_arrival(host: str) -> None:
    """40 pieces 5 ms apart, read in one go 200 ms late: each has the stamp of its own packet."""
    with listening(host) as server, ring_on(server) as ring, connection(server) as (client, sender):
        flow = ring.watch(client)
        sender.write_spaced([50 + size for size in range(40)], 0.005)
        size = sender.writes[-1].end
        user = read_all(client, size)
        assert user - sender.writes[0].before > 190 * MS
        assert_exact(flow.cut(size, user), sender.writes)
        assert ring.dropped == 0


@permitted
def test_pieces_larger_than_any_packet_are_followed_to_their_last_byte() -> None:
    """Writes of 1 to 300 KB, put together and cut up by the kernel: no byte is lost or unknown."""
    sizes = [1_000, 60_000, 70_000, 300_000, 1]
    with listening() as server, ring_on(server) as ring, connection(server) as (client, sender):
        flow = ring.watch(client)
        read = 0
        pieces: list[Piece] = []
        for size in sizes:
            sender.sock.setblocking(False)
            left = size
            while left:
                with contextlib.suppress(BlockingIOError):
                    left -= sender.sock.send(b"x" * left)
                read += len(client.recv(1 << 20))
                pieces += flow.cut(read, SystemClock().now())
            while read < sum(sizes[: sizes.index(size) + 1]):
                read += len(client.recv(1 << 20))
                pieces += flow.cut(read, SystemClock().now())
    assert pieces[-1][0] == sum(sizes)
    assert all(stamp for _, stamp in pieces)
    assert [stamp for _, stamp in pieces] == sorted(stamp for _, stamp in pieces)


@permitted
def test_connections_are_told_apart_and_a_port_used_again_begins_anew() -> None:
    """Two connections at once, and a third from the first one's port: each has its own stream."""
    with listening() as server, ring_on(server) as ring, held_port() as port:
        with connection(server, port) as (first, one), connection(server) as (second, two):
            flows = ring.watch(first), ring.watch(second)
            for sender, size in ((one, 10), (two, 99), (one, 20), (two, 1)):
                sender.write(size)
            assert_exact(flows[0].cut(30, read_all(first, 30)), one.writes)
            assert_exact(flows[1].cut(100, read_all(second, 100)), two.writes)
            ring.forget(flows[0])
        with connection(server, port) as (third, three):
            flow = ring.watch(third)
            three.write(5)
            assert_exact(flow.cut(5, read_all(third, 5)), three.writes)


@permitted
def test_a_full_ring_loses_stamps_not_truth() -> None:
    """1,000 pieces and room for 256: the first are exact, the rest unknown, later ones exact."""
    with (
        listening() as server,
        ring_on(server, size=1) as ring,
        connection(server) as (client, sender),
    ):
        flow = ring.watch(client)
        user = 0
        for _ in range(1000):
            sender.write(10)
            user = read_all(client, 10)
        pieces = flow.cut(10_000, user)
        known = [piece for piece in pieces if piece[1]]
        assert 200 <= len(known) <= 256
        assert pieces[len(known) :] == [(10_000, 0)]
        assert ring.dropped >= 700
        assert_exact(known, sender.writes[: len(known)])
        sender.write(7)
        assert_exact(flow.cut(10_007, read_all(client, 7)), sender.writes[-1:])


@permitted
def test_a_repeated_segment_on_the_wire_moves_no_stamp() -> None:
    """A copy of a segment, injected later as a retransmission would come, changes nothing."""
    with (
        listening() as server,
        ring_on(server) as ring,
        connection(server) as (client, sender),
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) as tap,
    ):
        flow = ring.watch(client)
        tap.settimeout(5)
        sender.write(33)
        want = sender.sock.getsockname()[1].to_bytes(2, "big")
        while True:
            packet, address = tap.recvfrom(2048)
            if address[2] == 0 and packet[20:22] == want and packet.endswith(b"x" * 33):
                break
        tap.sendto(packet, ("lo", 0x0800, 0, 0, b""))
        sender.write(4)
        assert_exact(flow.cut(37, read_all(client, 37)), sender.writes)


@permitted
def test_a_connection_older_than_the_ring_has_no_stamps_and_no_guesses() -> None:
    """The handshake was not seen: every piece is unknown."""
    with listening() as server, connection(server) as (client, sender), ring_on(server) as ring:
        flow = ring.watch(client)
        sender.write(10)
        assert flow.cut(10, read_all(client, 10)) == [(10, 0)]


REFUSED = """
from llm_latency_lens.errors import LensError
from llm_latency_lens.transport.packets import PacketRing, packets_permitted
assert not packets_permitted()
try:
    PacketRing([443])
except LensError as error:
    print(type(error).__name__, error)
"""


def test_without_the_permission_the_message_says_what_to_do() -> None:
    """A process without CAP_NET_RAW: a usage error that names the capability and the other way."""
    drop = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]
    command = [*(drop if packets_permitted() else []), sys.executable, "-c", REFUSED]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("UsageError")
    assert "CAP_NET_RAW" in run.stdout
    assert "--stamps kernel" in run.stdout


@permitted
def test_a_ring_that_can_not_be_made_is_a_machine_error_and_leaves_nothing() -> None:
    """More ports than the kernel's filter takes: an error that names the other way."""
    with pytest.raises(MachineError, match="--stamps kernel"):
        PacketRing(range(1, 10_000))
