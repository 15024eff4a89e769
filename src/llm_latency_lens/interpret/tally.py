"""Counts of one response while its events are read: token events, characters, the server's own counts.

The counts here are facts of the stream. What they mean for the number of tokens is `tokens.py`'s.
"""

from itertools import islice

from llm_latency_lens.model.events import Delta, DeltaKind, Deltas

KEPT = 100_000
"""So many token events of a response are kept; in a longer one no repetition is looked for."""


class Tally:
    """What has been counted up to the current event.

    Attributes:
        total: token events.
        events, characters: token events and their characters, by kind of output.
        first_events, first_characters: those of the first network read that carried tokens.
        withheld: the server said that it streams only a part, or a summary, of its reasoning.
        continuous: the server gave its count of output tokens between token events.
        count_before: the last count before the first token event.
        count_at_first: the count that came with the last token event of the first token read.
        count_at_last: the first count after the last token event.
        steps_between: tokens counted without a token event, between two token events.
        empty_before, empty_between: empty deltas before the first token event, and between two.
        room: for `count_before`, `steps_between`, `empty_before` and `empty_between`, how many of
            them the token events that followed at once have room for, at a byte a token.
        deltas: the first token events, as many as are kept.
    """

    __slots__ = (
        "_arrival",
        "_count",
        "_counted",
        "_interrupted",
        "_pending",
        "_unresolved_empty",
        "_unresolved_steps",
        "characters",
        "continuous",
        "count_at_first",
        "count_at_last",
        "count_before",
        "deltas",
        "empty_before",
        "empty_between",
        "events",
        "first_characters",
        "first_events",
        "room",
        "steps_between",
        "total",
        "withheld",
    )

    def __init__(self) -> None:
        self.total = 0
        self.events: dict[DeltaKind, int] = {"text": 0, "reasoning": 0, "tool": 0}
        self.characters: dict[DeltaKind, int] = {"text": 0, "reasoning": 0, "tool": 0}
        self.first_events = self.first_characters = 0
        self.deltas: list[Delta | Deltas] = []
        self.withheld = self.continuous = False
        self.count_before = 0
        self.count_at_first: int | None = None
        self.count_at_last: int | None = None
        self.steps_between = self.empty_before = self.empty_between = 0
        self.room: dict[str, int] = {}
        # Steps and empty deltas since the last token event: between two only once another comes.
        self._unresolved_steps = self._unresolved_empty = 0
        self._interrupted = False
        self._pending: dict[str, int] = {}  # those that the events of the same read may still hold
        self._arrival = 0
        self._count = 0  # the newest count, and how many token events had come by then
        self._counted = -1

    def add(self, event: Delta | Deltas, reads: list[int]) -> None:
        """Count token events; `reads` has the token events of each read, these included."""
        if self._interrupted:
            self._resume(len(reads))
        if self._pending:
            self._make_room(texts_of(event)[0], len(reads))
        if self.total < KEPT:
            self.deltas.append(event)
        if isinstance(event, Deltas):
            number, characters = len(event.ends), event.characters
        else:
            number, characters = 1, len(event.text)
        kind = event.kind
        self.total += number
        self.events[kind] += number
        self.characters[kind] += characters
        if self.first_events < reads[0]:
            if len(reads) > 1 and isinstance(event, Deltas):
                characters = sum(map(len, event.texts[: reads[0] - self.first_events]))
            self.first_events = reads[0]
            self.first_characters += characters
            self.count_at_first = None

    def add_other(self, event: Delta | Deltas) -> None:
        """Count token events of another choice than the first."""
        number, size = (
            (len(event.ends), event.characters)
            if isinstance(event, Deltas)
            else (1, len(event.text))
        )
        self.total += number
        self.events[event.kind] += number
        self.characters[event.kind] += size

    def add_count(self, output: int | None, reads: int) -> None:
        """Take the server's count of output tokens so far, after `reads` reads with tokens."""
        if output is None:
            return
        self._interrupted = True
        if not self.total:
            self.count_before = output
        elif self._counted == self.total:
            self._unresolved_steps += max(output - self._count, 0)
        else:
            self.count_at_last = output
            if reads == 1:
                self.count_at_first = output
        self._counted, self._count = self.total, output

    def add_empty(self) -> None:
        """Count a delta without output."""
        self._interrupted = True
        if self.total:
            self._unresolved_empty += 1
        else:
            self.empty_before += 1

    @property
    def is_counted_to_the_end(self) -> bool:
        """Whether the server's newest count came after the last token event."""
        return self._counted == self.total

    @property
    def bytes(self) -> int:
        """The length in UTF-8 of what streamed, as far as it is kept."""
        return self._bytes_of(self.total)

    @property
    def first_bytes(self) -> int:
        """The length in UTF-8 of the text of the first read that carried tokens."""
        return self._bytes_of(self.first_events)

    def _bytes_of(self, events: int) -> int:
        texts = (text for delta in self.deltas for text in texts_of(delta))
        return sum(map(_bytes, islice(texts, events)))

    @property
    def empty_after(self) -> int:
        """Empty deltas after the last token event."""
        return self._unresolved_empty

    def _resume(self, reads: int) -> None:
        """Output goes on: what came since the last token event was between two."""
        self._interrupted = False
        if not self.total:
            # The first empty delta of a stream names the role.
            self._expect(reads, count_before=self.count_before, empty_before=self.empty_before - 1)
            return
        self.continuous = self.continuous or self._counted > 0
        self.steps_between += self._unresolved_steps
        self.empty_between += self._unresolved_empty
        self._expect(
            reads, steps_between=self._unresolved_steps, empty_between=self._unresolved_empty
        )
        self._unresolved_steps = self._unresolved_empty = 0

    def _expect(self, reads: int, **steps: int) -> None:
        if any(count > 0 for count in steps.values()):
            self._pending, self._arrival = steps, reads

    def _make_room(self, text: str, reads: int) -> None:
        """Tell how many of the steps before this read may be in the text of its events."""
        if reads > self._arrival:
            self._pending = {}
            return
        size = _bytes(text) - 1
        for name, count in self._pending.items():
            held = max(min(count, size), 0)
            self.room[name] = self.room.get(name, 0) + held
            self._pending[name] -= held


def texts_of(event: Delta | Deltas) -> list[str]:
    """Return what each of the token events says."""
    return event.texts if isinstance(event, Deltas) else [event.text]


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
