"""Output lengths against those that were asked for: a fold over successful requests."""

from msgspec import Struct

from llm_latency_lens.model.record import Record

FIXED, LIMITED = 0.01, 0.10
"""By such a share a length may differ that was fixed, and one that was only limited."""
_COUNTED = frozenset({"usage", "usage_minus_hidden"})


class Deviations(Struct):
    """Answers whose length differs from what was asked for in one way, and by how many tokens.

    Attributes:
        count: how many do.
        asked, got: the tokens that these were to have, and that they have.
        largest: the largest difference in tokens.
    """

    count: int = 0
    asked: int = 0
    got: int = 0
    largest: int = 0

    def add(self, asked: int, got: int) -> None:
        """One more answer."""
        self.count += 1
        self.asked += asked
        self.got += got
        self.largest = max(self.largest, abs(got - asked))


class LengthFold:
    """Add successful records.

    Attributes:
        answers: those that were asked for a length, and whose tokens were counted.
        fixed: whether a least length was asked for.
        shorter: answers below their least length, and those that the server ended as too long
            (`length`) before their limit.
        longer: answers above their limit.
        ended: answers that ended by themselves before their limit.
    """

    def __init__(self) -> None:
        self.answers = 0
        self.fixed = False
        self.shorter = Deviations()
        self.longer = Deviations()
        self.ended = Deviations()

    def add(self, record: Record) -> None:
        """Take one successful record."""
        least, most = record.asked_tokens
        got = record.tokens.output
        if got is None or (not least and most is None):
            return
        if record.tokens.source not in _COUNTED:
            # Each event has at least one token: only too many of them are beyond doubt.
            least, got = 0, record.tokens.events
        self.answers += 1
        self.fixed = self.fixed or least > 0
        self._place(record, least, most, got)

    def _place(self, record: Record, least: int, most: int | None, got: int) -> None:
        limit = FIXED if least else LIMITED
        if most is not None and got - most > _allowed(most, limit):
            self.longer.add(most, got)
        elif least - got > _allowed(least, FIXED):
            self.shorter.add(least, got)
        elif most is not None and most - got > _allowed(most, LIMITED):
            cut = record.finish_reason == "length"
            (self.shorter if cut else self.ended).add(most, got)


def _allowed(tokens: int, share: float) -> float:
    """The end-of-text token is counted by some servers and not by others."""
    return max(share * tokens, 1.0)
