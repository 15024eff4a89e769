"""Uploads on real sockets: `send` returns at once, the peer's acknowledgement does not."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import msgspec
from tests.integration.test_transport import http, limits

from llm_latency_lens.model.recording import EndKind, Recording
from llm_latency_lens.transport.exchange import LiveTransport
from llm_latency_lens.transport.upload import FIRST_FLIGHT

MS = 1_000_000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.contextmanager
def slow_reader(size: int, pause: float) -> Iterator[int]:
    """A server that reads requests of `size` body bytes in pieces of 16 KB, one every `pause` seconds."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        server.bind(("127.0.0.1", 0))
        server.listen()

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                pacing = threading.Event()
                for _ in range(2):
                    received = b""
                    while len(received.partition(b"\r\n\r\n")[2]) < size:
                        piece = peer.recv(16384)
                        if not piece:
                            return
                        received += piece
                        pacing.wait(pause)
                    peer.sendall(ANSWER)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


async def posted(port: int, size: int, transport: LiveTransport, **changes: int) -> Recording:
    """The recording of a request with `size` body bytes."""
    request = msgspec.structs.replace(http(port), method="POST", body=b"x" * size)
    return await transport.exchange(request, limits(**changes))


def uploading(recording: Recording) -> int:
    """From sent to acknowledged, in ns."""
    marks = recording.marks
    assert marks.sent is not None
    assert marks.uploaded is not None
    return marks.uploaded - marks.sent


async def test_a_slow_upload_is_measured_by_its_acknowledgement() -> None:
    """800 KB that are read over half a second: taken by the kernel early, acknowledged late; twice."""
    size = 800_000
    with slow_reader(size, 0.01) as port:
        transport = LiveTransport(probation=0)
        recordings = [await posted(port, size, transport) for _ in range(2)]
        transport.close()
    for recording in recordings:
        marks = recording.marks
        assert uploading(recording) > 200 * MS
        assert marks.head is not None
        assert marks.uploaded is not None
        assert marks.uploaded <= marks.head
    assert recordings[1].connection is not None
    assert recordings[1].connection.reused


async def test_a_small_request_is_not_watched() -> None:
    """What fits into the first flight has no upload of its own, and costs no system call."""
    with slow_reader(100, 0.0) as port:
        transport = LiveTransport()
        recording = await posted(port, 100, transport)
        transport.close()
    assert recording.marks.uploaded is None
    assert FIRST_FLIGHT > 100


async def test_kernel_stamps_of_arrivals_go_on_while_uploads_are_watched() -> None:
    """The answer to a large request still has the kernel's stamp."""
    size = 100_000
    with slow_reader(size, 0.0) as port:
        transport = LiveTransport()
        recording = await posted(port, size, transport)
        transport.close()
    rows = recording.read_rows().tolist()
    assert all(rows[2::4])


async def test_an_upload_that_goes_on_is_not_silence() -> None:
    """The kernel takes 800 KB at once; the peer takes them over a second, and then answers."""
    size = 800_000
    with slow_reader(size, 0.02) as port:
        transport = LiveTransport(probation=0)
        recording = await posted(port, size, transport, idle_timeout=400 * MS)
        transport.close()
    assert recording.ending.kind is EndKind.COMPLETE
    assert uploading(recording) > 500 * MS


async def test_a_peer_that_stops_reading_is_silent() -> None:
    """Probes of a full window are acknowledged for ever; the request's bytes are not."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        server.bind(("127.0.0.1", 0))
        server.listen()
        transport = LiveTransport(probation=0)
        port = server.getsockname()[1]
        recording = await posted(port, 8_000_000, transport, idle_timeout=300 * MS)
        transport.close()
    assert recording.ending.kind is EndKind.IDLE_TIMEOUT
