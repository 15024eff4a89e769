"""One request out, one Recording back: the transport's whole face.

`exchange` never raises for what the peer did; the recording says how it ended.
"""

import asyncio
import time
from typing import Protocol

import msgspec

from llm_latency_lens.model.recording import Ending, EndKind, Recording
from llm_latency_lens.model.request import HttpRequest, Limits, Proxy, TlsOptions, Url
from llm_latency_lens.transport.connection import Connection
from llm_latency_lens.transport.desync import AnswerIds
from llm_latency_lens.transport.dial import Dialer, DialError
from llm_latency_lens.transport.poller import Poller
from llm_latency_lens.transport.pool import PROBATION_NS, Pool
from llm_latency_lens.transport.probe import other_protocol
from llm_latency_lens.transport.proxy import proxy_headers
from llm_latency_lens.transport.resolve import Resolver
from llm_latency_lens.transport.tape import Tape


class Transport(Protocol):
    """Live sockets, or the replay of earlier recordings."""

    async def exchange(self, request: HttpRequest, limits: Limits) -> Recording:
        """Send `request`, receive until the end or a limit of `limits`."""
        ...


class LiveTransport:
    """HTTP/1.1 over real sockets in the running event loop; one for each measuring process.

    Args:
        tls: trust beyond the system's, and a client certificate.
        proxy: an HTTP(S) proxy to go through; the environment's proxies are never used.
        resolver: finds addresses; the system's, with a short memory, by default.
        reuse: keep connections for later requests; False dials for each.
        poller: reads the connections and stamps what comes; transports of one loop share theirs.
        probation: how long (ns) a first connection to a server must live before any is used again.
    """

    def __init__(
        self,
        tls: TlsOptions | None = None,
        proxy: Proxy | None = None,
        *,
        resolver: Resolver | None = None,
        reuse: bool = True,
        probation: int = PROBATION_NS,
        poller: Poller | None = None,
    ) -> None:
        self._poller = poller or Poller()
        self._proxy = proxy
        resolver = resolver or Resolver()
        self._dialer = Dialer(tls or TlsOptions(), proxy, self._poller, resolver)
        self._pool = Pool(probation, rotate=resolver.rotates)
        self._ids = AnswerIds()
        self._probe: asyncio.Task[tuple[EndKind, str] | None] | None = None
        self._reuse = reuse
        self._active: set[asyncio.Task[object]] = set()
        self._aborting = False

    async def exchange(self, request: HttpRequest, limits: Limits) -> Recording:
        """Send `request` over an idle connection or a new one, and record what comes back."""
        tape = Tape(limits, request.dialect, self._poller.bodies)
        total_at = time.monotonic_ns() + limits.total_timeout
        payload = serialise(request, self._proxy)
        task = asyncio.current_task()
        if task is not None:
            self._active.add(task)
        try:
            return await self._exchange(request.url, payload, tape, total_at)
        except DialError as error:
            return tape.recording(error.kind, error.detail)
        except asyncio.CancelledError:
            if not self._aborting:
                raise
            return tape.recording(EndKind.CANCELLED, "stopped by the user")
        finally:
            if task is not None:
                self._active.discard(task)

    async def reach(self, url: Url, limits: Limits) -> Recording:
        """Connect and close again; the recording has the marks of the connection's making."""
        tape = Tape(limits)
        try:
            connection = await self._dialer.dial(url, tape, limits)
        except DialError as error:
            return tape.recording(error.kind, error.detail)
        connection.close()
        return tape.recording(EndKind.COMPLETE)

    def prepare(self, url: Url) -> None:
        """Do beforehand what the first connection to `url` would have to: load trust for TLS.

        Raises:
            UsageError: a certificate file can't be read.
        """
        self._dialer.prepare(url)

    @property
    def idle_connections(self) -> int:
        """How many kept connections are alive."""
        return self._pool.size

    def abort(self) -> None:
        """End every exchange that is under way; each returns its recording, cancelled."""
        self._aborting = True
        for task in self._active:
            task.cancel()

    def close(self) -> None:
        """Close all idle connections."""
        self._pool.close()
        if self._probe is not None:
            self._probe.cancel()

    async def _exchange(self, url: Url, payload: bytes, tape: Tape, total_at: int) -> Recording:
        connection = self._pool.take(url) if self._reuse else None
        if connection is None:
            connection = await self._dialer.dial(url, tape, tape.limits)
        recording = await connection.roundtrip(payload, tape, total_at)
        if recording.ending.kind is EndKind.STALE_CONNECTION:
            self._pool.distrust(url)
        if recording.head is None:
            recording = await self._explained(recording, connection, url)
        else:
            recording = self._checked(recording, connection, payload)
            self._dialer.keep_session(url, connection)
        if not connection.alive:
            self._ids.forget(connection.origin.id)
        elif self._reuse:
            self._pool.give(url, connection)
        else:
            connection.close()
        return recording

    async def _explained(self, recording: Recording, connection: Connection, url: Url) -> Recording:
        """The recording; where a new connection was closed without a byte, with the reason if it shows."""
        facts, origin = recording.connection, connection.origin
        closed = recording.ending.kind in (EndKind.TRUNCATED, EndKind.RESET)
        if not closed or facts is None or origin.proxy is not None or connection.answering:
            return recording
        if self._probe is None:
            address = origin.remote.rpartition(":")[0].strip("[]")
            work = other_protocol(url, address, self._dialer.context_for(url))
            self._probe = asyncio.create_task(work)
        found = await asyncio.shield(self._probe)
        if found is None:
            return recording
        kind, words = found
        detail = f"{recording.ending.detail}: {words}"
        return msgspec.structs.replace(recording, ending=Ending(kind, detail))

    def _checked(self, recording: Recording, connection: Connection, payload: bytes) -> Recording:
        """The recording; where its answer has been given before, it and the connection are not used."""
        if not self._ids.repeats(connection.origin.id, payload, recording):
            return recording
        connection.close()
        words = "the answer has the id of the one before it on this connection, to another request"
        return msgspec.structs.replace(recording, ending=Ending(EndKind.DESYNCHRONISED, words))


def serialise(request: HttpRequest, proxy: Proxy | None = None) -> bytes:
    """The bytes of an HTTP/1.1 request: head and body; what goes to a proxy in plain names its target."""
    url, target = request.url, request.url.path or "/"
    lines: list[str] = []
    if proxy is not None and url.scheme == "http":
        target = f"{url.scheme}://{url.authority}{target}"
        lines = proxy_headers(proxy)
    if not any(name.lower() == "host" for name, _ in request.headers):
        lines.insert(0, f"Host: {url.authority}")
    lines.insert(0, f"{request.method} {target} HTTP/1.1")
    lines += [f"{name}: {value}" for name, value in request.headers]
    if request.body or request.method == "POST":
        lines.append(f"Content-Length: {len(request.body)}")
    lines += ["", ""]
    return "\r\n".join(lines).encode("latin-1") + request.body
