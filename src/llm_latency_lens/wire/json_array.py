"""A JSON array whose elements are read as they arrive, cut anywhere (Gemini without `alt=sse`).

Only brackets, braces and strings are looked at; an element's own JSON is for the reader.
"""

import re
from collections.abc import Iterable, Iterator

TOO_LARGE = b"\x00too_large"
"""Yielded, last, in place of an element beyond the cap."""
CLOSED = b"\x00closed"
"""Yielded, last, for the array's closing bracket."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|["{}\[\]]', re.DOTALL)
"""A whole string, a bracket or a brace; a quote alone is a string that has not ended yet."""
_STEP = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}


def elements(body: Iterable[bytes], max_element: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset behind the element, its bytes) for each object of the outermost array."""
    scanner = _Scanner()
    for piece in body:
        for end, data in scanner.feed(piece):
            if len(data) > max_element:
                yield end - len(data) + max_element + 1, TOO_LARGE
                return
            yield end, data
        if scanner.open_size > max_element:
            yield scanner.base + max_element + 1, TOO_LARGE
            return


class _Scanner:
    """What is not consumed yet (`base` is its offset), how far it has been looked at, and how deep."""

    __slots__ = ("_depth", "_rest", "_scanned", "base")

    def __init__(self) -> None:
        self.base = 0
        self._depth = 0  # 1 is inside the outermost array, 2 inside an element
        self._rest = b""
        self._scanned = 0

    @property
    def open_size(self) -> int:
        """Bytes of an element that has not ended."""
        return len(self._rest) if self._depth >= 2 else 0

    def feed(self, piece: bytes) -> Iterator[tuple[int, bytes]]:
        """Take the next piece; yield what it completes."""
        text = self._rest + piece
        keep = 0
        for token in _TOKEN.finditer(text, self._scanned):
            mark = token[0]
            if mark == b'"':
                break
            self._scanned = token.end()
            step = _STEP.get(mark, 0)
            self._depth += step
            if step > 0 and self._depth == 2:
                keep = token.start()
            elif step < 0 and self._depth == 1:
                yield self.base + self._scanned, text[keep : self._scanned]
            elif step < 0 and self._depth == 0:
                yield self.base + self._scanned, CLOSED
        if self._depth < 2:
            keep = self._scanned
        self._rest = text[keep:]
        self._scanned -= keep
        self.base += keep
