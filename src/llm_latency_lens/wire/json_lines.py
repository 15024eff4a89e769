"""Newline-delimited JSON on bytes: one object a line, LF or CRLF, cut anywhere."""

from collections.abc import Iterable, Iterator

TOO_LARGE = b"\x00too_large"
"""Yielded, last, in place of a line beyond the cap."""


def lines(body: Iterable[bytes], max_line: int) -> Iterator[tuple[int, bytes, bool]]:
    """Yield (offset behind the line, the line, whether LF ended it); blank lines are left out."""
    position = 0
    pending: list[bytes] = []
    size = 0
    for piece in body:
        *whole, rest = piece.split(b"\n")
        for part in whole:
            line = b"".join([*pending, part])
            pending.clear()
            size = 0
            if len(line) > max_line:
                yield position + max_line + 1, TOO_LARGE, True
                return
            position += len(line) + 1
            if line.strip():
                yield position, line, True
        pending.append(rest)
        size += len(rest)
        if size > max_line:
            yield position + max_line + 1, TOO_LARGE, True
            return
    line = b"".join(pending)
    if line.strip():
        yield position + len(line), line, False
