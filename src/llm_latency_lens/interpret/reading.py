"""What the events of one response add up to, each at the stamp of the read that completed it.

The kernel's stamp where there is one, else ours. An empty role delta, a ping, a usage block never
start or end a token metric: only a `Delta` does.
"""

from collections.abc import Callable, Iterable

from llm_latency_lens.interpret.reads import Reads
from llm_latency_lens.interpret.tally import Tally
from llm_latency_lens.model.events import (
    BadText,
    Billing,
    Delta,
    Deltas,
    Document,
    Done,
    Finish,
    Identity,
    Malformed,
    Noted,
    Opening,
    Ping,
    ReasoningWithheld,
    ServerError,
    ServerTimings,
    StreamEvent,
    Unframed,
    Unknown,
    Unterminated,
    Usage,
    Vectors,
)
from llm_latency_lens.model.recording import Recording

AFTER_THE_END = "output_after_end"
"""Output came behind the end of the stream; it is not part of the answer."""
SEVERAL_CHOICES = "several_choices"
"""Several answers were generated at once: the tokens of one of them are not known."""


_SEVERITY = {"success": 0, "unknown": 1, "filtered": 2, "failure": 3}
_LATE = (Usage, ServerTimings, Identity, Ping)
"""What may follow the end marker and still belongs to the answer."""


class Reading:
    """Marks (monotonic ns) with their widths, token counts, and what the server said of itself.

    Attributes:
        finish: the newest finish reason of each choice; the worst of them counts.
        finish_at: when the first finish reason behind the newest token arrived.
        document: the body is one document, so that everything arrived at its end.
        words: what the server wrote outside of the dialect's framing, as far as it is kept.
        reads: the network reads that carried token events of the first choice.
        tally: token events, characters and the server's running counts.
        other_last: the last token event of another choice than the first: its stamp and its width.
        first_event_width, first_token_width, first_visible_width: by how much the event may have
            arrived before its stamp, in ns.
    """

    __slots__ = (
        "billing",
        "document",
        "done",
        "error",
        "finish_at",
        "finishes",
        "first_event",
        "first_event_width",
        "first_kind",
        "first_token_width",
        "first_visible",
        "first_visible_width",
        "flags",
        "identity",
        "kinds",
        "malformed",
        "other_last",
        "pings",
        "reads",
        "tally",
        "timings",
        "usage",
        "vectors",
        "words",
    )

    def __init__(self, recording: Recording) -> None:
        self.reads = Reads(recording)
        self.tally = Tally()
        self.first_event: int | None = None
        self.first_visible: int | None = None
        self.first_event_width = self.first_token_width = self.first_visible_width = 0
        self.first_kind: str | None = None
        self.other_last: tuple[int, int] | None = None
        self.kinds: set[str] = set()
        self.flags: set[str] = set()
        self.identity = Identity()
        self.timings = ServerTimings()
        self.usage: Usage | None = None
        self.billing = Billing()
        self.finishes: dict[int, Finish] = {}
        self.finish_at: int | None = None
        self.error: ServerError | None = None
        self.malformed: str | None = None
        self.words: str | None = None
        self.document = self.done = False
        self.pings = 0
        self.vectors = 0

    @property
    def finish(self) -> Finish | None:
        """The finish reason that counts: the worst of the choices'."""
        return max(self.finishes.values(), key=lambda each: _SEVERITY[each.kind], default=None)


def read_events(recording: Recording, events: Iterable[tuple[int, StreamEvent]]) -> Reading:
    """Fold decoded events (end offset, event) over the recording's reads."""
    reading = Reading(recording)
    reads, tally = reading.reads, reading.tally
    kind, choice = "", -1
    following = iter(events)
    for offset, event in following:
        if isinstance(event, (Delta, Deltas)):
            if event.choice != choice:
                if choice >= 0:
                    _on_other_choice(reading, event, offset)
                    continue
                choice = event.choice
            arrival = reads.add(event.ends if isinstance(event, Deltas) else [offset])
            if event.kind != kind:
                kind = event.kind
                _on_new_kind(reading, kind, arrival)
            tally.add(event, reads.events)
        else:
            _HANDLERS[event.__class__](reading, event, offset)
            if reading.done:
                break
    for offset, event in following:
        _after_the_end(reading, event, offset)
    return reading


def _after_the_end(reading: Reading, event: StreamEvent, offset: int) -> None:
    """Take what follows the end marker: counts still belong to the answer, nothing else does."""
    if isinstance(event, Delta | Deltas):
        reading.flags.add(AFTER_THE_END)
    elif isinstance(event, _LATE):
        _HANDLERS[event.__class__](reading, event, offset)


def _on_other_choice(reading: Reading, event: Delta | Deltas, offset: int) -> None:
    """Take output of another choice than the first: it may end the answer, and has no gaps here."""
    reading.flags.add(SEVERAL_CHOICES)
    first, last = (event.ends[0], event.ends[-1]) if isinstance(event, Deltas) else (offset, offset)
    if event.kind not in reading.kinds:
        _on_new_kind(reading, event.kind, reading.reads.locate(first))
    reading.other_last = reading.reads.locate(last)
    reading.tally.add_other(event)


def _on_new_kind(reading: Reading, kind: str, arrival: tuple[int, int]) -> None:
    stamp, width = arrival
    if reading.first_event is None:
        reading.first_event, reading.first_event_width = arrival
    reading.kinds.add(kind)
    if reading.first_kind is None:
        reading.first_kind, reading.first_token_width = kind, width
    if kind == "text" and reading.first_visible is None:
        reading.first_visible, reading.first_visible_width = stamp, width


def _answer_begins(reading: Reading, offset: int) -> None:
    if reading.first_event is None:
        reading.first_event, reading.first_event_width = reading.reads.locate(offset)


def _on_opening(reading: Reading, _: Opening, offset: int) -> None:
    _answer_begins(reading, offset)
    reading.tally.add_empty()


def _on_reasoning_withheld(reading: Reading, _: ReasoningWithheld, __: int) -> None:
    reading.tally.withheld = True


def _on_vectors(reading: Reading, event: Vectors, offset: int) -> None:
    _answer_begins(reading, offset)
    reading.vectors += event.count


def _on_identity(reading: Reading, event: Identity, _: int) -> None:
    """What an event leaves out still holds."""
    before = reading.identity
    if before.model is not None and event.model not in {None, before.model}:
        reading.flags.add("model_changed")
    reading.identity = Identity(
        event.model or before.model, event.fingerprint or before.fingerprint, event.id or before.id
    )


def _on_usage(reading: Reading, event: Usage, _: int) -> None:
    """Usage that grows is cumulative, usage that shrinks contradicts itself; none and 0 erase nothing."""
    before = reading.usage or Usage()
    if event.output and (before.output or 0) > event.output:
        reading.flags.add("usage_contradictory")
    if event.output or not before.output:
        reading.tally.add_count(event.output, len(reading.reads.arrivals))
    reading.usage = Usage(
        input=event.input or _known(before.input, event.input),
        output=event.output or _known(before.output, event.output),
        reasoning=event.reasoning or _known(before.reasoning, event.reasoning),
        cached=event.cached or _known(before.cached, event.cached),
        cache_write=event.cache_write or _known(before.cache_write, event.cache_write),
        audio_input=event.audio_input or _known(before.audio_input, event.audio_input),
        audio_output=event.audio_output or _known(before.audio_output, event.audio_output),
        billed_input=event.billed_input or _known(before.billed_input, event.billed_input),
        final=event.final,
    )


def _known(before: int | None, count: int | None) -> int | None:
    return count if before is None else before


def _on_billing(reading: Reading, event: Billing, _: int) -> None:
    """What one event leaves out, another has said."""
    before = reading.billing
    charged = before.charged if event.charged is None else event.charged
    reading.billing = Billing(event.tier or before.tier, charged)


def _on_finish(reading: Reading, event: Finish, offset: int) -> None:
    """The newest reason counts: some servers give one with every event."""
    _answer_begins(reading, offset)
    reading.finishes[event.choice] = event
    stamp = reading.reads.locate(offset)[0]
    arrivals = reading.reads.arrivals
    if reading.finish_at is None or (arrivals and arrivals[-1] > reading.finish_at):
        reading.finish_at = stamp


def _on_timings(reading: Reading, event: ServerTimings, _: int) -> None:
    reading.timings = event


def _on_error(reading: Reading, event: ServerError, _: int) -> None:
    reading.error = reading.error or event


def _on_malformed(reading: Reading, event: Malformed, _: int) -> None:
    reading.malformed = event.detail


def _on_unframed(reading: Reading, event: Unframed, _: int) -> None:
    reading.flags.add("unframed_text")
    reading.words = reading.words or event.text


def _on_noted(reading: Reading, event: Noted, _: int) -> None:
    reading.flags.add(event.flag)


def _on_document(reading: Reading, _: Document, __: int) -> None:
    reading.document = True


def _on_ping(reading: Reading, _: Ping, __: int) -> None:
    reading.pings += 1


def _on_done(reading: Reading, _: Done, __: int) -> None:
    reading.done = True


def _flag(name: str) -> Callable[[Reading, StreamEvent, int], None]:
    def handler(reading: Reading, _: StreamEvent, __: int) -> None:
        reading.flags.add(name)

    return handler


_HANDLERS: dict[type, Callable[..., None]] = {
    Opening: _on_opening,
    ReasoningWithheld: _on_reasoning_withheld,
    Vectors: _on_vectors,
    Identity: _on_identity,
    Usage: _on_usage,
    Billing: _on_billing,
    Finish: _on_finish,
    ServerTimings: _on_timings,
    ServerError: _on_error,
    Malformed: _on_malformed,
    Document: _on_document,
    Noted: _on_noted,
    Unframed: _on_unframed,
    Ping: _on_ping,
    Done: _on_done,
    Unknown: _flag("unknown_events"),
    BadText: _flag("bad_text"),
    Unterminated: _flag("unterminated_final_event"),
}
