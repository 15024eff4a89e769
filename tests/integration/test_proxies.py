"""Proxies: who gets the credentials, in which form targets are asked for, whose refusal it is. Row X1."""

import base64
import pathlib
import socket

import pytest
from tests.support.command import lll
from tests.support.exchanges import CLOSE, MS, RunAsync, asked, exchanges
from tests.support.hostile import (
    fin,
    hostile,
    request,
    send,
    silence,
)

from llm_latency_lens.model.recording import EndKind
from llm_latency_lens.model.request import Proxy, Url
from llm_latency_lens.transport.exchange import LiveTransport

CANARY = "canary-0123456789abcdef"


def through(port: int, authorization: str = "") -> LiveTransport:
    """A transport by way of a proxy."""
    return LiveTransport(
        proxy=Proxy(url=Url("http", "127.0.0.1", port), authorization=authorization)
    )


def test_x1_a_proxy_gets_its_credentials_and_the_whole_target(run_async: RunAsync) -> None:
    """X1: an http target is asked for in the absolute form, without a tunnel."""
    with hostile(request(), send(CLOSE), fin()) as proxy:
        transport = through(proxy.port, "Basic dTpw")
        (recording,) = run_async(exchanges(transport, asked(7)))
        head = proxy.requests[0].partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert recording.ending.kind is EndKind.COMPLETE
    assert head[0] == b"POST http://127.0.0.1:7/v1/x HTTP/1.1"
    assert b"Host: 127.0.0.1:7" in head
    assert head.count(b"Proxy-Authorization: Basic dTpw") == 1


@pytest.mark.parametrize(
    ("said", "authorization", "words"),
    [
        (b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", "", "no credentials were sent"),
        (b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", "Basic eDp5", "credentials were refused"),
        (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "", "no credentials were sent"),
        (b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n", "", "NTLM, Negotiate"),
        (b"HTTP/1.1 403 No\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n\r\n", "", "ERR_ACCESS_DENIED"),
        (b"HTTP/1.1 502 No\r\n\r\nno route to host", "", "no route to host"),
        (b"HTTP/1.1 405 No\r\n\r\n", "", "no CONNECT"),
        (b"SSH-2.0-OpenSSH\r\n", "", "is no HTTP proxy"),
        (b"", "", "without an answer"),
    ],
)  # fmt: skip
def test_what_a_proxy_refuses_is_said_of_the_proxy(
    run_async: RunAsync, said: bytes, authorization: str, words: str
) -> None:
    """CONNECT has the credentials; a refusal says what was sent, and the proxy's own reason."""
    with hostile(request(), *([send(said)] if said else []), fin()) as proxy:
        (recording,) = run_async(exchanges(through(proxy.port, authorization), asked(7, "https")))
        head = proxy.requests[0]
    assert head.startswith(b"CONNECT 127.0.0.1:7 HTTP/1.1\r\n")
    assert (b"Proxy-Authorization: " + authorization.encode() in head) == bool(authorization)
    assert recording.ending.kind is EndKind.PROXY_FAILED
    assert words in recording.ending.detail


def test_a_proxy_that_is_not_there_is_named(run_async: RunAsync) -> None:
    """Its refused connection is not the target's."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        (recording,) = run_async(exchanges(through(port), asked(7)))
    assert recording.ending.kind is EndKind.PROXY_FAILED
    assert f"proxy: 127.0.0.1:{port}" in recording.ending.detail


def test_a_proxy_that_is_silent_is_named(run_async: RunAsync) -> None:
    """The connect timeout says which step it ended."""
    with hostile(request(), silence()) as proxy:
        work = exchanges(through(proxy.port), asked(7, "https"), connect_timeout=100 * MS)
        (recording,) = run_async(work)
    assert recording.ending.kind is EndKind.PROXY_FAILED
    assert "did not answer CONNECT" in recording.ending.detail


def test_x1_a_proxys_password_is_nowhere(tmp_path: pathlib.Path) -> None:
    """X1: neither printed nor stored, in any form, though the peer sends it back in its words."""
    url = f"http://user:{CANARY}@127.0.0.1"
    token = base64.b64encode(f"user:{CANARY}".encode())
    body = b"denied " + token + b" " + CANARY.encode()
    said = b"HTTP/1.1 502 No\r\nX-Squid-Error: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        token,
        len(body),
        body,
    )
    with hostile(request(), send(said), fin()) as proxy:
        words = ("openai:m", "--base-url", "http://127.0.0.1:7/v1", "-p", "x", "--proxy", "env:PX")
        environment = {"PX": f"{url}:{proxy.port}"}
        found = [
            lll("benchmark", *words, "-n", "2", "--save-raw", cwd=tmp_path, env=environment),
            lll("profile", *words, "--json", cwd=tmp_path, env=environment),
        ]
        assert token in proxy.requests[0]
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    printed = [text.encode() for outcome in found for text in (outcome.out, outcome.err)]
    assert any(b"502" in text for text in printed)
    for secret in (CANARY.encode(), token):
        assert not [text for text in (*written, *printed) if secret in text]
