"""What was seen on the wire: bytes, the instant each piece arrived, the connection's marks, the end.

Nothing here is interpreted; everything else the project knows is derived from these values.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Literal

from msgspec import Struct

READ_FIELDS = 4
"""A row of `Recording.reads`: body bytes so far, user stamp, kernel stamp (0: none), earliest; int64 each."""


StampSource = Literal["auto", "kernel", "user", "packet"]
"""Whose clock stamps arrivals: the kernel's (auto: where it can), this process's, or a packet socket's."""


class EndKind(StrEnum):
    """How an exchange ended, as far as the transport can tell. Closed."""

    COMPLETE = "complete"  # the response's own framing says that it is whole
    CLOSED = "closed"  # framed by the end of the connection, which came cleanly
    LEFT_OPEN = "left_open"  # the stream's own end marker came, the end of the response did not
    TRUNCATED = "truncated"  # the connection ended inside the response
    RESET = "reset"  # the peer reset the connection
    DNS_FAILED = "dns_failed"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS_FAILED = "tls_failed"
    NOT_TLS = "not_tls"  # the peer answered the TLS handshake with something else
    TLS_EXPECTED = "tls_expected"  # the peer answered a plain request with TLS
    HTTP2_ONLY = "http2_only"
    PROXY_FAILED = "proxy_failed"
    STALE_CONNECTION = "stale_connection"  # a kept connection was dead when it was used
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    DESYNCHRONISED = "desynchronised"  # the answer to another request, or to none
    BAD_HTTP = "bad_http"
    HEAD_TOO_LARGE = "head_too_large"
    BODY_TOO_LARGE = "body_too_large"
    EVENT_TOO_LARGE = "event_too_large"  # a line of the stream is beyond the cap
    CLIENT_ERROR = "client_error"  # this machine: no file descriptor, no port
    CANCELLED = "cancelled"


class Ending(Struct, frozen=True):
    """How it ended, and the peer's or the system's words for it (never a secret)."""

    kind: EndKind
    detail: str = ""


class Marks(Struct, frozen=True, kw_only=True):
    """Instants of one exchange, monotonic ns; None where the phase did not happen.

    DNS, TCP, TLS and proxy phases are absent on a reused connection. `sent` is taken just before the
    first byte of the request goes to the socket, `sent_latest` after the call that sent it: the byte left
    in between. `uploaded` is the arrival of the peer's acknowledgement of the last byte, of requests
    beyond TCP's first flight and where the kernel stamps it. `written` is taken once the kernel has taken the last one,
    `head` is the arrival of the read that completed the response head, `ended` the end of it all.
    """

    dns_begin: int | None = None
    dns_end: int | None = None
    tcp_begin: int | None = None
    tcp_end: int | None = None
    proxy_begin: int | None = None
    proxy_end: int | None = None
    tls_begin: int | None = None
    tls_end: int | None = None
    sent: int | None = None
    sent_latest: int | None = None
    written: int | None = None
    uploaded: int | None = None
    head: int | None = None
    ended: int


class ConnectionFacts(Struct, frozen=True, kw_only=True):
    """The connection as it was when the exchange ended. Durations in ns.

    `addresses`: how many the name has that was connected to; `remote` is one of them.
    `unasked`: answers that came on any connection of this process, since the exchange before, and
    that nobody asked for.
    `packets`: its packets were watched, and stamp what arrived.
    """

    id: int
    reused: bool
    remote: str
    family: str
    tls_version: str | None = None
    tls_cipher: str | None = None
    tls_resumed: bool | None = None
    proxy: str | None = None
    idle_before: int | None = None
    rtt: int | None = None
    rtt_min: int | None = None
    retransmits: int | None = None
    packets: bool = False
    addresses: int = 1
    unasked: int = 0


class Head(Struct, frozen=True):
    """The response's status and header fields, names in lower case, order and duplicates kept."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    http_version: str = "1.1"
    informational: int = 0

    def get(self, name: str) -> str | None:
        """The first value of header `name` (lower case)."""
        return next((value for key, value in self.headers if key == name), None)


class Recording(Struct, frozen=True, kw_only=True):
    """One exchange as it happened.

    `reads` are packed int64 rows of `READ_FIELDS` (native byte order), one for each network read that
    brought body bytes: the number of body bytes after it, the user stamp, the kernel stamp or 0, and
    `earliest`. No byte of the read had arrived by `earliest`, and the bytes of its last segment arrived
    at its stamp (kernel, else user). Where `earliest` is the stamp, the read held one segment.
    `request_bytes` is what was handed to the socket, head included.
    """

    marks: Marks
    ending: Ending
    connection: ConnectionFacts | None = None
    head: Head | None = None
    body: bytes = b""
    reads: bytes = b""
    request_bytes: int = 0

    def read_rows(self) -> "memoryview[int]":
        """The rows flat: `[end, user, kernel, end, user, kernel, ...]`, without a copy."""
        return memoryview(self.reads).cast("q")


class Attempt(Struct, frozen=True, kw_only=True):
    """A Recording with its place in the plan: which request it was, and when it was meant to start.

    `intended` is what the schedule asked for (in a closed loop: the instant the slot became free),
    `dequeued` when the engine took it up; both monotonic ns. `retry` counts the attempts at the same
    request before this one; `superseded`: another came after it. `arm` says which of the run's targets
    it went to. `reserved` is the most that it could
    cost, in US dollars, where a cap is kept. `prompt_characters` is the length of what was asked;
    0 is unknown. `asked_tokens`: the fewest and the most output tokens that were asked for.
    """

    number: int
    phase: str
    worker: int
    intended: int
    dequeued: int
    recording: Recording
    retry: int = 0
    superseded: bool = False
    arm: int = 0
    reserved: Decimal | None = None
    prompt_characters: int = 0
    asked_tokens: tuple[int, int | None] = (0, None)
