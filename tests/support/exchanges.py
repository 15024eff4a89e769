"""Exchanges over the live transport with scripted servers, and the answers that these send."""

import pathlib
import ssl
from collections.abc import Callable
from typing import Any

import trustme

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.model.recording import Recording
from llm_latency_lens.model.request import HttpRequest, Limits, TlsOptions, Url
from llm_latency_lens.transport.exchange import LiveTransport
from llm_latency_lens.transport.pool import PROBATION_NS
from llm_latency_lens.units import MonoNs

RunAsync = Callable[[Any], Any]
MS = 1_000_000
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


def event(data: bytes) -> bytes:
    """One server-sent event in a chunk of its own."""
    body = b"data: " + data + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(body), body)


def answer(body: bytes) -> bytes:
    """A whole answer."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


TOKENS = event(b'{"choices":[{"index":0,"delta":{"content":"a"}}]}')
FINISH = event(b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}')
DONE = event(b"[DONE]")
LAST = b"0\r\n\r\n"


def asked(port: int, scheme: str = "http", body: bytes = b"{}") -> HttpRequest:
    """A request of OpenAI's dialect."""
    url = Url(scheme, "127.0.0.1", port, "/v1/x")
    return HttpRequest(method="POST", url=url, headers=(), body=body, dialect="openai_chat")


def limits(**changes: int) -> Limits:
    """Short deadlines."""
    deadlines = {
        "connect_timeout": 3000 * MS,
        "idle_timeout": 3000 * MS,
        "total_timeout": 8000 * MS,
    }
    return Limits(**{**deadlines, **changes})


async def exchanges(
    transport: LiveTransport, *requests: HttpRequest, **changes: int
) -> list[Recording]:
    """One after the other, each well after the probation of the one before."""
    clock, found = SystemClock(), []
    try:
        for request in requests:
            found.append(await transport.exchange(request, limits(**changes)))
            await clock.sleep_until(MonoNs(clock.now() + 2 * PROBATION_NS))
    finally:
        transport.close()
        clock.close()
    return found


def one(run_async: RunAsync, request: HttpRequest, **changes: int) -> Recording:
    """A single exchange over a transport of its own."""
    found: list[Recording] = run_async(exchanges(LiveTransport(), request, **changes))
    return found[0]


def server_context(folder: pathlib.Path) -> tuple[ssl.SSLContext, TlsOptions]:
    """A server's certificate, and the trust in it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, TlsOptions(ca_file=str(folder / "ca.pem"))
