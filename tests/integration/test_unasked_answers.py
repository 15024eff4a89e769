"""Answers that were not asked for: noticed where they can be, the connection dropped, the record not ok. Row W40."""

import json
import pathlib
import socket
import threading

import pytest
from tests.support.command import lll
from tests.support.exchanges import RunAsync, answer, asked, exchanges, limits, server_context
from tests.support.hostile import (
    Peer,
    Step,
    hostile,
    request,
    send,
    silence,
)

from llm_latency_lens.model.recording import EndKind, Recording
from llm_latency_lens.model.request import TlsOptions
from llm_latency_lens.transport.connection import Connection
from llm_latency_lens.transport.dial import Dialer
from llm_latency_lens.transport.exchange import LiveTransport
from llm_latency_lens.transport.poller import Poller
from llm_latency_lens.transport.resolve import Resolver
from llm_latency_lens.transport.tape import Tape


def after(event_: threading.Event) -> Step:
    """Say that the script has come this far."""
    return lambda _: event_.set()


async def dialled(port: int) -> tuple[Connection, Poller]:
    """A connection without the pool, which would look at it before it is used."""
    poller = Poller()
    dialer = Dialer(TlsOptions(), None, poller, Resolver())
    url = asked(port).url
    return await dialer.dial(url, Tape(limits()), limits()), poller


def test_w40_bytes_before_the_request_are_no_answer(run_async: RunAsync) -> None:
    """W40: an answer that was there before the request was sent, on a new connection."""
    there = threading.Event()
    with hostile(send(answer(b"stale")), after(there), request(), silence()) as server:

        async def work() -> Recording:
            connection, _ = await dialled(server.port)
            there.wait(5)
            # The loop has not run since: nothing was read.
            recording = await connection.roundtrip(
                b"GET / HTTP/1.1\r\n\r\n", Tape(limits()), 1 << 62
            )
            assert not connection.alive
            return recording

        recording = run_async(work())
    assert recording.ending.kind is EndKind.DESYNCHRONISED
    assert recording.body == b""


def test_w40_a_farewell_to_an_idle_connection_is_no_desynchronisation(run_async: RunAsync) -> None:
    """W40: some servers send a 408 as they give an idle connection up; that connection is stale."""
    there = threading.Event()
    farewell = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    script = [request(), send(answer(b"mine")), send(farewell), after(there), silence()]
    with hostile(*script) as server:

        async def work() -> list[Recording]:
            connection, _ = await dialled(server.port)
            payload = b"GET / HTTP/1.1\r\n\r\n"
            found = [await connection.roundtrip(payload, Tape(limits()), 1 << 62)]
            there.wait(5)
            if connection.alive:
                found.append(await connection.roundtrip(payload, Tape(limits()), 1 << 62))
            connection.close()
            return found

        found = run_async(work())
    assert found[0].body == b"mine"
    assert {r.ending.kind for r in found[1:]} <= {EndKind.STALE_CONNECTION}


def numbered(number: int, model: bytes = b"m") -> bytes:
    """An answer with an id of its own."""
    return answer(b'data: {"id":"c-%d","model":"%s","choices":[]}\n\n' % (number, model))


def test_w40_an_id_that_repeats_to_another_request_is_no_answer(run_async: RunAsync) -> None:
    """W40: the second copy of an answer looks like the answer to the next request; the connection is dropped."""
    ids = [1, 2, 2, 3]
    script = [step for number in ids for step in (request(), send(numbered(number)))]
    with hostile(*script, silence()) as server:
        requests = [asked(server.port, body=b'{"n":%d}' % n) for n in range(4)]
        found = run_async(exchanges(LiveTransport(), *requests))
        assert server.accepted == 2
    kinds = [recording.ending.kind for recording in found]
    assert kinds == [*[EndKind.COMPLETE] * 2, EndKind.DESYNCHRONISED, EndKind.COMPLETE]


@pytest.mark.parametrize("ids", [[1, 1, 1, 1], [1, 2, 2, 2]])
def test_w40_ids_that_say_nothing_condemn_nobody(run_async: RunAsync, ids: list[int]) -> None:
    """W40: a server with one id for all, and a cache that repeats its answer to the same request."""
    script = [step for number in ids for step in (request(), send(numbered(number)))]
    bodies = range(4) if len(set(ids)) == 1 else [0, 1, 1, 1]
    with hostile(*script, silence()) as server:
        requests = [asked(server.port, body=b'{"n":%d}' % n) for n in bodies]
        found = run_async(exchanges(LiveTransport(), *requests))
    assert {recording.ending.kind for recording in found} == {EndKind.COMPLETE}


def test_w40_a_desynchronised_answer_is_not_ok(tmp_path: pathlib.Path) -> None:
    """W40: though it is whole; the words say why."""
    whole = (
        b'data: {"id":"i%d","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}'
    )
    bodies = [whole % number + b"\n\ndata: [DONE]\n\n" for number in (1, 2, 2)]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
    script = [step for body in bodies for step in (request(), send(head % len(body) + body))]
    with hostile(*script, silence()) as server:
        url = f"http://127.0.0.1:{server.port}/v1"
        words = (
            "-p",
            "x",
            "-n",
            "3",
            "--rate",
            "20/s",
            "--arrival",
            "constant",
            "--warmup",
            "0",
            "--json",
        )
        found = lll("benchmark", "openai:m", "--base-url", url, *words, cwd=tmp_path)
    result = json.loads(found.out)
    assert result["outcomes"]["ok"] == 2
    assert [failure["cause"] for failure in result["failures"]] == ["desynchronised"]


def test_w40_an_unasked_answer_over_tls_spoils_an_idle_connection(
    run_async: RunAsync, tmp_path: pathlib.Path
) -> None:
    """W40: what waits in the socket is looked at before the connection is used again."""
    context, tls = server_context(tmp_path)
    there = threading.Event()
    script = [request(), send(answer(b"mine")), send(answer(b"evil")), after(there), silence()]
    with hostile(*script, tls=context) as server:

        async def work() -> list[Recording]:
            transport = LiveTransport(tls, probation=0)
            first = await transport.exchange(asked(server.port, "https"), limits())
            there.wait(5)
            second = await transport.exchange(asked(server.port, "https"), limits())
            transport.close()
            return [first, second]

        found = run_async(work())
        assert server.accepted == 2
    assert [recording.body for recording in found] == [b"mine", b"mine"]


def test_an_answer_before_the_whole_request_was_sent_ends_the_connection(
    run_async: RunAsync,
) -> None:
    """What is left of the request would be taken for the next one."""

    def head_only(peer: Peer) -> None:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.sock.recv(1000)

    refusal = b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"
    with hostile(head_only, send(refusal), silence()) as server:
        large = asked(server.port, body=b"x" * 20_000_000)
        found = run_async(exchanges(LiveTransport(), large, large))
        assert server.accepted == 2
    assert [recording.head.status for recording in found if recording.head] == [413, 413]
