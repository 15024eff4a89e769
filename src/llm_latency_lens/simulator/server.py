"""The simulated server: requests in, answers scheduled, everything written down."""

import asyncio
import itertools
import os
import socket

from llm_latency_lens.errors import MachineError
from llm_latency_lens.simulator.answer import Answer, error_response, json_response
from llm_latency_lens.simulator.batching import Sequence
from llm_latency_lens.simulator.batching_drive import BatchingDrive
from llm_latency_lens.simulator.connection import Connection
from llm_latency_lens.simulator.latency import generator
from llm_latency_lens.simulator.ledger import Entry, Lag, LedgerHeader, LedgerWriter, summarise_lag
from llm_latency_lens.simulator.pacer import Pacer
from llm_latency_lens.simulator.request import BadRequestError, ChatRequest, read_chat_request
from llm_latency_lens.simulator.spec import SimulatorSpec
from llm_latency_lens.simulator.stamp import WallMap, ask_for_stamps, now
from llm_latency_lens.simulator.stream import Stream

_FLUSH_S = 0.02
_FLUSH_ENTRIES = 8
_QUIET_NS = 2_000_000
_CHAT = "/v1/chat/completions"


class Simulator:
    """A server on loopback in the running loop. `address` once started; `close` flushes the ledger."""

    def __init__(self, spec: SimulatorSpec) -> None:
        self.spec = spec
        self.requests = 0
        self.tokens = 0
        self._loop = asyncio.get_running_loop()
        self._pacer = Pacer(self._loop)
        self._wall = WallMap()
        self._numbers = itertools.count()
        self._connections: set[Connection] = set()
        self._connection_numbers = itertools.count(1)
        self._streams: dict[int, Stream] = {}  # by the connection's number
        self._lags: list[int] = []
        self._idle_since: int | None = None
        self._flush: asyncio.TimerHandle | None = None
        self._engine = BatchingDrive(spec.batching, self._pacer) if spec.batching else None
        self._listener = self._listen()
        header = LedgerHeader(spec, os.getpid(), now())
        self._ledger = LedgerWriter(spec.ledger, header)

    @property
    def address(self) -> str:
        """The base URL, without a path."""
        return f"http://{self.spec.host}:{self._listener.getsockname()[1]}"

    @property
    def lag(self) -> Lag:
        """How late writes were, so far."""
        return summarise_lag(self._lags)

    def start(self) -> None:
        """Accept connections."""
        self._loop.add_reader(self._listener, self._on_accept)
        self._flush_soon()

    def close(self) -> None:
        """Close every connection, write the ledger's end."""
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for connection in list(self._connections):
            connection.close()
        self._pacer.close()
        if self._engine is not None:
            self._engine.close()
        if self._flush is not None:
            self._flush.cancel()
        self._ledger.close()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.spec.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ask_for_stamps(listener)
        try:
            listener.bind((self.spec.host, self.spec.port))
        except OSError as error:
            listener.close()
            where = f"{self.spec.host}:{self.spec.port}"
            raise MachineError(
                f"can't listen on {where}: {error.strerror}; choose another --port"
            ) from None
        listener.listen(4096)
        listener.setblocking(False)
        return listener

    def _on_accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = next(self._connection_numbers)
            self._connections.add(
                Connection(sock, number, self._wall, self._on_request, self._on_close)
            )

    def _on_close(self, connection: Connection) -> None:
        self._connections.discard(connection)
        stream = self._streams.get(connection.number)
        if stream is not None:
            stream.entry.ended = "client_closed"
            self._end(stream)

    def _on_request(self, connection: Connection) -> None:
        path = connection.path.partition("?")[0]
        if path == _CHAT and connection.method == "POST":
            try:
                self._answer(connection, read_chat_request(bytes(connection.body)))
            except BadRequestError as error:
                connection.write(error_response(400, str(error)))
        elif path == "/v1/models" and connection.method == "GET":
            models = [{"id": self.spec.model, "object": "model", "owned_by": "simulator"}]
            connection.write(json_response(200, {"object": "list", "data": models}))
        elif path in {_CHAT, "/v1/models"}:
            connection.write(error_response(405, f"{connection.method} is not for {path}"))
        else:
            connection.write(error_response(404, f"no such path: {path}; chat is at {_CHAT}"))

    def _answer(self, connection: Connection, request: ChatRequest) -> None:
        number = next(self._numbers)
        output = self._output_tokens(number, request)
        entry = Entry(
            id=number,
            connection=connection.number,
            received=connection.received,
            received_by=connection.received_by,
            read=connection.read,
            prompt_tokens=request.prompt_tokens,
            output_tokens=output,
            cold=self._is_cold(connection.received),
        )
        self.requests += 1
        self._idle_since = None
        answer = Answer(number, request, output)
        stream = Stream(answer, entry, connection, self._end)
        self._streams[connection.number] = stream
        if self.spec.role_early:
            stream.open_early(entry.received)
        if self._engine is not None:
            self._engine.arrive(stream, Sequence(number, request.prompt_tokens, output))
        else:
            stream.token_due = self._schedule(entry)
        self._pacer.add(stream)

    def _output_tokens(self, number: int, request: ChatRequest) -> int:
        spec = self.spec
        output = spec.tokens
        if spec.tokens_max > spec.tokens:
            output = generator(spec.seed, "tokens", number).randint(spec.tokens, spec.tokens_max)
        return max(min(output, request.limit or output), 1)

    def _schedule(self, entry: Entry) -> list[int]:
        """The instant of every token, counted from the request's arrival."""
        spec = self.spec
        rng = generator(spec.seed, "latency", entry.id)
        due = entry.received + spec.ttft.draw(rng) + (spec.cold_penalty if entry.cold else 0)
        instants = [due]
        for _ in range(entry.output_tokens - 1):
            due += spec.itl.draw(rng)
            instants.append(due)
        return instants

    def _is_cold(self, arrival: int) -> bool:
        after, since = self.spec.cold_after, self._idle_since
        if after is None or self._streams:
            return False
        return since is None or arrival - since >= after

    def _end(self, stream: Stream) -> None:
        entry = stream.entry
        self._streams.pop(entry.connection, None)
        self.tokens += entry.kinds.count("token")
        self._lags += entry.lags()
        self._ledger.add(entry)
        if self._engine is not None:
            self._engine.leave(entry.id)
        if not self._streams:
            self._idle_since = now()

    def _flush_soon(self) -> None:
        self._flush = self._loop.call_later(_FLUSH_S, self._on_flush)

    def _on_flush(self) -> None:
        due = self._pacer.next_due
        if due is None:
            self._ledger.flush()
        elif due - now() > _QUIET_NS:
            self._ledger.flush(_FLUSH_ENTRIES)
        self._flush_soon()
