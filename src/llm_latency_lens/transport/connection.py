"""One kept TCP connection: send a request, stamp what comes back, and say in what state it is left.

This is the measured path. A read takes one `recvmsg`, two stamps and the HTTP framing, and nothing
else; whatever goes wrong in it ends the exchange as a recording, never as an exception.
"""

import asyncio
import socket
import ssl
import struct
import sys
import time

from msgspec import Struct

from llm_latency_lens.model.recording import ConnectionFacts, EndKind, Recording
from llm_latency_lens.transport.arrivals import READ_SIZE, Arrivals, Piece
from llm_latency_lens.transport.link import Link
from llm_latency_lens.transport.poller import Poller, Read
from llm_latency_lens.transport.stamps import ANCILLARY_SIZE
from llm_latency_lens.transport.tape import Tape
from llm_latency_lens.transport.upload import (
    FIRST_FLIGHT,
    take_acknowledgement,
    unacknowledged,
    watch_acknowledgements,
)

_TCP_INFO_SIZE = 192
_TCP_RTT, _TCP_RETRANS, _TCP_MIN_RTT = 68, 100, 148
_U32 = struct.Struct("=I").unpack_from


class Origin(Struct, frozen=True, kw_only=True):
    """What is known of a connection from its making on."""

    id: int
    remote: str
    family: str
    proxy: str | None = None


class Connection:
    """A connected socket in its event loop, with the TLS layers (outermost first) around the bytes."""

    __slots__ = (
        "_arrivals",
        "_done",
        "_handle",
        "_kernel",
        "_last_activity",
        "_layers",
        "_loop",
        "_pending",
        "_poller",
        "_retransmits",
        "_sock",
        "_tape",
        "_total_at",
        "_unacknowledged",
        "_writing",
        "alive",
        "answering",
        "idle_since",
        "origin",
    )

    def __init__(self, link: Link, origin: Origin, poller: Poller) -> None:
        self.origin = origin
        self.alive = True
        self.answering = False
        self.idle_since = 0
        self._sock = link.sock
        self._layers = tuple(link.layers)
        self._kernel = poller.kernel
        self._loop = asyncio.get_running_loop()
        self._tape: Tape | None = None
        self._done: asyncio.Future[tuple[EndKind, str]] | None = None
        self._retransmits = 0
        self._pending = memoryview(b"")
        self._writing = False
        self._unacknowledged = 0
        self._last_activity = 0
        self._total_at = 0
        self._handle: asyncio.TimerHandle | None = None
        self._arrivals = Arrivals(link, poller)
        self._poller = poller
        poller.add(link.sock.fileno(), self)

    @property
    def tls_session(self) -> ssl.SSLSession | None:
        """The TLS session to resume later, where there is one."""
        return self._layers[-1].session if self._layers else None

    async def roundtrip(self, payload: bytes, tape: Tape, total_at: int) -> Recording:
        """Send `payload`, receive the response onto `tape`.

        `total_at` is the instant (ns) of the total deadline. Cancelling closes the connection.
        """
        idle_before = time.monotonic_ns() - self.idle_since if self.idle_since else None
        self._tape = tape
        self._total_at = total_at
        self.answering = False
        self._done = self._loop.create_future()
        self._kernel.refresh()
        self._poller.await_answer()
        self._send(payload, tape)
        self._watch()
        try:
            kind, detail = await self._done
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._rest()
        if (
            idle_before is not None
            and kind in (EndKind.RESET, EndKind.TRUNCATED)
            and tape.response.head is None
        ):
            kind, detail = EndKind.STALE_CONNECTION, detail or "the kept connection was closed"
        facts = self._facts(idle_before)
        response = tape.response
        if kind is not EndKind.COMPLETE or not response.keep_alive or response.extra_bytes:
            self.close()
        return tape.recording(kind, detail, facts)

    def is_open(self) -> bool:
        """Whether the peer has not closed, to the microsecond: asks the socket, not the event loop."""
        if not self.alive:
            return False
        try:
            ended = not self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            ended = True
        if ended or not self._layers:
            self.close()
        return self.alive

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        if not self.alive:
            return
        self.alive = False
        self._stop_writing()
        self._poller.remove(self._sock.fileno())
        self._arrivals.forget()
        self._sock.close()

    def _send(self, payload: bytes, tape: Tape) -> None:
        tape.request_bytes = len(payload)
        for layer in reversed(self._layers):
            payload = layer.encrypt(payload)
        if len(payload) > FIRST_FLIGHT:
            watch_acknowledgements(self._sock, arrivals=self._kernel.wanted)
            self._unacknowledged = len(payload)
        self._last_activity = tape.mark("sent")
        try:
            count = self._sock.send(payload)
        except BlockingIOError:
            count = 0
        except OSError as error:
            self._finish(EndKind.RESET, _words(error))
            return
        tape.mark("sent_latest")
        if count == len(payload):
            tape.mark("written")
            return
        self._pending = memoryview(payload)[count:]
        self._writing = True
        self._poller.watch_writing(self._sock.fileno(), self, wanted=True)

    def write(self) -> None:
        """Write more of the request; the socket has room."""
        try:
            self._pending = self._pending[self._sock.send(self._pending) :]
        except BlockingIOError:
            return
        except OSError as error:
            self._finish(EndKind.RESET, _words(error))
            return
        self._last_activity = time.monotonic_ns()
        if not self._pending and self._tape is not None:
            self._stop_writing()
            self._tape.mark("written")

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self._pending = memoryview(b"")
            self._poller.watch_writing(self._sock.fileno(), self, wanted=False)

    def take_acknowledgement(self, now: int) -> None:
        """Note when the peer acknowledged the end of a large request."""
        stamp = take_acknowledgement(self._sock, self._kernel, now)
        if stamp and self._tape is not None and not self._writing:
            self._tape.note("uploaded", stamp)

    def receive(self) -> Read:
        """Read what the socket holds, at most one buffer, and stamp it."""
        try:
            data, ancillary, _, _ = self._sock.recvmsg(READ_SIZE, ANCILLARY_SIZE)
        except OSError as error:
            return error
        user = time.monotonic_ns()
        return data, user, self._kernel.stamp(ancillary, user)

    def handle(self, read: Read, earliest: int) -> None:
        """Look at what `receive` gave; none of it had arrived by the instant `earliest` (ns)."""
        if isinstance(read, BlockingIOError | InterruptedError) or not self.alive:
            return
        try:
            if isinstance(read, OSError):
                self._on_broken(read)
            elif self._tape is None:
                self._on_idle_data(read)
            elif read[0]:
                self._take(self._tape, read, earliest)
            else:
                self._finish(self._tape.response.end_of_connection(), "")
        except OSError as error:  # ssl.SSLError is one too
            self._on_broken(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this exchange and no other
            self._finish(EndKind.CLIENT_ERROR, f"{type(error).__name__}: {error}")

    def _take(self, tape: Tape, read: tuple[bytes, int, int], earliest: int) -> None:
        self._last_activity = read[1]
        self.answering = True
        # No byte of the answer can have arrived before the request was sent.
        earliest = max(earliest, tape.at("sent") or 0)
        for piece in self._arrivals.pieces(read, earliest):
            self._take_piece(tape, piece)

    def _take_piece(self, tape: Tape, piece: Piece) -> None:
        data, user, kernel, earliest = piece
        if self._layers:
            for layer in self._layers:
                data = layer.decrypt(data)
            self._answer_tls()
            if not data:
                return
            if earliest < kernel and any(layer.holds_part_of_a_record for layer in self._layers):
                # The last whole record may have come in an earlier segment than the read's last.
                kernel = 0
        failure = tape.read(data, user, kernel, earliest)
        if failure is not None:
            self._finish(*failure)
        elif tape.response.complete:
            self._finish(EndKind.COMPLETE, "")

    def _answer_tls(self) -> None:
        """Post-handshake messages (key updates) want an answer; it is small and goes at once."""
        for index, layer in enumerate(self._layers):
            reply = layer.outgoing()
            for outer in reversed(self._layers[:index]):
                reply = outer.encrypt(reply) if reply else reply
            if reply:
                self._sock.send(reply)

    def _on_idle_data(self, read: tuple[bytes, int, int]) -> None:
        """Nobody asked: TLS tickets are welcome, anything else spoils the connection."""
        self._arrivals.pieces(read, 0)
        data = read[0]
        for layer in self._layers:
            data = layer.decrypt(data) if data else data
            if not data:
                return
        self.close()

    def _on_broken(self, error: OSError) -> None:
        kind = EndKind.RESET if isinstance(error, ConnectionError) else EndKind.TRUNCATED
        if self._tape is None:
            self.close()
        else:
            self._finish(kind, _words(error))

    def _watch(self) -> None:
        """One timer looks after both deadlines; a read costs it nothing."""
        tape, done = self._tape, self._done
        if tape is None or done is None or done.done():
            return
        now = time.monotonic_ns()
        idle_at = self._last_activity + tape.limits.idle_timeout
        if now >= self._total_at:
            self._finish(
                EndKind.TOTAL_TIMEOUT, f"not finished after {_seconds(tape.limits.total_timeout)}"
            )
        elif now >= idle_at and not self._has_uploaded(tape, now):
            self._finish(EndKind.IDLE_TIMEOUT, f"no byte for {_seconds(tape.limits.idle_timeout)}")
        else:
            idle_at = self._last_activity + tape.limits.idle_timeout
            delay = (min(idle_at, self._total_at) - now) / 1e9
            self._handle = self._loop.call_later(delay + 0.001, self._watch)

    def _has_uploaded(self, tape: Tape, now: int) -> bool:
        """Whether the peer took more of a large request since the last activity that is known."""
        before = self._unacknowledged
        self._unacknowledged = unacknowledged(self._sock) if before else 0
        latest = now if self._unacknowledged < before else 0
        if not self._unacknowledged:
            # Until then the stamp may be that of an earlier piece.
            latest = tape.at("uploaded") or latest
        if latest <= self._last_activity:
            return False
        self._last_activity = latest
        return True

    def _finish(self, kind: EndKind, detail: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result((kind, detail))

    def _rest(self) -> None:
        """Leave the measured path: nothing of this exchange stays behind."""
        self._poller.end_answer()
        if self.alive:
            self._stop_writing()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._tape = None
        self._done = None
        self.idle_since = time.monotonic_ns()

    def _facts(self, idle_before: int | None) -> ConnectionFacts:
        inner = self._layers[-1] if self._layers else None
        rtt, rtt_min, retransmits = self._tcp_info()
        return ConnectionFacts(
            id=self.origin.id,
            reused=idle_before is not None,
            remote=self.origin.remote,
            family=self.origin.family,
            proxy=self.origin.proxy,
            tls_version=inner.version if inner else None,
            tls_cipher=inner.cipher if inner else None,
            tls_resumed=inner.resumed if inner else None,
            idle_before=idle_before,
            rtt=rtt,
            rtt_min=rtt_min,
            retransmits=retransmits,
            packets=self._arrivals.watched,
        )

    def _tcp_info(self) -> tuple[int | None, int | None, int | None]:
        """Smoothed and least round-trip time (ns), and the retransmits of this exchange (Linux)."""
        if sys.platform != "linux" or not self.alive:
            return None, None, None
        try:
            info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
        except OSError:
            return None, None, None
        if len(info) < _TCP_MIN_RTT + 4:
            return None, None, None
        total = _U32(info, _TCP_RETRANS)[0]
        retransmits, self._retransmits = total - self._retransmits, total
        return _U32(info, _TCP_RTT)[0] * 1000, _U32(info, _TCP_MIN_RTT)[0] * 1000, retransmits


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:g} s"


def _words(error: OSError) -> str:
    return error.strerror or str(error)
