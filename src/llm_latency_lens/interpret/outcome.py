"""How an attempt ended: one of a closed set, decided by a table of rules, first match wins.

A transport failure outranks what the bytes seem to say: half an event at the end of a broken stream is
a truncated stream, not a protocol error.
"""

import base64
import re
from collections.abc import Callable
from urllib.parse import quote

from msgspec import Struct

from llm_latency_lens.interpret.asked import Asked
from llm_latency_lens.interpret.http_failure import http_failure
from llm_latency_lens.interpret.reading import Reading
from llm_latency_lens.model.events import ServerError
from llm_latency_lens.model.record import Outcome, OutcomeKind
from llm_latency_lens.model.recording import EndKind, Recording
from llm_latency_lens.units import format_duration
from llm_latency_lens.wire.intermediary import intermediary
from llm_latency_lens.wire.server_error import text_of_page

_LONGEST_DETAIL = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_QUOTED = 200
"""So many bytes of a body that holds no answer are quoted."""

_OF_ENDING: dict[EndKind, OutcomeKind] = {
    EndKind.DNS_FAILED: OutcomeKind.ERROR_CONNECT,
    EndKind.REFUSED: OutcomeKind.ERROR_CONNECT,
    EndKind.UNREACHABLE: OutcomeKind.ERROR_CONNECT,
    EndKind.CONNECT_TIMEOUT: OutcomeKind.ERROR_CONNECT,
    EndKind.TLS_FAILED: OutcomeKind.ERROR_CONNECT,
    EndKind.NOT_TLS: OutcomeKind.ERROR_CONNECT,
    EndKind.PROXY_FAILED: OutcomeKind.ERROR_CONNECT,
    EndKind.STALE_CONNECTION: OutcomeKind.ERROR_CONNECT,
    EndKind.CLIENT_ERROR: OutcomeKind.ERROR_CONNECT,
    EndKind.TLS_EXPECTED: OutcomeKind.PROTOCOL_ERROR,
    EndKind.HTTP2_ONLY: OutcomeKind.PROTOCOL_ERROR,
    EndKind.DESYNCHRONISED: OutcomeKind.PROTOCOL_ERROR,
    EndKind.BAD_HTTP: OutcomeKind.PROTOCOL_ERROR,
    EndKind.HEAD_TOO_LARGE: OutcomeKind.PROTOCOL_ERROR,
    EndKind.BODY_TOO_LARGE: OutcomeKind.PROTOCOL_ERROR,
    EndKind.EVENT_TOO_LARGE: OutcomeKind.PROTOCOL_ERROR,
    EndKind.IDLE_TIMEOUT: OutcomeKind.STALLED,
    EndKind.TOTAL_TIMEOUT: OutcomeKind.STALLED,
    EndKind.TRUNCATED: OutcomeKind.TRUNCATED,
    EndKind.RESET: OutcomeKind.TRUNCATED,
    EndKind.CANCELLED: OutcomeKind.CANCELLED,
}
_BROKEN = frozenset(_OF_ENDING)


class Case(Struct, frozen=True):
    """Everything an outcome is decided from.

    Attributes:
        recording: what was seen on the wire.
        reading: the events of the response.
        body: its body, unpacked.
        error: what the body of a response with an error status tells of.
        asked: where the request went, for the words of failures.
    """

    recording: Recording
    reading: Reading
    body: bytes = b""
    error: ServerError | None = None
    asked: Asked = Asked()

    @property
    def status(self) -> int | None:
        """The HTTP status, once a response head has come."""
        head = self.recording.head
        return head.status if head else None


def judge(case: Case, secrets: tuple[str, ...] = ()) -> Outcome:
    """The outcome of an attempt; `secrets` never survive in its words."""
    for rule in _RULES:
        outcome = rule(case)
        if outcome is not None:
            cause, detail = clean(outcome.cause, secrets), clean(outcome.detail, secrets)
            return Outcome(outcome.kind, cause, case.status, detail)
    return Outcome(OutcomeKind.OK, "", case.status)


def kind_of_ending(ending: EndKind) -> OutcomeKind:
    """The outcome that an ending alone means."""
    return _OF_ENDING.get(ending, OutcomeKind.OK)


def clean(text: str, secrets: tuple[str, ...] = ()) -> str:
    """A peer's words, fit to be shown: no control characters, no secrets, not too long."""
    for secret in secrets:
        text = text.replace(secret, "***")
    text = " ".join(_CONTROL.sub(" ", text).split())
    return text if len(text) <= _LONGEST_DETAIL else text[: _LONGEST_DETAIL - 1] + "…"


def forms_of(secret: str) -> tuple[str, ...]:
    """A secret as it stands, and as a peer may echo it: URL-encoded, or in base64 at any alignment."""
    aligned = (
        base64.b64encode(b"\x00" * shift + secret.encode())[-(-shift * 4 // 3) :]
        for shift in range(3)
    )
    # The first and last characters of each depend on the neighbours.
    inner = (text.rstrip(b"=")[1:-1].decode() for text in aligned)
    return tuple(dict.fromkeys((secret, quote(secret, safe=""), *inner)))


def _desynchronised(case: Case) -> Outcome | None:
    """However whole it is: it is the answer to another request."""
    ending = case.recording.ending
    if ending.kind is not EndKind.DESYNCHRONISED:
        return None
    return Outcome(_OF_ENDING[ending.kind], ending.kind.value, None, ending.detail)


def _before_any_answer(case: Case) -> Outcome | None:
    ending = case.recording.ending
    if ending.kind not in _BROKEN or case.status is not None:
        return None
    return Outcome(_OF_ENDING[ending.kind], ending.kind.value, None, ending.detail)


def _error_status(case: Case) -> Outcome | None:
    if case.status is None or 200 <= case.status < 300:
        return None
    return http_failure(case.recording, case.body, case.error, case.asked)


def _error_in_stream(case: Case) -> Outcome | None:
    error = case.reading.error
    if error is None:
        return None
    words = error.message or f"an error without words{_quote(case)}"
    return Outcome(OutcomeKind.ERROR_IN_STREAM, error.type.strip() or "error", None, words)


def _broken_off(case: Case) -> Outcome | None:
    """A broken connection after the server's own word that it was finished loses nothing."""
    ending = case.recording.ending
    if ending.kind not in _BROKEN or case.reading.done or case.reading.finish:
        return None
    quoted = "" if ending.kind is EndKind.CANCELLED else _quote(case)
    detail = _broken_detail(case.recording) + quoted
    return Outcome(_OF_ENDING[ending.kind], ending.kind.value, None, detail)


def _broken_detail(recording: Recording) -> str:
    """The ending's words; of a cut answer also after how long, and who stands between."""
    words, marks = recording.ending.detail, recording.marks
    if recording.ending.kind not in (EndKind.TRUNCATED, EndKind.RESET) or marks.sent is None:
        return words
    via = intermediary(recording.head)
    between = f"; {via} stands between" if via else ""
    what = words or "the connection was closed"
    return f"{what} {format_duration(marks.ended - marks.sent)} after the request{between}"


def _malformed(case: Case) -> Outcome | None:
    reading = case.reading
    # Behind a finish reason the answer is whole.
    if reading.malformed is None or reading.finishes:
        return None
    if case.recording.ending.kind is EndKind.CLOSED and "unterminated_final_event" in reading.flags:
        return Outcome(OutcomeKind.TRUNCATED, "inside_event", None, reading.malformed)
    cause = reading.malformed.partition(":")[0].partition(" ")[0] or "malformed"
    return Outcome(OutcomeKind.PROTOCOL_ERROR, cause, None, reading.malformed)


def _no_end(case: Case) -> Outcome | None:
    if case.reading.done or case.reading.finish:
        return None
    words = "the stream ended without a finish reason or an end marker"
    return Outcome(OutcomeKind.TRUNCATED, "no_end", None, words + _quote(case))


def _finished(case: Case) -> Outcome | None:
    """A finish reason that is no success."""
    finish = case.reading.finish
    if finish is None or finish.kind in {"success", "unknown"}:
        return None
    if finish.kind == "filtered":
        words = f'the server\'s word is "{finish.word}"' if finish.word else ""
        return Outcome(OutcomeKind.FILTERED, finish.reason, None, words)
    words = f'the answer ended with the finish reason "{finish.reason}"'
    return Outcome(OutcomeKind.ERROR_IN_STREAM, finish.reason, None, words + _quote(case))


def _no_tokens(case: Case) -> Outcome | None:
    if case.reading.reads.arrivals or case.reading.vectors:
        return None
    words = "a 200 response without a single generated token"
    return Outcome(OutcomeKind.PROTOCOL_ERROR, "no_tokens", None, words + _quote(case))


def _quote(case: Case) -> str:
    """The server's own words: those outside of the framing, else, where nothing was generated, the body's first."""
    reading = case.reading
    words = reading.words
    if words is None and not reading.reads.arrivals:
        words = text_of_page(case.body[:_QUOTED])
    words = clean(words or "")
    return f'; the server wrote: "{words}"' if words else ""


_RULES: tuple[Callable[[Case], Outcome | None], ...] = (
    _desynchronised,
    _before_any_answer,
    _error_status,
    _error_in_stream,
    _broken_off,
    _malformed,
    _no_end,
    _finished,
    _no_tokens,
)
