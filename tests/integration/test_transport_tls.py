"""TLS and proxies: verified always, resumed visibly, stamped by the kernel all the same. Row X3."""

import pathlib
import ssl
import sys
from collections.abc import Callable
from typing import Any

import pytest
import trustme
from tests.support.hostile import fin, hostile, request, send, silence
from tests.support.proxy import proxy

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.recording import EndKind, Recording
from llm_latency_lens.model.request import HttpRequest, Limits, Proxy, TlsOptions, Url
from llm_latency_lens.transport.exchange import LiveTransport
from llm_latency_lens.transport.tls import make_context

RunAsync = Callable[[Any], Any]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
LIMITS = Limits(connect_timeout=5_000_000_000, idle_timeout=5_000_000_000)


class Pki:
    """A certificate authority, a server's certificate, and the authority's file."""

    def __init__(self, folder: pathlib.Path, name: str = "127.0.0.1") -> None:
        self.authority = trustme.CA()
        self.ca_file = str(folder / f"ca-{name}.pem")
        self.authority.cert_pem.write_to_path(self.ca_file)
        self.server = self.context(name)

    def context(self, name: str) -> ssl.SSLContext:
        """A server's TLS context for `name`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(name).configure_cert(context)
        return context


@pytest.fixture
def pki(tmp_path: pathlib.Path) -> Pki:
    """A fresh authority for each test."""
    return Pki(tmp_path)


async def exchange(
    port: int, tls: TlsOptions, through: Proxy | None = None, *, count: int = 1, reuse: bool = True
) -> list[Recording]:
    """HTTPS exchanges one after the other."""
    transport = LiveTransport(tls, through, reuse=reuse)
    asked = HttpRequest(
        method="POST", url=Url("https", "127.0.0.1", port, "/"), headers=(), body=b"{}"
    )
    try:
        return [await transport.exchange(asked, LIMITS) for _ in range(count)]
    finally:
        transport.close()


def test_tls_is_stamped_and_described(run_async: RunAsync, pki: Pki) -> None:
    """The handshake has marks of its own, reads keep the kernel's stamp."""
    with hostile(request(), send(ANSWER), silence(), tls=pki.server) as server:
        recording = run_async(exchange(server.port, TlsOptions(ca_file=pki.ca_file)))[0]
    marks, facts = recording.marks, recording.connection
    assert recording.body == b"hello"
    assert None not in {marks.tls_begin, marks.tls_end, marks.tcp_end, marks.sent}
    assert (
        (marks.tcp_end or 0) <= (marks.tls_begin or 0) < (marks.tls_end or 0) <= (marks.sent or 0)
    )
    assert facts is not None
    assert (facts.tls_version, facts.tls_resumed) == ("TLSv1.3", False)
    if sys.platform == "linux":
        assert all(recording.read_rows().tolist()[2::4])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_second_connection_resumes_and_says_so(
    run_async: RunAsync, pki: Pki, version: ssl.TLSVersion
) -> None:
    """Full first, resumed then, in both versions of TLS."""
    pki.server.maximum_version = version
    with hostile(request(), send(ANSWER), silence(), tls=pki.server) as server:
        found = run_async(
            exchange(server.port, TlsOptions(ca_file=pki.ca_file), count=2, reuse=False)
        )
        assert server.accepted == 2
    assert [r.connection.tls_resumed for r in found if r.connection] == [False, True]


def test_x3_an_unknown_authority_is_refused(run_async: RunAsync, pki: Pki) -> None:
    """X3: and the words say what can't be trusted."""
    with hostile(request(), send(ANSWER), fin(), tls=pki.server) as server:
        recording = run_async(exchange(server.port, TlsOptions()))[0]
        assert server.requests == []
    assert recording.ending.kind is EndKind.TLS_FAILED
    assert "can't be trusted" in recording.ending.detail


def test_x3_a_wrong_host_is_refused(run_async: RunAsync, tmp_path: pathlib.Path) -> None:
    """X3: a certificate for another name."""
    pki = Pki(tmp_path, "other.example")
    with hostile(request(), send(ANSWER), fin(), tls=pki.server) as server:
        recording = run_async(exchange(server.port, TlsOptions(ca_file=pki.ca_file)))[0]
        assert server.requests == []
    assert recording.ending.kind is EndKind.TLS_FAILED


def test_x3_an_old_tls_is_refused(run_async: RunAsync, pki: Pki) -> None:
    """X3: a peer that speaks no TLS at all, or gives up in the handshake."""
    with hostile(send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), fin()) as server:
        recording = run_async(exchange(server.port, TlsOptions(ca_file=pki.ca_file)))[0]
    assert recording.ending.kind is EndKind.NOT_TLS
    assert "HTTP/1.1 400 Bad Request" in recording.ending.detail


def test_a_client_certificate_is_shown_when_asked(
    run_async: RunAsync, pki: Pki, tmp_path: pathlib.Path
) -> None:
    """Without it the server hangs up; with it it answers."""
    pki.server.verify_mode = ssl.CERT_REQUIRED
    pki.authority.configure_trust(pki.server)
    mine = pki.authority.issue_cert("me@example.org")
    chain, key = str(tmp_path / "me.pem"), str(tmp_path / "me.key")
    mine.cert_chain_pems[0].write_to_path(chain)
    mine.private_key_pem.write_to_path(key)
    with hostile(request(), send(ANSWER), silence(), tls=pki.server) as server:
        without = run_async(exchange(server.port, TlsOptions(ca_file=pki.ca_file)))[0]
    with hostile(request(), send(ANSWER), silence(), tls=pki.server) as server:
        options = TlsOptions(ca_file=pki.ca_file, client_certificate=chain, client_key=key)
        shown = run_async(exchange(server.port, options))[0]
    assert without.ending.kind is not EndKind.COMPLETE
    assert shown.ending.kind is EndKind.COMPLETE


@pytest.mark.parametrize(
    "options", [TlsOptions(ca_file="none.pem"), TlsOptions(client_certificate="none.pem")]
)
def test_unreadable_certificates_are_refused_before_anything_is_sent(options: TlsOptions) -> None:
    """In one line."""
    with pytest.raises(UsageError, match=r"none\.pem"):
        make_context(options)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_through_a_proxy(run_async: RunAsync, pki: Pki, scheme: str) -> None:
    """CONNECT through a plain and a TLS proxy; TLS to the target runs inside."""
    tls = pki.server if scheme == "https" else None
    with (
        proxy(tls) as between,
        hostile(request(), send(ANSWER), silence(), tls=pki.server) as server,
    ):
        through = Proxy(url=Url(scheme, "127.0.0.1", between.port))
        recording = run_async(exchange(server.port, TlsOptions(ca_file=pki.ca_file), through))[0]
        assert between.tunnels == [f"127.0.0.1:{server.port}"]
    assert (recording.ending.kind, recording.body) == (EndKind.COMPLETE, b"hello")
    assert recording.marks.proxy_end is not None
    assert recording.connection is not None
    assert recording.connection.proxy == f"127.0.0.1:{between.port}"


def test_a_proxy_that_refuses(run_async: RunAsync, pki: Pki) -> None:
    """Its answer is named; nothing reaches the target."""
    with proxy(status=b"403 Forbidden") as between, hostile(request(), tls=pki.server) as server:
        through = Proxy(url=Url("http", "127.0.0.1", between.port))
        recording = run_async(exchange(server.port, TlsOptions(ca_file=pki.ca_file), through))[0]
        assert server.accepted == 0
    assert recording.ending.kind is EndKind.PROXY_FAILED
    assert "403" in recording.ending.detail
