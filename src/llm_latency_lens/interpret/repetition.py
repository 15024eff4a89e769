"""Deltas that repeat text which came before: cumulative streams, and a last event with the whole answer.

Some servers send all text so far with each event, or the whole answer once more at the end. Then
characters are counted several times, and a repeated end is taken for the last token.
"""

CUMULATIVE = "cumulative_text"
"""Each delta repeats the text before it: the characters of the deltas are not those of the answer."""
REPEATED = "repeated_text"
"""A delta repeats the whole text before it: neither its characters nor its instant are an answer's."""

_LONG = 16
"""So many characters do not agree by chance."""
_HEAD = 64
"""So many characters of the beginning are kept."""
_OFTEN = 3
"""So many deltas in a row that begin with the one before, each longer, are cumulative."""


class Repetition:
    """What the longest deltas of one kind say of the text before them.

    Attributes:
        threshold: only a delta of more characters can tell more.
        repeated: whether a delta was as long as all text before it, and began like it.
    """

    __slots__ = ("_grown", "_head", "_newest", "repeated", "threshold")

    def __init__(self) -> None:
        self.threshold = 0
        self.repeated = False
        self._newest = ""
        self._head = ""
        self._grown = 0

    @property
    def cumulative(self) -> bool:
        """Whether the stream repeats all text so far with each delta."""
        return self._grown >= _OFTEN and len(self._newest) >= _LONG

    def add(self, texts: list[str], before: int) -> None:
        """Take deltas of which the last is longer than `threshold`, after `before` characters."""
        for text in texts:
            size = len(text)
            if size >= before >= _LONG and text.startswith(self._head):
                self.repeated = True
            if size > len(self._newest):
                grown = self._newest and text.startswith(self._newest)
                self._grown = self._grown + 1 if grown else 0
                self._newest = text
            if len(self._head) < _HEAD:
                self._head += text[: _HEAD - len(self._head)]
            before += size
        # Until the beginning is known, every delta is looked at.
        self.threshold = len(self._newest) if len(self._head) == _HEAD else 0
