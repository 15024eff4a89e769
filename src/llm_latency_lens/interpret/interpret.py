"""From what was seen on the wire to what it means: Attempt -> Record.

Pure: the same recording gives the same record anywhere, at any time later.
"""

import base64
from decimal import Decimal

import msgspec
from msgspec import Struct

from llm_latency_lens.cost.book import PriceBook
from llm_latency_lens.cost.price import Price
from llm_latency_lens.interpret.asked import VERSIONS, Asked
from llm_latency_lens.interpret.headers import (
    charged_by,
    content_type,
    rate_limit,
    request_id,
    retry_after,
    server_seconds,
)
from llm_latency_lens.interpret.inflate import InflateError, encodings_of, inflate
from llm_latency_lens.interpret.outcome import Case, clean, forms_of, judge
from llm_latency_lens.interpret.pricing import PriceOf, Prices, charge_of, named_prices
from llm_latency_lens.interpret.reading import Reading, read_events
from llm_latency_lens.interpret.repetition import repetition
from llm_latency_lens.interpret.tokens import count_tokens
from llm_latency_lens.model.events import ServerError
from llm_latency_lens.model.record import UNKNOWN_FINISH, Outcome, OutcomeKind, Record, Widths
from llm_latency_lens.model.recording import READ_FIELDS, Attempt, EndKind, Head, Recording
from llm_latency_lens.model.request import Limits, Message, Request, Target
from llm_latency_lens.wire.dialect import load_dialect
from llm_latency_lens.wire.intermediary import intermediary
from llm_latency_lens.wire.json_stream import MISLABELLED

_SHORTEST_SECRET = 8
"""Shorter words of header values ("Bearer", "Basic") are no secrets and would garble messages."""


_STREAMS = frozenset(
    {"text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream"}
)


class Subject(Struct, frozen=True, kw_only=True):
    """What recordings are of; `secrets` are removed from every text that a record keeps.

    Without a `price` records have no cost, unless `price_of` knows the model that an answer names.
    `asked` is for the words of failures.
    """

    target: str
    dialect: str
    max_event: int = 8 * 1024 * 1024
    max_body: int = 256 * 1024 * 1024
    streamed: bool = True
    price: Price | None = None
    price_of: PriceOf | None = None
    secrets: tuple[str, ...] = ()
    asked: Asked = Asked()


def interpret(attempt: Attempt, subject: Subject) -> Record:
    """Read the attempt's bytes in the subject's dialect and say what happened when.

    Whatever a server or a plugin does, an attempt becomes a record: what can't be interpreted is a
    protocol error of this one.
    """
    try:
        return _interpreted(attempt, subject)
    except Exception as error:  # noqa: BLE001 - a plugin's decoder may raise anything
        words = f"this response could not be interpreted: {type(error).__name__}: {error}"
        status = attempt.recording.head.status if attempt.recording.head else None
        detail = clean(words, subject.secrets)
        outcome = Outcome(OutcomeKind.PROTOCOL_ERROR, "interpretation", status, detail)
        return _uninterpreted(attempt, subject, outcome)


def _interpreted(attempt: Attempt, subject: Subject) -> Record:
    recording = attempt.recording
    codings, mislabelled = (
        ((), False) if recording.head is None else encodings_of(recording.head, recording.body)
    )
    try:
        body = inflate(recording, codings, subject.max_body) if codings else recording
    except InflateError as problem:
        reading, error, body = Reading(recording), None, recording
        reading.malformed = str(problem)
    else:
        reading, error = _read(body, subject)
    if codings:
        reading.flags.add("compressed")
    if mislabelled:
        reading.flags.add("content_encoding_mislabelled")
    outcome = judge(Case(recording, reading, body.body, error, subject.asked), subject.secrets)
    return _record(attempt, subject, reading, _uninterpreted(attempt, subject, outcome))


def _read(recording: Recording, subject: Subject) -> tuple[Reading, ServerError | None]:
    """The events of a good response, or the error of another."""
    dialect, head = load_dialect(subject.dialect), recording.head
    if head is None:
        return Reading(recording), None
    if not 200 <= head.status < 300:
        return Reading(recording), dialect.read_error(recording.body)
    kind = content_type(head)
    reading = read_events(recording, dialect.decode((recording.body,), kind, subject.max_event))
    if subject.streamed and reading.document and reading.reads.arrivals and not reading.error:
        words = "content_type: a stream was asked for, one JSON document came"
        reading.malformed, reading.finishes = words, {}
    return reading, None


def _uninterpreted(attempt: Attempt, subject: Subject, outcome: Outcome) -> Record:
    """A record of what needs no interpretation."""
    recording = attempt.recording
    return Record(
        number=attempt.number,
        phase=attempt.phase,
        worker=attempt.worker,
        target=subject.target,
        arm=attempt.arm,
        intended=attempt.intended,
        dequeued=attempt.dequeued,
        retry=attempt.retry,
        superseded=attempt.superseded,
        streamed=subject.streamed,
        marks=recording.marks,
        outcome=outcome,
        connection=recording.connection,
        request_bytes=recording.request_bytes,
        body_bytes=len(recording.body),
    )


def _record(attempt: Attempt, subject: Subject, reading: Reading, bare: Record) -> Record:
    """The bare record with what its response says."""
    recording, head, reads = attempt.recording, attempt.recording.head, reading.reads
    stamps, late = _stamp_source(recording)
    timings, tokens, told = reading.timings, count_tokens(reading), server_seconds(head)
    streamed, finish = _streamed(subject, head, reading), reading.finish
    return msgspec.structs.replace(
        bare,
        streamed=streamed,
        first_byte=_first_byte(recording),
        first_event=reading.first_event,
        first_token=reads.arrivals[0] if reads.arrivals else None,
        first_visible=reading.first_visible,
        last_token=_last_token(reading)[0],
        first_kind=reading.first_kind,
        arrivals=_since(recording.marks.sent or 0, reads.arrivals),
        arrival_events=tuple(reads.events),
        arrival_widths=reads.widths,
        widths=_widths(recording, reading),
        characters=sum(reading.tally.characters.values()),
        asked_tokens=attempt.asked_tokens,
        stamps=stamps,
        late=late,
        tokens=tokens,
        cost=charge_of(attempt, Prices(subject.price, subject.price_of), reading, tokens),
        service_tier=_shown(reading.billing.tier, subject),
        charged=_charged(reading, head, streamed=streamed),
        finish_reason=_shown(finish.reason, subject) if finish is not None else None,
        model=_shown(reading.identity.model, subject),
        fingerprint=_shown(reading.identity.fingerprint, subject),
        response_id=_shown(reading.identity.id or request_id(head), subject),
        server_prompt=timings.prompt,
        server_generation=timings.generation,
        server_total=timings.total if timings.total is not None or streamed else told,
        server_until_response=told if streamed else None,
        retry_after=retry_after(head),
        rate_limit=rate_limit(head),
        via=_shown(intermediary(head), subject),
        pings=reading.pings,
        flags=_flags(reading, recording, marked=load_dialect(subject.dialect).has_end_marker),
    )


def _charged(reading: Reading, head: Head | None, *, streamed: bool) -> Decimal | None:
    """What the server says that it charged: with its counts, else in a header."""
    charged = reading.billing.charged
    return charged if charged is not None else charged_by(head, streamed=streamed)


def _last_token(reading: Reading) -> tuple[int | None, int]:
    """The stamp of the last token of any choice, and its width (ns)."""
    reads, other = reading.reads, reading.other_last
    if other is not None and (not reads.arrivals or other[0] >= reads.arrivals[-1]):
        return other
    return (reads.arrivals[-1] if reads.arrivals else None), reads.last_width


def _since(begin: int, instants: list[int]) -> tuple[int, ...]:
    return tuple([instant - begin for instant in instants])


def _shown(text: str | None, subject: Subject) -> str | None:
    return None if text is None else clean(text, subject.secrets)


def _first_byte(recording: Recording) -> int | None:
    rows = recording.read_rows()
    return (rows[2] or rows[1]) if rows else None


def _widths(recording: Recording, reading: Reading) -> Widths:
    marks, rows = recording.marks, recording.read_rows()
    sent = marks.sent_latest - marks.sent if marks.sent_latest and marks.sent else 0
    return Widths(
        sent=sent,
        first_byte=max((rows[2] or rows[1]) - rows[3], 0) if rows else 0,
        first_event=reading.first_event_width,
        first_token=reading.first_token_width,
        first_visible=reading.first_visible_width,
        last_token=_last_token(reading)[1],
    )


def _streamed(subject: Subject, head: Head | None, reading: Reading) -> bool:
    """Whether the answer is a stream: it was asked for, or came all the same."""
    labelled = head is not None and content_type(head) in _STREAMS
    return subject.streamed or (not reading.document and (labelled or MISLABELLED in reading.flags))


def _stamp_source(recording: Recording) -> tuple[str, int | None]:
    """Whose stamps the reads carry, and the largest delay (ns) of ours behind the kernel's."""
    rows = recording.read_rows()
    users, kernels = rows[1::READ_FIELDS].tolist(), rows[2::READ_FIELDS].tolist()
    delays = [user - kernel for user, kernel in zip(users, kernels, strict=True) if kernel]
    if not users:
        return "none", None
    if not delays:
        return "user", None
    if len(delays) != len(users):
        return "mixed", max(delays)
    connection = recording.connection
    return ("packet" if connection is not None and connection.packets else "kernel"), max(delays)


def _flags(reading: Reading, recording: Recording, *, marked: bool) -> tuple[str, ...]:
    flags = set(reading.flags)
    repeated = repetition(reading.tally)
    if repeated is not None:
        flags.add(repeated)
    finish = reading.finish
    if finish is not None and finish.reason == "length":
        flags.add("length")
    if finish is not None and finish.kind == "unknown":
        flags.add(UNKNOWN_FINISH)
    if finish is not None and reading.malformed is not None:
        flags.add("malformed_after_finish")
    if "tool" in reading.kinds:
        flags.add("tool_call")
    if marked and finish is not None and not reading.done:
        flags.add("no_end_marker")
    flags |= _flags_of_ending(recording.ending.kind, finished=finish is not None)
    return tuple(sorted(flags))


def _flags_of_ending(ending: EndKind, *, finished: bool) -> set[str]:
    """What the end of the connection adds to a whole answer."""
    if ending is EndKind.LEFT_OPEN:
        return {"left_open"}
    unclean = finished and ending not in (EndKind.COMPLETE, EndKind.CLOSED)
    return {"unclean_end"} if unclean else set()


def subject_of(
    target: Target,
    limits: Limits,
    *,
    streamed: bool,
    price: Price | None = None,
    book: PriceBook | None = None,
) -> Subject:
    """What recordings of `target` are interpreted as; header values and keys count as secrets.

    With a `book`, an answer that names another model than was asked for is charged as that one.
    """
    words = [part for _, value in target.headers for part in value.split()]
    if target.aws is not None:
        words += [target.aws.access_key, target.aws.secret_key, target.aws.token or ""]
    if target.proxy is not None:
        words += _proxy_secrets(target.proxy.authorization)
    long = [word for word in words if len(word) >= _SHORTEST_SECRET]
    return Subject(
        target=target.public_name,
        dialect=target.dialect,
        max_event=limits.max_event,
        max_body=limits.max_body,
        streamed=streamed and load_dialect(target.dialect).streams,
        price=price,
        price_of=None if book is None else named_prices(book, target),
        secrets=tuple(form for word in long for form in forms_of(word)),
        asked=asked_of(target, streamed=streamed),
    )


def _proxy_secrets(authorization: str) -> list[str]:
    """What a proxy is sent, and the password within it."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "basic":
        return authorization.split()
    try:
        pair = base64.b64decode(token).decode()
    except ValueError:
        return [token]
    return [token, pair.partition(":")[2]]


def asked_of(target: Target, *, streamed: bool) -> Asked:
    """What requests to `target` ask."""
    wish = Request(messages=(Message("user", "hi"),), stream=streamed)
    try:
        url = str(load_dialect(target.dialect).encode(wish, target).url)
    except Exception:  # noqa: BLE001 - a plugin's dialect may want more than this
        url = ""
    return Asked(
        url=url,
        base=str(target.base_url),
        version=VERSIONS.get(target.dialect, ""),
        credential=target.credential,
        proxied=target.proxy is not None and bool(target.proxy.authorization),
    )
