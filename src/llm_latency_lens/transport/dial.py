"""Making a connection, phase by phase: DNS, TCP (both address families racing), proxy, TLS.

Each phase stamps its begin and end on the tape. What goes wrong is raised as `DialError`, which
carries how the recording ends; it never leaves this layer.
"""

import asyncio
import errno
import itertools
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar

from llm_latency_lens.model.recording import EndKind
from llm_latency_lens.model.request import Limits, Proxy, TlsOptions, Url
from llm_latency_lens.transport.connection import Connection
from llm_latency_lens.transport.link import Link
from llm_latency_lens.transport.origin import Origin
from llm_latency_lens.transport.poller import Poller
from llm_latency_lens.transport.proxy import ProxyRefused, open_tunnel
from llm_latency_lens.transport.resolve import Address, Resolver
from llm_latency_lens.transport.tape import Tape
from llm_latency_lens.transport.tls import TlsLayer, make_context
from llm_latency_lens.transport.tls_failure import handshake_failure

T = TypeVar("T")

_STAGGER_S = 0.25
"""Head start of an address over the next one (RFC 8305)."""

_KIND_OF_ERRNO = {
    errno.ECONNREFUSED: EndKind.REFUSED,
    errno.ECONNRESET: EndKind.RESET,
    errno.EPIPE: EndKind.RESET,
    errno.ETIMEDOUT: EndKind.CONNECT_TIMEOUT,
    errno.EMFILE: EndKind.CLIENT_ERROR,
    errno.ENFILE: EndKind.CLIENT_ERROR,
    errno.EADDRNOTAVAIL: EndKind.CLIENT_ERROR,
    errno.ENOBUFS: EndKind.CLIENT_ERROR,
    errno.ENOMEM: EndKind.CLIENT_ERROR,
}
"""Errors of `connect` that mean something in particular; any other is `UNREACHABLE`."""


class DialError(Exception):
    """A connection could not be made; `kind` and the message say how the recording ends."""

    def __init__(self, kind: EndKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class Dialer:
    """Makes connections for one TLS configuration and proxy; keeps sessions to resume."""

    def __init__(
        self,
        tls: TlsOptions,
        proxy: Proxy | None,
        poller: Poller,
        resolver: Resolver,
    ) -> None:
        self._tls = tls
        self._proxy = proxy
        self._poller = poller
        self._resolver = resolver
        self._context: ssl.SSLContext | None = None
        self._sessions: dict[tuple[str, int], ssl.SSLSession] = {}
        self._ids = itertools.count(1)

    def keep_session(self, url: Url, connection: Connection) -> None:
        """Remember the connection's TLS session, to resume it when dialling `url` again."""
        session = connection.tls_session
        if session is not None:
            self._sessions[url.host, url.port] = session

    async def dial(self, url: Url, tape: Tape, limits: Limits) -> Connection:
        """Connect to `url` within the connect timeout.

        Raises:
            DialError: with the kind of ending and the words for it.
        """
        allowed = min(limits.connect_timeout, limits.total_timeout)
        try:
            async with asyncio.timeout(allowed / 1e9):
                return await self._dial(url, tape)
        except TimeoutError:
            kind, words = self._late(url, tape)
            raise DialError(kind, f"{words} within {allowed / 1e9:g} s") from None

    def _late(self, url: Url, tape: Tape) -> tuple[EndKind, str]:
        """Which step of connecting did not end in time."""
        first = self._proxy.url if self._proxy else url
        if tape.at("tls_begin"):
            return EndKind.CONNECT_TIMEOUT, f"{url.authority} did not finish the TLS handshake"
        if tape.at("proxy_begin"):
            return EndKind.PROXY_FAILED, f"proxy {first.authority} did not answer CONNECT"
        if tape.at("tcp_begin"):
            kind, what = EndKind.CONNECT_TIMEOUT, f"no TCP connection to {first.authority}"
        else:
            kind, what = EndKind.DNS_FAILED, f"no address for {first.host}"
        return (EndKind.PROXY_FAILED, f"proxy: {what}") if self._proxy else (kind, what)

    def prepare(self, url: Url) -> None:
        """Load trust now, some 20 ms, so that no handshake's time contains it. Raises UsageError."""
        if "https" in {url.scheme, self._proxy.url.scheme if self._proxy else ""}:
            self._tls_context()

    def context_for(self, url: Url) -> ssl.SSLContext | None:
        """The TLS configuration of connections to `url`; None where they are plain."""
        return self._tls_context() if url.scheme == "https" else None

    async def _dial(self, url: Url, tape: Tape) -> Connection:
        self.prepare(url)
        try:
            addresses, sock, address = await self._connect(tape, url)
        except DialError as error:
            raise self._of_first_hop(error) from None
        packets = self._poller.packets
        try:
            link = Link(sock, packets.watch(sock) if packets is not None else None)
            if self._proxy is not None:
                await self._through_proxy(self._proxy, url, link, tape)
            if url.scheme == "https":
                tape.mark("tls_begin")
                await self._start_tls(link, url, self._sessions.get((url.host, url.port)))
                tape.mark("tls_end")
            alike = sum(other.family == address.family for other in addresses)
            origin = self._origin(address, alike)
            return Connection(link, origin, self._poller)
        except BaseException:
            sock.close()
            raise

    async def _connect(self, tape: Tape, url: Url) -> tuple[list[Address], socket.socket, Address]:
        """DNS and TCP, to the proxy where there is one."""
        first = self._proxy.url if self._proxy else url
        addresses = await self._resolve(first, tape)
        tape.mark("tcp_begin")
        sock, address = await _translated(lambda: _connect_any(addresses), first)
        self._poller.kernel.enable(sock)
        tape.mark("tcp_end")
        return addresses, sock, address

    def _of_first_hop(self, error: DialError) -> DialError:
        """What went wrong on the way to the proxy is the proxy's matter, unless it is this machine's."""
        if self._proxy is None or error.kind is EndKind.CLIENT_ERROR:
            return error
        return DialError(EndKind.PROXY_FAILED, f"proxy: {error.detail}")

    async def _start_tls(self, link: Link, url: Url, session: ssl.SSLSession | None = None) -> None:
        layer = TlsLayer(self._tls_context(), url.host, session)
        where = url.authority
        try:
            await link.start_tls(layer)
        except ssl.SSLError as error:
            raise DialError(*handshake_failure(error, layer.first, where)) from None
        except OSError as error:
            words = f"{where} broke off the TLS handshake: {error.strerror or error}"
            raise DialError(EndKind.TLS_FAILED, words) from None

    async def _resolve(self, url: Url, tape: Tape) -> list[Address]:
        literal = self._resolver.literal(url.host, url.port)
        if literal is not None:
            return [literal]
        known = self._resolver.cached(url.host, url.port)
        if known is not None:
            return known
        tape.mark("dns_begin")
        try:
            addresses = await self._resolver.resolve(url.host, url.port)
        except (OSError, UnicodeError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise DialError(EndKind.DNS_FAILED, f"can't resolve {url.host}: {words}") from None
        tape.mark("dns_end")
        return addresses

    async def _through_proxy(self, proxy: Proxy, url: Url, link: Link, tape: Tape) -> None:
        """TLS to the proxy where it speaks it, and a tunnel where the target does (RFC 9110, 9.3.6)."""
        if url.scheme == "http" and proxy.url.scheme == "http":
            return
        tape.mark("proxy_begin")
        if proxy.url.scheme == "https":
            try:
                await self._start_tls(link, proxy.url)
            except DialError as error:
                raise self._of_first_hop(error) from None
        if url.scheme == "https":
            try:
                await open_tunnel(link, proxy, url, tape.limits.max_head)
            except ProxyRefused as error:
                raise DialError(EndKind.PROXY_FAILED, str(error)) from None
        tape.mark("proxy_end")

    def _tls_context(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = make_context(self._tls)
        return self._context

    def _origin(self, address: Address, addresses: int) -> Origin:
        host, port = address.sockaddr[:2]
        family = "ipv6" if address.family == socket.AF_INET6 else "ipv4"
        host = f"[{host}]" if family == "ipv6" else host
        return Origin(
            id=next(self._ids),
            remote=f"{host}:{port}",
            family=family,
            proxy=self._proxy.url.authority if self._proxy else None,
            addresses=addresses,
        )


Connected = tuple[socket.socket, Address]


async def _connect_any(addresses: list[Address]) -> Connected:
    """Race the addresses, each with a head start over the next; the first to connect wins."""
    if len(addresses) == 1:
        return await _connect(addresses[0])
    waiting = list(addresses)
    racing: set[asyncio.Task[Connected]] = set()
    failures: list[BaseException] = []
    try:
        while waiting or racing:
            if waiting:
                racing.add(asyncio.create_task(_connect(waiting.pop(0))))
            done, racing = await asyncio.wait(
                racing, timeout=_STAGGER_S if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            winners = [task.result() for task in done if task.exception() is None]
            failures += [error for task in done if (error := task.exception()) is not None]
            for loser, _ in winners[1:]:
                loser.close()
            if winners:
                return winners[0]
    finally:
        await _abandon(racing)
    raise failures[0]


async def _abandon(racing: set[asyncio.Task[Connected]]) -> None:
    for task in racing:
        task.cancel()
    for result in await asyncio.gather(*racing, return_exceptions=True):
        if isinstance(result, tuple):
            result[0].close()


async def _connect(address: Address) -> Connected:
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock, address


async def _translated(step: Callable[[], Awaitable[T]], url: Url) -> T:
    """Foreign exceptions of connecting become ours."""
    where = url.authority
    try:
        return await step()
    except OSError as error:
        kind = _KIND_OF_ERRNO.get(error.errno or 0, EndKind.UNREACHABLE)
        words = os.strerror(error.errno) if error.errno else str(error)
        raise DialError(kind, f"{where}: {words}") from None
