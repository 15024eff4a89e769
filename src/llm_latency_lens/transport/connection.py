"""One kept TCP connection: send a request, stamp what comes back, and say in what state it is left.

This is the measured path. A read takes one `recvmsg`, two stamps and the HTTP framing, and nothing
else; whatever goes wrong in it ends the exchange as a recording, never as an exception.
"""

import asyncio
import contextlib
import socket
import ssl
import time

from llm_latency_lens.model.recording import ConnectionFacts, EndKind, Recording
from llm_latency_lens.transport.arrivals import READ_SIZE, Arrivals, Piece
from llm_latency_lens.transport.closing import closed_unanswered
from llm_latency_lens.transport.desync import EarlyCheck, is_answer
from llm_latency_lens.transport.link import Link
from llm_latency_lens.transport.origin import Origin
from llm_latency_lens.transport.poller import Poller, Read
from llm_latency_lens.transport.stamps import ANCILLARY_SIZE
from llm_latency_lens.transport.stream_end import QUIET_NS
from llm_latency_lens.transport.tape import Tape
from llm_latency_lens.transport.tcp_info import tcp_info
from llm_latency_lens.transport.tls import TlsLayer
from llm_latency_lens.transport.tls_failure import alert
from llm_latency_lens.transport.upload import (
    FIRST_FLIGHT,
    take_acknowledgement,
    unacknowledged,
    watch_acknowledgements,
)


class Connection:
    """A connected socket in its event loop, with the TLS layers (outermost first) around the bytes."""

    __slots__ = (
        "_arrivals",
        "_done",
        "_early",
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
        self._early = EarlyCheck(link.sock, poller.kernel)
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
        tape.end = self._finish
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
            # Behind a part of a request the next one would be taken for the rest of it.
            unsent = self._writing
            self._rest()
        response = tape.response
        self._poller.unasked += response.answers_again
        if response.head is None:
            reused = idle_before is not None
            kind, detail = closed_unanswered(kind, detail, reused=reused, began=self.answering)
        facts = self._facts(idle_before)
        reusable = response.keep_alive and not response.extra_bytes and not unsent
        if kind is not EndKind.COMPLETE or not reusable:
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
        while self.alive:
            read = self.receive()
            if isinstance(read, BlockingIOError):
                break
            self.handle(read, 0)
        if self._holds_part():
            self.close()
        return self.alive

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        if not self.alive:
            return
        self.alive = False
        if self._layers and not self._writing:
            with contextlib.suppress(OSError):
                self._sock.send(self._encrypted(self._layers[-1].end(), self._layers[:-1]))
        self._stop_writing()
        self._poller.remove(self._sock.fileno())
        self._arrivals.forget()
        self._sock.close()

    def _send(self, payload: bytes, tape: Tape) -> None:
        tape.request_bytes = len(payload)
        payload = self._encrypted(payload, self._layers)
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

    @staticmethod
    def _encrypted(data: bytes, layers: tuple[TlsLayer, ...]) -> bytes:
        for layer in reversed(layers):
            data = layer.encrypt(data) if data else data
        return data

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
        # No byte of the answer can have arrived before the request was sent.
        earliest = max(earliest, tape.at("sent") or 0)
        for piece in self._arrivals.pieces(read, earliest):
            self._take_piece(tape, piece)

    def _take_piece(self, tape: Tape, piece: Piece) -> None:
        data, user, kernel, earliest = piece
        if self._layers:
            data = self._decrypted(tape, data)
            if not data:
                return
        if not self.answering and not self._begins(tape, (data, user, kernel or user)):
            return
        if self._layers and earliest < kernel and self._holds_part():
            # The last whole record may have come in an earlier segment than the read's last.
            kernel = 0
        failure = tape.read(data, user, kernel, earliest)
        if failure is not None:
            self._finish(*failure)
        elif tape.response.complete:
            self._finish(EndKind.COMPLETE, "")

    def _decrypted(self, tape: Tape, data: bytes) -> bytes:
        for layer in self._layers:
            data = layer.decrypt(data)
        self._answer_tls()
        if not data and self._layers[-1].closed:
            self._finish(tape.response.end_of_connection(), "")
        return data

    def _holds_part(self) -> bool:
        """Whether bytes came that do not make a whole TLS record yet."""
        return any(layer.holds_part_of_a_record for layer in self._layers)

    def _begins(self, tape: Tape, read: tuple[bytes, int, int]) -> bool:
        """Whether the first bytes that came can be those of an answer; ends the exchange where not."""
        self.answering = True
        ending = self._early.ending(read, tape.at("sent") or 0)
        if ending is not None:
            self._finish(*ending)
        return ending is None

    def _answer_tls(self) -> None:
        """Post-handshake messages (key updates) want an answer; it is small and goes at once."""
        for index, layer in enumerate(self._layers):
            reply = self._encrypted(layer.outgoing(), self._layers[:index])
            if reply:
                self._sock.send(reply)

    def _on_idle_data(self, read: tuple[bytes, int, int]) -> None:
        """Nobody asked: TLS tickets are welcome, anything else spoils the connection."""
        self._arrivals.pieces(read, 0)
        data = read[0]
        for layer in self._layers:
            if data:
                data = layer.decrypt(data)
                if not data and not layer.closed:
                    return
        self._poller.unasked += is_answer(data)
        self.close()

    def _on_broken(self, error: OSError) -> None:
        if self._tape is None:
            self.close()
        elif isinstance(error, ssl.SSLError) and not self.answering:
            self._finish(*alert(error, f"TLS with {self.origin.remote} ended"))
        else:
            kind = EndKind.RESET if isinstance(error, ConnectionError) else EndKind.TRUNCATED
            self._finish(kind, _words(error))

    def look(self, now: int, *, seldom: bool) -> None:
        """Look whether the stream is over though HTTP's end did not come; called 20 times a second.

        Only a response that has gone quiet is looked at, any other once a second (`seldom`).
        """
        tape, quiet = self._tape, now - self._last_activity >= QUIET_NS
        if tape is None or not (quiet or seldom or tape.stream.ended_at):
            return
        if tape.stream.is_over(tape.response, self._last_activity, now):
            words = "the stream ended and the response did not: the connection was left open"
            self._finish(EndKind.LEFT_OPEN, words)

    def _watch(self) -> None:
        """One timer looks after both deadlines; a read costs it nothing."""
        tape, done = self._tape, self._done
        if tape is None or done is None or done.done():
            return
        now = time.monotonic_ns()
        allowed = tape.limits.idle_timeout
        if now >= self._total_at:
            self._finish(
                EndKind.TOTAL_TIMEOUT, f"not finished after {_seconds(tape.limits.total_timeout)}"
            )
        elif now >= self._active_at(tape) + allowed and not self._has_uploaded(tape, now):
            what = "nothing but keep-alives" if tape.stream.idling else "no byte"
            self._finish(EndKind.IDLE_TIMEOUT, f"{what} for {_seconds(allowed)}")
        else:
            delay = (min(self._active_at(tape) + allowed, self._total_at) - now) / 1e9
            self._handle = self._loop.call_later(delay + 0.001, self._watch)

    def _active_at(self, tape: Tape) -> int:
        """When something last happened that lets more be expected."""
        return tape.stream.content_at if tape.stream.idling else self._last_activity

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
        info = tcp_info(self._sock) if self.alive else None
        unasked, self._poller.unasked = self._poller.unasked, 0
        before = self._retransmits
        if info is not None:
            self._retransmits = info.retransmits
        return self.origin.facts(
            idle_before=idle_before,
            tls=self._layers[-1] if self._layers else None,
            info=info,
            retransmits=self._retransmits - before,
            packets=self._arrivals.watched,
            unasked=unasked,
        )


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:g} s"


def _words(error: OSError) -> str:
    return error.strerror or str(error)
