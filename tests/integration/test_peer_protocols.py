"""Ports that speak another protocol, TLS sessions, floods without a body, many addresses, too few files."""

import asyncio
import contextlib
import pathlib
import resource
import socket
import ssl
from collections.abc import Callable

import msgspec
import pytest
from tests.support.command import lll
from tests.support.exchanges import (
    CLOSE,
    DONE,
    FINISH,
    MS,
    STREAM,
    TOKENS,
    RunAsync,
    answer,
    asked,
    exchanges,
    limits,
    one,
    server_context,
)
from tests.support.hostile import (
    Peer,
    Step,
    fin,
    flood,
    hostile,
    request,
    reset,
    send,
    silence,
    void,
)
from tests.unit.test_checks import clean, judged

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.model.recording import ConnectionFacts, EndKind, Recording
from llm_latency_lens.model.request import HttpRequest, Url
from llm_latency_lens.report.load import load_report
from llm_latency_lens.transport.exchange import LiveTransport
from llm_latency_lens.transport.resolve import Address, Resolver
from llm_latency_lens.units import MonoNs


@pytest.mark.parametrize("close", [fin, reset])
def test_a_port_that_closes_on_plain_http_is_asked_what_it_speaks(
    run_async: RunAsync, tmp_path: pathlib.Path, close: Callable[[], Step]
) -> None:
    """A TLS server that closes without a byte is named; one that merely closes is not."""
    context, _ = server_context(tmp_path)
    with hostile(request(), fin(), tls=context) as server:
        recording = one(run_async, asked(server.port))
    assert recording.ending.kind is EndKind.TLS_EXPECTED
    with hostile(lambda peer: void(peer.sock.recv(9)), close()) as server:
        recording = one(run_async, asked(server.port))
    assert recording.ending.kind in (EndKind.TRUNCATED, EndKind.RESET)
    assert "without a byte of an answer" in recording.ending.detail


def test_a_port_that_speaks_only_http2_is_named(run_async: RunAsync) -> None:
    """It closes on HTTP/1.1 and answers the other protocol's preface."""

    def prior_knowledge(peer: Peer) -> None:
        if peer.sock.recv(3) == b"PRI":
            peer.send(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")

    with hostile(prior_knowledge, fin()) as server:
        recording = one(run_async, asked(server.port))
    assert recording.ending.kind is EndKind.HTTP2_ONLY


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_sessions_survive_the_connection(
    run_async: RunAsync, tmp_path: pathlib.Path, version: ssl.TLSVersion
) -> None:
    """A server that closes after each answer is met again by a resumed handshake."""
    context, tls = server_context(tmp_path)
    context.maximum_version = version
    with hostile(request(), send(CLOSE), fin(), tls=context) as server:
        requests = [asked(server.port, "https")] * 3
        found = run_async(exchanges(LiveTransport(tls), *requests))
        assert server.accepted == 3
    resumed = [recording.connection.tls_resumed for recording in found if recording.connection]
    assert resumed == [False, True, True]


def test_an_idle_tls_connection_that_the_peer_closes_is_noticed(
    run_async: RunAsync, tmp_path: pathlib.Path
) -> None:
    """Else the event loop would be woken by it for ever."""
    context, tls = server_context(tmp_path)
    with hostile(request(), send(answer(b"ok")), fin(), tls=context) as server:

        async def work() -> None:
            transport = LiveTransport(tls)
            await transport.exchange(asked(server.port, "https"), limits())
            clock = SystemClock()
            async with asyncio.timeout(5):
                while transport.idle_connections:
                    await clock.sleep_until(MonoNs(clock.now() + MS))
            clock.close()
            transport.close()

        run_async(work())


@pytest.mark.parametrize(
    "flooding",
    [
        (b"0\r\n", b"X-T: " + b"a" * 1000 + b"\r\n"),
        (b"0\r\nX-T: ", b"a" * 1000),
        (b"5;", b"a" * 1000),
    ],
)
def test_trailers_and_chunk_extensions_have_a_cap(
    run_async: RunAsync, flooding: tuple[bytes, bytes]
) -> None:
    """Endless ones, in many fields or in one, end the response within the cap of a head."""
    begin, piece = flooding
    with hostile(request(), send(STREAM + TOKENS + begin), flood(piece, 1 << 28)) as server:
        recording = one(run_async, asked(server.port))
    assert recording.ending.kind is EndKind.HEAD_TOO_LARGE
    assert recording.head is not None
    assert len(recording.head.headers) == 2


def test_chunks_whose_frames_come_apart_are_no_flood(run_async: RunAsync) -> None:
    """Frames in reads of their own add up to more than the cap over a long stream."""
    apart = b"".join(b"1\r\n\n\r\n" for _ in range(30_000))
    with hostile(request(), send(STREAM), *[send(apart)], send(b"0\r\n\r\n"), silence()) as server:
        recording = one(run_async, asked(server.port), max_head=1000)
    assert recording.ending.kind is EndKind.COMPLETE


def test_bodies_have_a_cap_together(run_async: RunAsync) -> None:
    """The largest is ended, small ones go on, and what ended makes room."""
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    line = b"x" * 99 + b"\n"

    def answer_by_path(peer: Peer) -> None:
        is_large = b"/large" in peer.request()
        peer.send(head + line * (40_000 if is_large else 1000))

    with hostile(answer_by_path, fin()) as server:

        async def work() -> list[Recording]:
            transport = LiveTransport()
            names = ["large", "a", "b", "c"]
            requests = [
                HttpRequest(
                    method="GET", url=Url("http", "127.0.0.1", server.port, f"/{n}"), headers=()
                )
                for n in names
            ]
            found = await asyncio.gather(
                *(transport.exchange(r, limits(max_bodies=1_500_000)) for r in requests)
            )
            again = await transport.exchange(requests[1], limits(max_bodies=200_000))
            transport.close()
            return [*found, again]

        kinds = [recording.ending.kind for recording in run_async(work())]
    assert kinds == [EndKind.BODY_TOO_LARGE, *[EndKind.CLOSED] * 4]


@pytest.mark.parametrize("spread", [False, True])
def test_connections_are_spread_over_a_names_addresses(run_async: RunAsync, spread: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """In turn where that is asked for, else all to the first; each says how many there are."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(hostile(request(), send(CLOSE), fin())) for _ in range(3)]
        resolver = Resolver(1 if spread else None)
        addresses = [Address(socket.AF_INET, ("127.0.0.1", s.port)) for s in servers]
        resolver.remember("three.test", 80, addresses)
        request_ = HttpRequest(method="POST", url=Url("http", "three.test", 80, "/"), headers=())
        found = run_async(exchanges(LiveTransport(resolver=resolver), *[request_] * 6))
        counts = [server.accepted for server in servers]
    assert counts == ([2, 2, 2] if spread else [6, 0, 0])
    facts = [recording.connection for recording in found]
    assert {fact.addresses for fact in facts if fact} == {3}
    assert len({fact.remote for fact in facts if fact}) == (3 if spread else 1)


def test_kept_connections_to_all_addresses_have_their_turn(run_async: RunAsync) -> None:
    """The connection used longest ago is taken, so that no address is left out under load."""
    steps: list[Step] = [request(), send(answer(b"ok"))]
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(hostile(*steps * 4, silence())) for _ in range(2)]

        async def work() -> None:
            resolver = Resolver(0)
            addresses = [Address(socket.AF_INET, ("127.0.0.1", s.port)) for s in servers]
            resolver.remember("two.test", 80, addresses)
            transport = LiveTransport(resolver=resolver, probation=0)
            request_ = HttpRequest(method="POST", url=Url("http", "two.test", 80, "/"), headers=())
            await asyncio.gather(*(transport.exchange(request_, limits()) for _ in range(2)))
            for _ in range(4):
                await transport.exchange(request_, limits())
            transport.close()

        run_async(work())
        assert [len(server.requests) for server in servers] == [3, 3]


def test_a_run_says_which_addresses_it_measured() -> None:
    """Where a name has several and not all were used; silent where there is but one."""
    facts = ConnectionFacts(id=1, reused=False, remote="127.0.0.1:80", family="ipv4", addresses=3)
    records = [msgspec.structs.replace(record, connection=facts) for record in clean()]
    shown = repr(load_report(judged(records)))
    assert "1 of the name's 3 addresses: 127.0.0.1:80 (400)" in shown
    assert "--spread-addresses" in shown
    assert "addresses" not in repr(load_report(judged(clean())))


def test_an_answer_that_ends_within_its_head_is_told_from_none(run_async: RunAsync) -> None:
    """Bytes that came are not denied."""
    with hostile(request(), send(b"HTTP/1.1 200 OK\r\nContent-"), fin()) as server:
        recording = one(run_async, asked(server.port))
        assert server.accepted == 1
    assert recording.ending.kind is EndKind.TRUNCATED
    assert "within the head" in recording.ending.detail


def test_l1_a_hard_limit_of_files_is_told_before_anything_is_sent(tmp_path: pathlib.Path) -> None:
    """L1: what is needed, what there is, and what to change; a load that fits goes ahead."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    whole = STREAM + TOKENS + FINISH + DONE + b"0\r\n\r\n"
    with hostile(request(), send(whole), fin()) as server:
        url = f"http://127.0.0.1:{server.port}/v1"
        words = ("benchmark", "openai:m", "--base-url", url, "-p", "x", "--workers", "1")
        found = lll(*words, "-n", "300", "-c", str(hard), cwd=tmp_path)
        assert (found.code, server.accepted) == (2, 0)
        assert "open files" in found.err
        assert "--concurrency" in found.err
