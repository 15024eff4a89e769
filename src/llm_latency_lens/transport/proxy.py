"""An HTTP proxy: a tunnel for https targets, the absolute form for http ones (RFC 9112, 3.2).

Only the proxy gets Proxy-Authorization: within CONNECT, or beside an absolute target, where it takes it out.
"""

from llm_latency_lens.model.recording import Head
from llm_latency_lens.model.request import Proxy, Url
from llm_latency_lens.transport.link import Link
from llm_latency_lens.transport.response import Response

_LONGEST_WORDS = 200
_BASIC = "basic"


class ProxyRefused(Exception):  # noqa: N818 - what happened, not a fault of this program
    """The proxy made no tunnel; the message says why."""


def proxy_headers(proxy: Proxy | None) -> list[str]:
    """The header lines that the proxy alone is sent."""
    if proxy is None or not proxy.authorization:
        return []
    return [f"Proxy-Authorization: {proxy.authorization}"]


async def open_tunnel(link: Link, proxy: Proxy, url: Url, max_head: int) -> None:
    """Have the proxy connect to the host of `url`.

    Raises:
        ProxyRefused: it did not, or it is no proxy.
    """
    host = f"[{url.host}]" if ":" in url.host else url.host
    where = f"{host}:{url.port}"
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}", *proxy_headers(proxy), "", ""]
    response = Response(max_head)
    name = f"proxy {proxy.url.authority}"
    try:
        await link.send("\r\n".join(lines).encode("latin-1"))
        while response.head is None and response.failure is None:
            data = await link.receive()
            if not data:
                break
            response.feed(data)
    except OSError as error:
        raise ProxyRefused(f"{name}: {error.strerror or error}") from None
    if response.failure is not None:
        raise ProxyRefused(f"{name} is no HTTP proxy: {response.failure[1]}")
    if response.head is None:
        raise ProxyRefused(f"{name} closed the connection without an answer to CONNECT")
    if not 200 <= response.head.status < 300:
        words = refusal(response.head, sent=bool(proxy.authorization))
        raise ProxyRefused(f"{name} answered {words} to CONNECT {where}{_said(response)}")


def refusal(head: Head, *, sent: bool) -> str:
    """A proxy's status in words; `sent`: it was sent credentials."""
    status = head.status
    if status in {401, 407}:
        schemes = [
            value.split(" ")[0] for name, value in head.headers if name == "proxy-authenticate"
        ]
        if schemes and _BASIC not in (scheme.lower() for scheme in schemes):
            return f"{status} (it wants {', '.join(schemes)}; this tool can send Basic by itself)"
        return (
            f"{status} (the credentials were refused)"
            if sent
            else f"{status} (no credentials were sent)"
        )
    return f"{status} ({_MEANING[status]})" if status in _MEANING else str(status)


_MEANING = {
    403: "it forbids this host or port",
    404: "no proxy listens there, or it does not know the host",
    405: "it allows no CONNECT",
    501: "it allows no CONNECT",
    502: "it could not reach the host",
    503: "it could not reach the host",
    504: "it could not reach the host in time",
}


def _said(response: Response) -> str:
    """The proxy's own account, where it gives one."""
    head = response.head
    told = head and (head.get("x-squid-error") or head.get("proxy-status"))
    if told:
        return f": {told}"
    text = response.body[:_LONGEST_WORDS].decode("utf-8", "replace")
    return f": {text}" if text and "<" not in text else ""
