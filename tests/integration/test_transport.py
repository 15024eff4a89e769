"""The transport over real sockets, against a server that does what its script says. Rows W, L, X."""

import asyncio
import contextlib
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.hostile import (
    Hostile,
    Step,
    drip,
    fin,
    flood,
    hostile,
    request,
    reset,
    send,
    silence,
    until,
    wait,
)

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.model.recording import EndKind, Recording
from llm_latency_lens.model.request import HttpRequest, Limits, Url
from llm_latency_lens.transport.exchange import LiveTransport
from llm_latency_lens.transport.pool import PROBATION_NS
from llm_latency_lens.transport.resolve import Address, Resolver
from llm_latency_lens.units import MonoNs

MS = 1_000_000
BODY = b"data: one\n\ndata: two\n\n"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
AS_CHUNKS = b"%x\r\n%s\r\n" % (len(BODY), BODY)
RunAsync = Callable[[Any], Any]


def http(
    port: int, host: str = "127.0.0.1", scheme: str = "http", body: bytes = b"{}"
) -> HttpRequest:
    """A request to the scripted server."""
    return HttpRequest(
        method="POST",
        url=Url(scheme, host, port, "/v1/x"),
        headers=(("X-Key", "canary"),),
        body=body,
    )


def limits(**changes: int) -> Limits:
    """Short deadlines."""
    return Limits(
        **{
            "connect_timeout": 5000 * MS,
            "idle_timeout": 5000 * MS,
            "total_timeout": 10000 * MS,
            **changes,
        }
    )


async def exchange(port: int, count: int = 1, **changes: int) -> list[Recording]:
    """Exchanges over one transport, each well after the probation of the one before."""
    transport = LiveTransport()
    clock = SystemClock()
    found = []
    try:
        for _ in range(count):
            found.append(await transport.exchange(http(port), limits(**changes)))
            await clock.sleep_until(MonoNs(clock.now() + 2 * PROBATION_NS))
    finally:
        transport.close()
        clock.close()
    return found


def rows(recording: Recording) -> list[tuple[int, int, int]]:
    """End, user stamp, kernel stamp of each read."""
    flat = recording.read_rows().tolist()
    return list(zip(flat[::4], flat[1::4], flat[2::4], strict=True))


FRAMINGS: dict[str, tuple[bytes, bytes, EndKind]] = {
    "chunked": (CHUNKED, AS_CHUNKS + b"0\r\n\r\n", EndKind.COMPLETE),
    "trailers": (CHUNKED, AS_CHUNKS + b"0\r\nX-Sum: 7\r\n\r\n", EndKind.COMPLETE),
    "length": (LENGTH, BODY, EndKind.COMPLETE),
    "close": (CLOSE, BODY, EndKind.CLOSED),
}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("ending", ["clean", "short", "reset"])
def test_w11_w17_framings_and_their_ends(run_async: RunAsync, framing: str, ending: str) -> None:
    """W11, W17: four framings, ended well, one byte early, or by a reset; what came is kept."""
    head, body, good = FRAMINGS[framing]
    gate = threading.Event()
    tail: list[Step] = {
        "clean": [send(body), fin()],
        "short": [send(body[:-1]), fin()],
        "reset": [send(body[:-1]), until(gate), reset()],
    }[ending]
    with hostile(request(), send(head), *tail) as server:

        async def work() -> list[Recording]:
            task = asyncio.create_task(exchange(server.port))
            if ending == "reset":
                await asyncio.to_thread(gate.wait, 0.05)
                gate.set()
            return await task

        recording = run_async(work())[0]
    expected = good
    if ending != "clean":
        expected = EndKind.RESET if ending == "reset" else EndKind.TRUNCATED
        if framing == "close" and ending == "short":
            expected = EndKind.CLOSED
    assert recording.ending.kind is expected
    assert BODY.startswith(recording.body)
    assert len(recording.body) >= len(BODY) - 1
    assert rows(recording)[-1][0] == len(recording.body)


def test_w12_informational_heads_are_not_the_response(run_async: RunAsync) -> None:
    """W12: 100 and 103 are counted; the head and the first byte are the real response's."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    with hostile(
        request(), send(early), wait(0.05), send(LENGTH), wait(0.05), send(BODY), silence()
    ) as server:
        recording = run_async(exchange(server.port))[0]
        sends = server.sent
    assert recording.head is not None
    assert (recording.head.status, recording.head.informational) == (200, 2)
    assert recording.marks.head is not None
    assert recording.marks.head >= sends[1].at
    assert rows(recording)[0][1] >= sends[2].at


def test_w13_redirects_are_not_followed_and_carry_no_key(run_async: RunAsync) -> None:
    """W13: a 307 is a status; the other host sees neither request nor key."""
    with hostile(request(), send(b"x"), fin()) as other:
        location = f"http://127.0.0.1:{other.port}/".encode()
        answer = b"HTTP/1.1 307 Go\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
        with hostile(request(), send(answer), silence()) as server:
            recording = run_async(exchange(server.port))[0]
        assert (other.accepted, other.requests) == (0, [])
    assert recording.head is not None
    assert recording.head.status == 307


def test_w18_a_silent_server_is_given_up_at_the_idle_deadline(run_async: RunAsync) -> None:
    """W18: not before it, and soon after."""
    with hostile(request(), send(LENGTH + BODY[:3]), silence()) as server:
        recording = run_async(exchange(server.port, idle_timeout=150 * MS))[0]
    assert recording.ending.kind is EndKind.IDLE_TIMEOUT
    assert recording.body == BODY[:3]
    waited = recording.marks.ended - rows(recording)[-1][1]
    assert 150 * MS <= waited < 2000 * MS


def test_w19_a_drip_does_not_outlive_the_total_deadline(run_async: RunAsync) -> None:
    """W19: a byte now and then refreshes the idle deadline, never the total one."""
    with hostile(request(), send(LENGTH), drip(BODY * 100, 0.03)) as server:
        recording = run_async(exchange(server.port, total_timeout=300 * MS, idle_timeout=200 * MS))[
            0
        ]
    assert recording.ending.kind is EndKind.TOTAL_TIMEOUT
    assert recording.marks.sent is not None
    assert recording.marks.ended - recording.marks.sent < 3000 * MS


@pytest.mark.parametrize(
    "bomb",
    [
        b"HTTP/1.1 200 OK\r\nX-Big: " + b"a" * 20_000,
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 2_000 + b"\r\n",
    ],
)
def test_w20_header_bombs_are_refused(run_async: RunAsync, bomb: bytes) -> None:
    """W20: one endless header, or too many."""
    with hostile(request(), send(bomb), silence()) as server:
        recording = run_async(exchange(server.port, max_head=10_000))[0]
    assert recording.ending.kind is EndKind.HEAD_TOO_LARGE


def test_w8_the_body_has_a_cap(run_async: RunAsync) -> None:
    """W8: lines or not, a body ends at the cap."""
    with hostile(request(), send(CLOSE), flood(b"line\n" * 2000, 10_000_000)) as server:
        recording = run_async(exchange(server.port, max_body=1_000_000))[0]
    assert recording.ending.kind is EndKind.BODY_TOO_LARGE
    assert len(recording.body) < 1_200_000


ENDLESS = """
import asyncio, resource, sys
from llm_latency_lens.model.request import HttpRequest, Limits, Url
from llm_latency_lens.transport.exchange import LiveTransport
async def main():
    request = HttpRequest(method="POST", url=Url("http", "127.0.0.1", int(sys.argv[1]), "/"), headers=())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    recording = await LiveTransport().exchange(request, Limits(max_event=8 << 20))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(recording.ending.kind, after - before, flush=True)
asyncio.run(main())
"""


def test_w8_an_endless_line_costs_no_memory() -> None:
    """W8: of a gigabyte without a line end eight megabytes are read; memory grows by less than 20 MiB."""
    with hostile(request(), send(CLOSE), flood(b"x" * 65536, 1 << 30)) as server:
        found = subprocess.run(
            [sys.executable, "-c", ENDLESS, str(server.port)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    kind, grown = found.stdout.split()
    assert kind == "event_too_large"
    assert int(grown) < 20 * 1024


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"SSH-2.0-OpenSSH\r\n", EndKind.BAD_HTTP, "SSH-2.0-OpenSSH"),
        (b"HTTP/9.9 200 OK\r\n\r\n", EndKind.BAD_HTTP, "HTTP/9.9 200 OK"),
        (b"\x16\x03\x01\x00\x05hello", EndKind.TLS_EXPECTED, "with TLS"),
        (b"\x15\x03\x03\x00\x02\x02\x46", EndKind.TLS_EXPECTED, "with TLS"),
        (b"\x00\x00\x06\x04\x00\x00\x00\x00\x00" + bytes(6), EndKind.HTTP2_ONLY, "HTTP/2"),
        (b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(8), EndKind.HTTP2_ONLY, "HTTP/2"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", EndKind.HTTP2_ONLY, "HTTP/2"),
    ],
)
def test_another_protocol_on_the_port_is_named(
    run_async: RunAsync, answer: bytes, kind: EndKind, words: str
) -> None:
    """By the first bytes that the peer sent; unknown ones are quoted."""
    with hostile(request(), send(answer), silence()) as server:
        ending = run_async(exchange(server.port))[0].ending
    assert ending.kind is kind
    assert words in ending.detail


def test_refused_and_unresolvable(run_async: RunAsync) -> None:
    """Nobody listens; nobody of that name."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    refused = run_async(exchange(port))[0]
    assert refused.ending.kind is EndKind.REFUSED
    assert refused.marks.tcp_begin is not None
    assert refused.marks.sent is None

    async def unknown() -> Recording:
        return await LiveTransport().exchange(http(80, host="nobody.invalid"), limits())

    lost = run_async(unknown())
    assert lost.ending.kind is EndKind.DNS_FAILED
    assert lost.marks.dns_begin is not None


@contextlib.contextmanager
def full_backlog() -> Iterator[tuple[str, int]]:
    """The address of a listener whose backlog is full: who connects hears nothing."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            blocker = stack.enter_context(socket.socket())
            blocker.setblocking(False)
            blocker.connect_ex(listener.getsockname())
        yield listener.getsockname()


def test_a_connect_timeout_ends_dialling(run_async: RunAsync) -> None:
    """Dialling has its own deadline."""
    with full_backlog() as (_, port):
        recording = run_async(exchange(port, connect_timeout=200 * MS))[0]
    assert recording.ending.kind is EndKind.CONNECT_TIMEOUT


def keep_alive(times: int) -> list[Step]:
    """Answer that often on one connection."""
    return [step for _ in range(times) for step in (request(), send(LENGTH + BODY))]


def test_w43_connections_are_reused_and_say_so(run_async: RunAsync) -> None:
    """W43: the first exchange has phases, the next ones are marked reused and have none."""
    with hostile(*keep_alive(3), silence()) as server:
        first, second, third = run_async(exchange(server.port, count=3))
        assert server.accepted == 1
    assert first.marks.tcp_end is not None
    assert [r.connection.reused for r in (first, second, third) if r.connection] == [
        False,
        True,
        True,
    ]
    assert second.marks.tcp_begin is None
    assert second.connection is not None
    assert second.connection.idle_before is not None
    assert second.connection.id == first.connection.id if first.connection else False


def test_w39_a_connection_closed_while_idle_is_not_used(run_async: RunAsync) -> None:
    """W39: the close is seen, and the next exchange dials anew, which its marks show."""
    with hostile(*keep_alive(1), fin()) as server:

        async def work() -> list[Recording]:
            transport = LiveTransport()
            first = await transport.exchange(http(server.port), limits())
            while transport.idle_connections:
                await asyncio.wait(
                    [asyncio.create_task(asyncio.to_thread(threading.Event().wait, 0.002))]
                )
            second = await transport.exchange(http(server.port), limits())
            transport.close()
            return [first, second]

        second = run_async(work())[1]
        assert server.accepted == 2
    assert second.marks.tcp_begin is not None
    assert second.connection is not None
    assert not second.connection.reused


def test_w39_a_kept_connection_that_dies_on_use_is_stale_and_not_retried(
    run_async: RunAsync,
) -> None:
    """W39: reset in answer to the second request: an outcome of its own, and no hidden third one."""
    with hostile(*keep_alive(1), request(), reset()) as server:
        second = run_async(exchange(server.port, count=2))[1]
        assert (len(server.requests), server.accepted) == (2, 1)
    assert second.ending.kind is EndKind.STALE_CONNECTION


def test_w39_a_server_that_closes_after_each_answer_is_never_caught_out(
    run_async: RunAsync,
) -> None:
    """W39: it promises keep-alive and closes a moment later: no request meets a dying connection.

    The double is a thread of this process, whose moment may be long: the probation is longer still.
    """
    with hostile(*keep_alive(1), wait(0.0003), fin()) as server:

        async def work() -> list[Recording]:
            transport = LiveTransport(probation=2000 * MS)
            found = [await transport.exchange(http(server.port), limits()) for _ in range(20)]
            transport.close()
            return found

        assert {r.ending.kind for r in run_async(work())} == {EndKind.COMPLETE}


def test_w39_a_server_that_keeps_connections_is_trusted_from_then_on(run_async: RunAsync) -> None:
    """After the first probation, connections are used again at once."""
    with hostile(*keep_alive(30), silence()) as server:

        async def work() -> list[Recording]:
            transport, clock = LiveTransport(), SystemClock()
            await transport.exchange(http(server.port), limits())
            await clock.sleep_until(MonoNs(clock.now() + 2 * PROBATION_NS))
            found = [await transport.exchange(http(server.port), limits()) for _ in range(20)]
            transport.close()
            clock.close()
            return found

        assert all(r.connection and r.connection.reused for r in run_async(work()))
        assert server.accepted == 1


def test_w40_extra_bytes_spoil_the_connection(run_async: RunAsync) -> None:
    """W40: what was not asked for is never the next answer."""
    with hostile(request(), send(LENGTH + BODY + LENGTH + b"x" * len(BODY)), silence()) as server:
        first, second = run_async(
            exchange(server.port, count=2, idle_timeout=5000 * MS, total_timeout=300 * MS)
        )
        assert server.accepted == 2
    assert first.body == BODY
    assert second.connection is not None
    assert not second.connection.reused


def test_l3_no_hidden_pool_cap(run_async: RunAsync) -> None:
    """L3: 300 exchanges at once are 300 connections at once."""
    gate = threading.Event()
    with hostile(request(), until(gate), send(LENGTH + BODY), silence()) as server:

        async def work() -> list[Recording]:
            transport = LiveTransport()
            tasks = [
                asyncio.create_task(transport.exchange(http(server.port), limits()))
                for _ in range(300)
            ]

            def watch() -> None:
                while len(server.requests) < 300 and not server.closing.wait(0.005):
                    pass
                gate.set()

            await asyncio.to_thread(watch)
            found = await asyncio.gather(*tasks)
            transport.close()
            return list(found)

        recordings = run_async(work())
    assert {recording.ending.kind for recording in recordings} == {EndKind.COMPLETE}
    assert len({r.connection.id for r in recordings if r.connection}) == 300


def test_abort_ends_everything_as_cancelled(run_async: RunAsync) -> None:
    """The second Ctrl-C: exchanges that wait or receive return what they have."""
    with hostile(request(), send(LENGTH + BODY[:5]), silence()) as server:

        async def work() -> list[Recording]:
            transport = LiveTransport()
            tasks = [
                asyncio.create_task(transport.exchange(http(server.port), limits()))
                for _ in range(5)
            ]
            await asyncio.to_thread(_until_requests, server, 5)
            transport.abort()
            return list(await asyncio.gather(*tasks))

        recordings = run_async(work())
    assert {recording.ending.kind for recording in recordings} == {EndKind.CANCELLED}


def _until_requests(server: Hostile, count: int) -> None:
    while len(server.sent) < count and not server.closing.wait(0.005):
        pass


def test_cancelling_a_task_from_outside_still_cancels(run_async: RunAsync) -> None:
    """Only `abort` turns cancellation into a recording; a caller's own goes through."""
    with hostile(request(), silence()) as server:

        async def work() -> None:
            async with asyncio.timeout(0.2):
                await LiveTransport().exchange(http(server.port), limits())

        with pytest.raises(TimeoutError):
            run_async(work())


def test_a_large_request_is_written_whole(run_async: RunAsync) -> None:
    """Eight megabytes leave in parts; `written` is when the kernel had the last of them."""
    body = bytes(range(256)) * 32768
    with hostile(wait(0.1), request(), send(LENGTH + BODY), silence()) as server:

        async def work() -> Recording:
            transport = LiveTransport()
            recording = await transport.exchange(http(server.port, body=body), limits())
            transport.close()
            return recording

        recording = run_async(work())
        assert server.requests[0].endswith(body)
    assert recording.ending.kind is EndKind.COMPLETE
    assert recording.marks.sent is not None
    assert recording.marks.written is not None
    assert recording.marks.written - recording.marks.sent > 20 * MS


def test_no_file_descriptor_is_this_machines_fault(run_async: RunAsync) -> None:
    """L2: EMFILE is a client error, not the server's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with hostile(request(), send(LENGTH + BODY), silence()) as server:

        async def work() -> Recording:
            transport = LiveTransport()
            held = contextlib.ExitStack()
            resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
            try:
                with contextlib.suppress(OSError):
                    while True:
                        held.enter_context(socket.socket())
                return await transport.exchange(http(server.port), limits())
            finally:
                held.close()
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

        assert run_async(work()).ending.kind is EndKind.CLIENT_ERROR


async def raced(server: Hostile, first: Address) -> Recording:
    """An exchange with a name whose first address is `first`, and whose second is the server's."""
    resolver = Resolver()
    second = Address(socket.AF_INET, ("127.0.0.1", server.port))
    resolver.remember("two.test", server.port, [first, second])
    transport = LiveTransport(resolver=resolver)
    recording = await transport.exchange(http(server.port, host="two.test"), limits())
    transport.close()
    return recording


def test_w43_the_other_family_serves_where_the_first_refuses(run_async: RunAsync) -> None:
    """W43: IPv6 is refused at once, IPv4 answers; the record says which."""
    with hostile(*keep_alive(1), silence()) as server:
        recording = run_async(raced(server, Address(socket.AF_INET6, ("::1", server.port, 0, 0))))
    assert recording.ending.kind is EndKind.COMPLETE
    assert recording.connection is not None
    assert recording.connection.family == "ipv4"


def test_w43_a_silent_first_address_costs_a_head_start_only(run_async: RunAsync) -> None:
    """W43: an address that never answers loses to the next one after a quarter of a second."""
    with full_backlog() as address, hostile(*keep_alive(1), silence()) as server:
        recording = run_async(raced(server, Address(socket.AF_INET, address)))
    assert recording.ending.kind is EndKind.COMPLETE
    assert recording.marks.tcp_begin is not None
    assert recording.marks.tcp_end is not None
    assert 250 * MS <= recording.marks.tcp_end - recording.marks.tcp_begin < 1500 * MS


def test_x4_the_environments_proxies_are_not_used(
    run_async: RunAsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X4: HTTP_PROXY is set, and nothing goes there."""
    with hostile(request(), silence()) as proxy, hostile(*keep_alive(1), silence()) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert run_async(exchange(server.port))[0].ending.kind is EndKind.COMPLETE
        assert proxy.accepted == 0


def test_kernel_stamps_tell_the_arrival_even_when_we_read_late(run_async: RunAsync) -> None:
    """Q5: the loop is blocked while a token arrives; our stamp is late, the kernel's is not."""
    if sys.platform != "linux":
        pytest.skip("kernel stamps are Linux's")
    blocked = threading.Event()
    with hostile(
        request(), send(LENGTH + BODY[:5]), until(blocked), send(BODY[5:]), silence()
    ) as server:

        async def work() -> Recording:
            transport = LiveTransport()
            task = asyncio.create_task(transport.exchange(http(server.port), limits()))
            await asyncio.to_thread(_until_requests, server, 1)
            await asyncio.wait([task], timeout=0.02)
            blocked.set()
            threading.Event().wait(0.1)  # the loop stands still: this is the fault under test
            recording = await task
            transport.close()
            return recording

        recording = run_async(work())
        sent = server.sent[1].at
    end, user, kernel = rows(recording)[-1]
    assert end == len(BODY)
    assert user - kernel > 60 * MS
    assert abs(kernel - sent) < 5 * MS
