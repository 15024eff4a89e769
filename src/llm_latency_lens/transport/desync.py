"""Answers that were not asked for: a server or a gateway that answers once too often, or another's request.

HTTP/1.1 tells answers by their order alone, so such an answer looks like that to the next request. It is
noticed where it can be: it arrives before the request can have been received, or it bears the id of
the answer before it though another request was made.
"""

import re
import socket

from llm_latency_lens.model.recording import EndKind, Recording
from llm_latency_lens.transport.stamps import KernelClock
from llm_latency_lens.transport.tcp_info import tcp_info

_ID = re.compile(rb'"(?:id|responseId|response_id)"\s*:\s*"([^"\\]{1,200})"')
_LOOKED_AT = 4096
_COMPARED = 16384


class EarlyCheck:
    """Tells whether the first bytes of an answer came too early to be one, for one connection."""

    __slots__ = ("_clock", "_rtt", "_sock")

    def __init__(self, sock: socket.socket, clock: KernelClock) -> None:
        self._sock = sock
        self._clock = clock
        info = tcp_info(sock)
        self._rtt = info.rtt_min if info is not None else 0

    def ending(self, first: tuple[bytes, int, int], sent: int) -> tuple[EndKind, str] | None:
        """The ending that the first bytes mean (data, user stamp, arrival); None where they may be an answer's."""
        data, read, arrival = first
        if not self._is_early(arrival, read, sent):
            return None
        if _is_idle_timeout(data):
            return EndKind.STALE_CONNECTION, "the server gave the idle connection up (408)"
        when = f"{(arrival - sent) / 1e6:.3f} ms after" if arrival > sent else "before"
        words = f"bytes came {when} the request was sent: no server can have received it by then"
        return EndKind.DESYNCHRONISED, words

    def _is_early(self, arrival: int, read: int, sent: int) -> bool:
        """Whether bytes came that can be no answer: before the request was sent, or within a round trip.

        A true answer acknowledges the request, so that the kernel's least round trip is no longer than
        the time until it was read.
        """
        if arrival < sent and self._clock.holds():
            return True
        if read - sent >= self._rtt:
            return False
        info = tcp_info(self._sock)
        return info is not None and read - sent < info.rtt_min


def is_answer(data: bytes) -> bool:
    """Whether bytes that nobody asked for are an answer, and no farewell to an idle connection."""
    return data[:7] == b"HTTP/1." and data[8:10] == b" 2"


def _is_idle_timeout(data: bytes) -> bool:
    """Whether bytes that nobody asked for are a server's farewell to an idle connection: a 408."""
    return data[:7] == b"HTTP/1." and data[8:12] == b" 408"


class AnswerIds:
    """The ids of the answers of each connection, where answers have ids that differ."""

    __slots__ = ("_any", "_last", "_vary")

    def __init__(self) -> None:
        self._any: bytes | None = None
        self._vary = False
        self._last: dict[int, tuple[bytes, int]] = {}

    def repeats(self, connection: int, request: bytes, recording: Recording) -> bool:
        """Whether the answer has the id of the one before it on this connection, to another request.

        A server whose answers all have the same id says nothing by it, and a cache may answer the
        same request with the same answer.
        """
        found = _ID.search(recording.body[:_LOOKED_AT])
        if found is None:
            self._last.pop(connection, None)
            return False
        answer, asked = found[1], hash(request[:_COMPARED])
        before, self._last[connection] = self._last.get(connection), (answer, asked)
        self._vary = self._vary or self._any not in {None, answer}
        self._any = answer
        return self._vary and before is not None and before[0] == answer and before[1] != asked

    def forget(self, connection: int) -> None:
        """The connection is closed."""
        self._last.pop(connection, None)
