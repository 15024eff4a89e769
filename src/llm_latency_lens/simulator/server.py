"""The simulated server: requests in, answers scheduled, everything written down."""

import asyncio
import itertools
import os
import socket

from llm_latency_lens.errors import MachineError, StoreError
from llm_latency_lens.simulator.asked import BadRequestError
from llm_latency_lens.simulator.batching_drive import BatchingDrive
from llm_latency_lens.simulator.connection import Arrived, Connection, Handlers
from llm_latency_lens.simulator.fault import Fault
from llm_latency_lens.simulator.faulty import outlet_of
from llm_latency_lens.simulator.framing import json_response
from llm_latency_lens.simulator.latency import generator, token_instants
from llm_latency_lens.simulator.ledger import Entry, Lag, LedgerHeader, LedgerWriter
from llm_latency_lens.simulator.pacer import Pacer
from llm_latency_lens.simulator.reply import (
    Refusal,
    Reply,
    bad_request,
    faults_of,
    key_of,
    make_reply,
    refusal_of,
)
from llm_latency_lens.simulator.routes import HEALTH, MODELS, Route, route
from llm_latency_lens.simulator.spec import SimulatorSpec
from llm_latency_lens.simulator.stamp import WallMap, ask_for_stamps, now
from llm_latency_lens.simulator.stream import Stream

_FLUSH_S = 0.02
_QUIET_NS = 2_000_000
_FLUSH_QUIET = 10_000
_FLUSH_BUSY, _FLUSH_SHARE = 1_000, 50
"""How many recorded writes a flush deals with: where nothing is due soon, and under load, where a fiftieth
of what waits is the least, so that nothing grows without end. A thousand take about 0.2 ms."""
_ACCEPT_AGAIN_S = 0.05


class Simulator:
    """A server on loopback in the running loop. `address` once started; `close` flushes the ledger."""

    def __init__(self, spec: SimulatorSpec) -> None:
        self.spec = spec
        self.requests = 0
        self.tokens = 0
        self._loop = asyncio.get_running_loop()
        self._pacer = Pacer(self._loop)
        self._wall = WallMap()
        self._connections: set[Connection] = set()
        self._connection_numbers = itertools.count(1)
        self._streams: dict[int, Stream] = {}  # by the connection's number
        self._idle_since: int | None = None
        self._flush: asyncio.TimerHandle | None = None
        self._accept_again: asyncio.TimerHandle | None = None
        self._handlers = Handlers(self._on_request, self._on_close)
        self._key = key_of(spec)
        self._engine = BatchingDrive(spec.batching, self._pacer) if spec.batching else None
        self._listener = _listen(spec.host, spec.port)
        header = LedgerHeader(spec, os.getpid(), now())
        try:
            self._ledger = LedgerWriter(spec.ledger, header)
        except StoreError:
            self._listener.close()
            raise

    @property
    def address(self) -> str:
        """The base URL, without a path."""
        host = f"[{self.spec.host}]" if ":" in self.spec.host else self.spec.host
        return f"http://{host}:{self._listener.getsockname()[1]}"

    @property
    def lag(self) -> Lag:
        """How late writes were, of all answers dealt with so far; of all there were, once closed."""
        return self._ledger.lags.summary()

    def start(self) -> None:
        """Accept connections."""
        self._loop.add_reader(self._listener, self._on_accept)
        self._flush_soon()

    def close(self) -> None:
        """Close every connection, write the ledger's end."""
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for connection in list(self._connections):
            connection.close("server_stopped")
        self._pacer.close()
        if self._engine is not None:
            self._engine.close()
        for timer in (self._flush, self._accept_again):
            if timer is not None:
                timer.cancel()
        self._ledger.close()

    def _on_accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:
                # No file descriptor is free: the listener stays readable, so look away for a moment.
                self._loop.remove_reader(self._listener)
                self._accept_again = self._loop.call_later(_ACCEPT_AGAIN_S, self._accept)
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = next(self._connection_numbers)
            self._connections.add(Connection(sock, number, self._wall, self._handlers))

    def _accept(self) -> None:
        self._loop.add_reader(self._listener, self._on_accept)

    def _on_close(self, connection: Connection, how: str) -> None:
        self._connections.discard(connection)
        stream = self._streams.get(connection.number)
        if stream is not None:
            stream.abandon(how)

    def _on_request(self, connection: Connection, arrived: Arrived) -> None:
        found: Route | None = None
        try:
            if arrived.method == "GET" and arrived.path in {MODELS, HEALTH}:
                self._tell(connection, arrived)
                return
            found = route(arrived.method, arrived.path)
            self._on_call(connection, arrived, found)
        except BadRequestError as error:
            connection.write(bad_request(error, found, arrived).data)
            connection.answered()

    def _tell(self, connection: Connection, arrived: Arrived) -> None:
        """Which models there are, or that all is well; neither is a call, neither is in the ledger."""
        models = [{"id": self.spec.model, "object": "model", "owned_by": "simulator"}]
        document: dict[str, object] = {"status": "ok"}
        if arrived.path == MODELS:
            document = {"object": "list", "data": models}
        connection.write(json_response(200, document, keep_alive=arrived.keep_alive))
        connection.answered()

    def _on_call(self, connection: Connection, arrived: Arrived, found: Route) -> None:
        number = self.requests
        faults = faults_of(self.spec, number)
        entry = Entry(
            id=number,
            connection=connection.number,
            received=arrived.received,
            received_by=arrived.received_by,
            read=arrived.read,
            faults=tuple(fault.name for fault in faults),
        )
        refusal = refusal_of(found, arrived, faults, self._key)
        if refusal is not None:
            self.requests += 1
            self._refuse(connection, entry, refusal)
            return
        reply = make_reply(self.spec, found, arrived, number, entry.response_id)
        self.requests += 1
        entry.prompt_tokens = reply.told.asked.prompt_tokens
        entry.output_tokens = reply.answer.output_tokens
        entry.cold = self._is_cold(arrived.received)
        self._idle_since = None
        if reply.before:
            connection.write(reply.before)
        self._send(connection, entry, reply, faults)

    def _refuse(self, connection: Connection, entry: Entry, refusal: Refusal) -> None:
        entry.status, entry.ended = refusal.status, "refused"
        connection.write(refusal.data)
        connection.answered()
        self._ledger.add(entry)

    def _send(
        self, connection: Connection, entry: Entry, reply: Reply, faults: tuple[Fault, ...]
    ) -> None:
        def ended(stream: Stream) -> None:
            self._end(stream)
            connection.answered()
            if any(fault.name == "close-delimited" for fault in faults):
                connection.close("complete")

        stream = Stream(reply.answer, entry, outlet_of(connection, faults), ended)
        self._streams[connection.number] = stream
        if reply.early:
            stream.open_early(entry.received)
        loading = self.spec.cold_penalty if entry.cold else 0
        if self._engine is not None:
            self._engine.arrive(stream, loading)
        else:
            self._follow(stream, loading, at_once=reply.at_once)
        self._pacer.add(stream)

    def _follow(self, stream: Stream, loading: int, *, at_once: bool) -> None:
        """Give the stream its tokens' instants, counted from the request's arrival."""
        spec, entry = self.spec, stream.entry
        rng = generator(spec.seed, "latency", entry.id)
        first = entry.received + spec.ttft.draw(rng) + loading
        instants = token_instants(first, spec.itl, rng, entry.output_tokens)
        if not stream.streamed or not entry.output_tokens:
            stream.expect(max(instants, default=first))
        elif at_once:
            stream.follow(itertools.repeat(max(instants), entry.output_tokens))
        else:
            stream.follow(instants)

    def _is_cold(self, arrival: int) -> bool:
        after, since = self.spec.cold_after, self._idle_since
        if after is None or self._streams:
            return False
        return since is None or arrival - since >= after

    def _end(self, stream: Stream) -> None:
        entry = stream.entry
        self._streams.pop(entry.connection, None)
        self.tokens += entry.kinds.count("token")
        self._ledger.add(entry)
        if self._engine is not None:
            self._engine.leave(entry.id)
        if not self._streams:
            self._idle_since = now()

    def _flush_soon(self) -> None:
        self._flush = self._loop.call_later(_FLUSH_S, self._on_flush)

    def _on_flush(self) -> None:
        engine = self._engine.next_instant if self._engine is not None else None
        busy = [due for due in (self._pacer.next_due, engine) if due is not None]
        if busy and min(busy) - now() < _QUIET_NS:
            self._ledger.flush(max(_FLUSH_BUSY, self._ledger.waiting // _FLUSH_SHARE))
        else:
            self._ledger.flush(_FLUSH_QUIET)
        self._flush_soon()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ask_for_stamps(listener)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise MachineError(
            f"can't listen on {host}:{port}: {error.strerror}; choose another --host or --port"
        ) from None
    listener.listen(4096)
    listener.setblocking(False)
    return listener
