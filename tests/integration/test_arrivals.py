"""Arrival intervals on real sockets: a late reader knows that it was late, and by how much at most."""

import asyncio
import contextlib
import itertools
import os
import pathlib
import socket
import threading
from collections.abc import AsyncIterator, Sequence

import pytest
from tests.integration.test_transport import http, limits
from tests.support.timed_sender import TimedSender, Write

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.model.recording import Recording, StampSource
from llm_latency_lens.transport.arrivals import READ_SIZE, Arrivals
from llm_latency_lens.transport.exchange import LiveTransport
from llm_latency_lens.transport.link import Link
from llm_latency_lens.transport.packets import packets_permitted
from llm_latency_lens.transport.poller import Poller, Read
from llm_latency_lens.units import MonoNs

MS = 1_000_000
SOON = 400_000
"""What waking up may take on a busy machine and still count as soon, in ns."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
"""The body ends with the connection, so that its bytes are those that the test writes."""

Row = tuple[int, int, int, int]


class Exchange:
    """A response under way: the test writes it, and blocks the reader while it does if it likes."""

    def __init__(self, sender: TimedSender, task: "asyncio.Task[Recording]") -> None:
        self.sender = sender
        self._task = task

    async def rows(self) -> list[Row]:
        """The reads of the response once it has ended: end, user stamp, kernel stamp, earliest."""
        await self.settle()
        self.sender.sock.close()
        flat = (await self._task).read_rows().tolist()
        return list(zip(flat[::4], flat[1::4], flat[2::4], flat[3::4], strict=True))

    async def settle(self) -> None:
        """Let the reader take what has been sent."""
        clock = SystemClock()
        await clock.sleep_until(MonoNs(clock.now() + 2 * MS))
        clock.close()


@contextlib.asynccontextmanager
async def exchange(stamps: StampSource = "auto") -> AsyncIterator[Exchange]:
    """A request that was sent and whose response's head has come."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        poller = Poller(stamps, frozenset({port}))
        transport = LiveTransport(poller=poller)
        task = asyncio.create_task(transport.exchange(http(port), limits()))
        peer, _ = await loop.sock_accept(server)
        await loop.sock_recv(peer, 65536)
        await loop.sock_sendall(peer, HEAD)
        peer.setblocking(True)
        under_way = Exchange(TimedSender(peer), task)
        await under_way.settle()
        yield under_way
        peer.close()
        await task
        transport.close()
        poller.close()


def covering(row: Row, writes: Sequence[Write]) -> bool:
    """Whether every write lies in the row's interval: after earliest, at the stamp at the latest."""
    stamp = row[2] or row[1]
    return all(row[3] <= write.after and write.before <= stamp for write in writes)


async def test_a_late_reader_tells_how_early_merged_segments_may_have_come() -> None:
    """Five writes 6 ms apart, read at once: the interval holds all, its end is the last one's stamp."""
    async with exchange() as response:
        response.sender.write_spaced([50] * 5, 0.006)  # blocks the event loop
        rows = await response.rows()
    writes = response.sender.writes
    assert len(rows) == 1
    assert covering(rows[0], writes)
    assert abs(rows[0][2] - writes[-1].after) < SOON
    assert rows[0][2] - rows[0][3] > 24 * MS


async def test_events_sent_together_are_exact_however_late_they_are_read() -> None:
    """One write, read 30 ms late: one segment, so the stamp holds for every byte of it."""
    async with exchange() as response:
        response.sender.write_spaced([250], 0.03)
        rows = await response.rows()
    assert len(rows) == 1
    assert rows[0][1] - rows[0][2] > 25 * MS
    assert rows[0][3] == rows[0][2]
    assert covering(rows[0], response.sender.writes)


async def test_the_end_of_the_stream_gives_its_stamp_to_nothing() -> None:
    """A write and the close 30 ms later are read together: the write did not come with the close."""
    async with exchange() as response:
        response.sender.write_spaced([50], 0.03)
        response.sender.sock.shutdown(socket.SHUT_WR)
        rows = await response.rows()
    (write,) = response.sender.writes
    assert covering(rows[0], [write])
    assert rows[0][2] == 0 or rows[0][2] - write.after < SOON
    assert rows[0][3] <= write.after


async def test_a_reader_in_time_is_exact() -> None:
    """Twenty writes 3 ms apart while the loop is free: each read is one write, known within 0.4 ms."""
    async with exchange() as response:
        writing = threading.Thread(
            target=response.sender.write_spaced, args=([50] * 20, 0.003), daemon=True
        )
        writing.start()
        await asyncio.to_thread(writing.join)
        rows = await response.rows()
    by_end = {write.end: write for write in response.sender.writes}
    alone = [row for row in rows if row[0] in by_end]
    widths = sorted(row[2] - row[3] for row in alone)
    assert all(covering(row, [by_end[row[0]]]) for row in alone)
    assert widths[len(widths) // 2] <= SOON


async def test_what_a_full_buffer_leaves_behind_is_as_old_as_the_read_before() -> None:
    """600 KB written at once are read in several pieces: none claims to have come after the write."""
    async with exchange() as response:
        sender = response.sender
        thread = threading.Thread(target=sender.write, args=(600_000,))
        thread.start()
        await asyncio.to_thread(thread.join)
        rows = await response.rows()
    assert rows[-1][0] == 600_000
    assert len(rows) > 2
    after_full = [(row, later) for row, later in itertools.pairwise(rows) if row[0] % 65536 == 0]
    assert after_full, "no read filled its buffer"
    assert all(later[3] <= row[3] for row, later in after_full)


async def test_what_a_full_buffer_leaves_behind_is_no_younger_than_its_stamp() -> None:
    """The stamp of a full read proves that the socket was not empty when it was thought to be."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as sock,
        server.accept()[0],
    ):
        arrivals = Arrivals(Link(sock, None), Poller())
        (full,) = arrivals.pieces((bytes(READ_SIZE), 9 * MS, 1 * MS), earliest=3 * MS)
        (rest,) = arrivals.pieces((b"rest", 9 * MS, 8 * MS), earliest=4 * MS)
    assert full[2:] == (1 * MS, 1 * MS)
    assert rest[3] == 1 * MS


async def test_own_stamps_carry_the_lateness_of_the_read() -> None:
    """--stamps user: the stamp is after the arrival, and the interval still holds it."""
    async with exchange("user") as response:
        response.sender.write_spaced([50, 50], 0.02)
        rows = await response.rows()
    assert [row[2] for row in rows] == [0] * len(rows)
    assert all(covering(row, response.sender.writes) for row in rows)
    assert rows[0][1] - rows[0][3] > 35 * MS


@pytest.mark.skipif(
    not packets_permitted() and not os.environ.get("LLL_REQUIRE_REAL"),
    reason="packet sockets need Linux and CAP_NET_RAW",
)
async def test_packet_stamps_tell_merged_segments_apart() -> None:
    """Five writes 6 ms apart, read at once: five rows, each exact, within 0.1 ms of its write."""
    async with exchange("packet") as response:
        response.sender.write_spaced([50] * 5, 0.006)
        rows = await response.rows()
    assert [row[0] for row in rows] == [write.end for write in response.sender.writes]
    for row, write in zip(rows, response.sender.writes, strict=True):
        assert row[3] == row[2]
        assert write.before - 100_000 < row[2] < write.after + 100_000


def open_files() -> int:
    """How many files this process has open."""
    return len(list(pathlib.Path("/proc/self/fd").iterdir()))


class Listener:
    """A readable end of a socket pair that notes when it is read."""

    def __init__(self, name: str, log: list[str], *, answering: bool) -> None:
        self.answering = answering
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.name = name
        self._log = log

    def take_acknowledgement(self, now: int) -> None:
        """Nothing is sent."""

    def write(self) -> None:
        """Nothing waits to be written."""

    def receive(self) -> Read:
        """Read, and note it."""
        self._log.append(f"read {self.name}")
        return self.near.recv(100), 0, 0

    def handle(self, read: Read, earliest: int) -> None:
        """Note that the bytes are looked at."""
        assert earliest > 0
        assert read
        self._log.append(f"handled {self.name}")

    def look(self, now: int, *, seldom: bool) -> None:
        """No response ends here."""


async def test_first_bytes_are_read_first_and_nothing_is_handled_in_between() -> None:
    """Of three ready sockets the one that awaits its first byte is read before the others."""
    poller, log = Poller(), list[str]()
    listeners = [
        Listener("a", log, answering=True),
        Listener("b", log, answering=False),
        Listener("c", log, answering=True),
    ]
    for one in listeners:
        poller.add(one.near.fileno(), one)
        one.far.send(b"x")
    clock = SystemClock()
    await clock.sleep_until(MonoNs(clock.now() + 2 * MS))
    clock.close()
    for one in listeners:
        poller.remove(one.near.fileno())
        one.near.close()
        one.far.close()
    assert log[0] == "read b"
    assert {*log[:3]} == {"read a", "read b", "read c"}
    assert log[3] == "handled b"


async def test_a_poller_leaves_nothing_behind() -> None:
    """When its last connection is gone, so are its files and its ticks."""
    poller = Poller()
    files = open_files()
    for _ in range(50):
        one = Listener("a", [], answering=False)
        poller.add(one.near.fileno(), one)
        poller.await_answer()
        poller.end_answer()
        poller.remove(one.near.fileno())
        one.near.close()
        one.far.close()
    assert open_files() <= files + 1  # its view of the scheduler's counts
