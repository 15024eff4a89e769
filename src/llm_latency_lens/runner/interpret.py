"""From what was seen on the wire to what it means: Attempt -> Record.

Pure: the same recording gives the same record anywhere, at any time later.
"""

from email.utils import parsedate_to_datetime

from msgspec import Struct

from llm_latency_lens.model.record import Outcome, Record, TokenCounts
from llm_latency_lens.model.recording import READ_FIELDS, Attempt, EndKind, Head, Recording
from llm_latency_lens.model.request import Limits, Target
from llm_latency_lens.runner.outcome import Case, clean, judge
from llm_latency_lens.runner.reading import Reading, read_events
from llm_latency_lens.wire.dialect import load_dialect

_HEADER_SECONDS = {"openai-processing-ms": 1e-3, "x-envoy-upstream-service-time": 1e-3}
"""Response headers in which servers tell how long they worked, and their unit in seconds."""

_SHORTEST_SECRET = 8
"""Shorter words of header values ("Bearer", "Basic") are no secrets and would garble messages."""


class Subject(Struct, frozen=True, kw_only=True):
    """What recordings are of; `secrets` are removed from every text that a record keeps."""

    target: str
    dialect: str
    max_event: int = 8 * 1024 * 1024
    streamed: bool = True
    secrets: tuple[str, ...] = ()


def interpret(attempt: Attempt, subject: Subject) -> Record:
    """Read the attempt's bytes in the subject's dialect and say what happened when."""
    recording = attempt.recording
    dialect = load_dialect(subject.dialect)
    reading, error = Reading(), None
    head = recording.head
    if head is not None and 200 <= head.status < 300:
        events = dialect.decode((recording.body,), content_type(head), subject.max_event)
        reading = read_events(recording, events)
        if subject.streamed and content_type(head) == "application/json" and not reading.error:
            reading.malformed = "content_type: a stream was asked for, application/json came"
    elif head is not None:
        error = dialect.read_error(recording.body)
    outcome = judge(Case(recording, reading, error), subject.secrets)
    return _record(attempt, subject, reading, outcome)


def _record(attempt: Attempt, subject: Subject, reading: Reading, outcome: Outcome) -> Record:
    recording, head = attempt.recording, attempt.recording.head
    sent = recording.marks.sent or 0
    arrivals = reading.arrivals
    stamps, late = _stamp_source(recording)
    return Record(
        number=attempt.number,
        phase=attempt.phase,
        worker=attempt.worker,
        target=subject.target,
        intended=attempt.intended,
        dequeued=attempt.dequeued,
        marks=recording.marks,
        outcome=outcome,
        first_byte=_first_byte(recording),
        first_event=reading.first_event,
        first_token=arrivals[0] if arrivals else None,
        first_visible=reading.first_visible,
        last_token=arrivals[-1] if arrivals else None,
        first_kind=reading.first_kind,
        arrivals=tuple([arrival - sent for arrival in arrivals]),
        arrival_events=tuple(reading.arrival_events),
        stamps=stamps,
        late=late,
        tokens=_tokens(reading),
        finish_reason=reading.finish,
        model=_shown(reading.identity.model, subject),
        fingerprint=_shown(reading.identity.fingerprint, subject),
        response_id=_shown(reading.identity.id, subject),
        server_prompt=reading.timings.prompt,
        server_generation=reading.timings.generation,
        server_total=_server_total(reading, head),
        retry_after=_retry_after(head),
        connection=recording.connection,
        request_bytes=recording.request_bytes,
        body_bytes=len(recording.body),
        pings=reading.pings,
        flags=_flags(reading, recording),
    )


def content_type(head: Head) -> str:
    """The media type of a response, lower case, without parameters; "" where none was sent."""
    return (head.get("content-type") or "").partition(";")[0].strip().lower()


def _shown(text: str | None, subject: Subject) -> str | None:
    return None if text is None else clean(text, subject.secrets)


def _first_byte(recording: Recording) -> int | None:
    rows = recording.read_rows()
    return (rows[2] or rows[1]) if rows else None


def _stamp_source(recording: Recording) -> tuple[str, int | None]:
    """Whose stamps the reads carry, and the largest delay (ns) of ours behind the kernel's."""
    rows = recording.read_rows().tolist()
    delays = [rows[i + 1] - rows[i + 2] for i in range(0, len(rows), READ_FIELDS) if rows[i + 2]]
    if not rows:
        return "none", None
    if not delays:
        return "user", None
    return ("kernel" if len(delays) * READ_FIELDS == len(rows) else "mixed"), max(delays)


def _tokens(reading: Reading) -> TokenCounts:
    """The server's own count where it gives one; else the number of token events, and it says so."""
    events = sum(reading.arrival_events)
    usage = reading.usage
    if usage is None or usage.output is None:
        return TokenCounts(
            input=usage.input if usage else None,
            cached=usage.cached if usage else None,
            cache_write=usage.cache_write if usage else None,
            reasoning=usage.reasoning if usage else None,
            output=events or None,
            source="chunks" if events else "none",
            events=events,
        )
    hidden = bool(usage.reasoning) and "reasoning" not in reading.kinds
    return TokenCounts(
        input=usage.input,
        output=usage.output,
        reasoning=usage.reasoning,
        cached=usage.cached,
        cache_write=usage.cache_write,
        source="usage_minus_hidden" if hidden else "usage",
        events=events,
    )


def _server_total(reading: Reading, head: Head | None) -> float | None:
    if reading.timings.total is not None:
        return reading.timings.total
    for name, unit in _HEADER_SECONDS.items():
        text = head.get(name) if head else None
        if text is not None:
            try:
                return float(text) * unit
            except ValueError:
                continue
    return None


def _retry_after(head: Head | None) -> float | None:
    """Seconds the server asks us to wait, from either form of the header."""
    text = head.get("retry-after") if head else None
    if head is None or text is None:
        return None
    try:
        return max(float(text), 0.0)
    except ValueError:
        pass
    try:
        now = parsedate_to_datetime(head.get("date") or "")
        return max((parsedate_to_datetime(text) - now).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _flags(reading: Reading, recording: Recording) -> tuple[str, ...]:
    flags = set(reading.flags)
    if reading.finish == "length":
        flags.add("length")
    if "tool" in reading.kinds:
        flags.add("tool_call")
    if reading.finish and not reading.done:
        flags.add("no_end_marker")
    if recording.ending.kind not in (EndKind.COMPLETE, EndKind.CLOSED) and reading.finish:
        flags.add("unclean_end")
    return tuple(sorted(flags))


def subject_of(target: Target, limits: Limits, *, streamed: bool) -> Subject:
    """What recordings of `target` are interpreted as; header values count as secrets."""
    secrets = tuple(
        part
        for _, value in target.headers
        for part in value.split()
        if len(part) >= _SHORTEST_SECRET
    )
    return Subject(
        target=target.public_name,
        dialect=target.dialect,
        max_event=limits.max_event,
        streamed=streamed,
        secrets=secrets,
    )
