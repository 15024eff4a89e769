"""libcurl as an independent oracle of our phases: the same server, the same work, taken in turns."""

import pathlib

import pycurl
import pytest
from tests.integration.test_transport_tls import Pki
from tests.support.hostile import hostile, request, send, silence, wait

from llm_latency_lens.model.request import HttpRequest, Limits, TlsOptions, Url
from llm_latency_lens.profiler import run
from llm_latency_lens.transport.exchange import LiveTransport

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
ROUNDS = 15


def by_curl(url: str, ca_file: str | None) -> dict[str, float]:
    """Phases in seconds as libcurl has them, from the start of the transfer."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.POSTFIELDS, "{}")
    curl.setopt(pycurl.FRESH_CONNECT, 1)
    curl.setopt(pycurl.WRITEFUNCTION, lambda _: None)
    curl.setopt(pycurl.SSL_SESSIONID_CACHE, 0)
    if ca_file:
        curl.setopt(pycurl.CAINFO, ca_file)
    curl.perform()
    connect = curl.getinfo(pycurl.CONNECT_TIME)
    tls = curl.getinfo(pycurl.APPCONNECT_TIME)
    ready = max(connect, tls)
    found = {
        "tcp": connect - curl.getinfo(pycurl.NAMELOOKUP_TIME),
        "tls": tls - connect if tls else 0.0,
        "first byte": curl.getinfo(pycurl.STARTTRANSFER_TIME) - ready,
    }
    curl.close()
    return found


def by_us(url: Url, ca_file: str | None) -> dict[str, float]:
    """The same phases as we mark them."""

    async def work() -> dict[str, float]:
        transport = LiveTransport(TlsOptions(ca_file=ca_file), reuse=False)
        asked = HttpRequest(method="POST", url=url, headers=(), body=b"{}")
        recording = await transport.exchange(asked, Limits())
        transport.close()
        m = recording.marks
        assert m.tcp_begin is not None
        assert m.tcp_end is not None
        assert m.sent is not None
        assert m.head is not None
        tls = (m.tls_end - m.tls_begin) if m.tls_end and m.tls_begin else 0
        return {
            "tcp": (m.tcp_end - m.tcp_begin) / 1e9,
            "tls": tls / 1e9,
            "first byte": (m.head - m.sent) / 1e9,
        }

    return run(work())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_w43_phases_agree_with_libcurl(tmp_path: pathlib.Path, scheme: str) -> None:
    """W43: the least of TCP, TLS and first byte agree within 3 ms; the server thinks for 30 ms."""
    pki = Pki(tmp_path) if scheme == "https" else None
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    with hostile(
        request(), wait(0.03), send(ANSWER), silence(), tls=pki.server if pki else None
    ) as server:
        ca_file = pki.ca_file if pki else None
        for _ in range(ROUNDS):
            theirs.append(by_curl(f"{scheme}://127.0.0.1:{server.port}/", ca_file))
            ours.append(by_us(Url(scheme, "127.0.0.1", server.port, "/"), ca_file))
    for phase in ("tcp", "tls", "first byte"):
        mine = min(found[phase] for found in ours)
        curls = min(found[phase] for found in theirs)
        assert mine == pytest.approx(curls, abs=0.003), phase
    assert min(found["first byte"] for found in ours) >= 0.03
