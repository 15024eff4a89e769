"""Where a stream ends by its dialect's own word, told from the bytes as they arrive, without parsing.

A marker counts only where generated text can't hold it: behind a raw line end, or with quotes that
a JSON string would escape. A marker that is missed costs a wait for the end of the HTTP response; one
that is seen too early would cut an answer short, so what is doubtful is no marker.
"""

import re
from collections import deque

from msgspec import Struct

_OVERLAP = 96
"""Bytes of earlier reads that are looked at again: more than any pattern up to its needle."""
_REMEMBERED = 8
"""A finish reason is looked for in so many reads before the first keep-alive."""

_FINISH = re.compile(rb'"(?:finish_reason|stop_reason|finishReason|done_reason)"\s*:\s*"')
"""A finish reason, behind which only the usage and the end are due."""
_KEEP_ALIVES = re.compile(
    rb'(?:(?::[^\r\n]*|event:[ \t]*ping|data:[ \t]*(?:\{\s*"type"\s*:\s*"ping"[^\r\n]*)?)?[\r\n]+)+'
)
"""Lines without content: comments, blank lines, empty data, pings."""


class _Marker(Struct, frozen=True):
    """An end marker.

    Attributes:
        needle: bytes without which there is no marker, looked for first.
        pattern: the marker, up to a point within the event that it ends.
        whole: whether the event is over with the pattern; else it is with the next line end.
    """

    needle: bytes
    pattern: re.Pattern[bytes]
    whole: bool = False


def _event(name: bytes) -> _Marker:
    """An SSE event of this type, by its name, or by its first or its last key."""
    pattern = (
        rb"[\r\n]event:[ \t]*%b[ \t]*[\r\n]+data:"
        rb'|[\r\n]data:[ \t]*\{\s*"type"\s*:\s*"%b"'
        rb'|"type"\s*:\s*"%b"\s*\}(?=[\r\n])'
    )
    return _Marker(name, re.compile(pattern % ((re.escape(name),) * 3)))


_DONE = _Marker(b"[DONE]", re.compile(rb"[\r\n]data:[ \t]*\[DONE\]"), whole=True)
_DONE_LINE = re.compile(
    # A tool's arguments are no string here, so that they may hold `"done":true` themselves.
    rb'"done"\s*:\s*true\s*(?:,\s*"(?:done_reason|total_duration)"|\}(?=[\r\n]))'
)
_MARKERS = {
    "openai_chat": (_DONE,),
    "gemini": (_DONE,),
    "anthropic": (_event(b"message_stop"), _DONE),
    "openai_responses": (
        _event(b"response.completed"),
        _event(b"response.incomplete"),
        _event(b"response.failed"),
        _DONE,
    ),
    "cohere": (_event(b"message-end"), _DONE),
    "ollama": (_Marker(b"true", _DONE_LINE),),
}


class EndFinder:
    """Looks for the end marker of one response in the pieces of its body."""

    __slots__ = ("_ended", "_finished", "_markers", "_needles", "_open", "_recent", "_tail")

    def __init__(self, markers: tuple[_Marker, ...]) -> None:
        self._markers = markers
        self._needles = tuple(marker.needle for marker in markers)
        self._tail = b"\n"  # the beginning of the body is the beginning of a line
        self._open = self._ended = self._finished = False
        self._recent: deque[bytes] = deque(maxlen=_REMEMBERED)

    def feed(self, data: bytes) -> bool:
        """Take the next bytes of the body; True once the event that ends the stream is over."""
        if self._open:
            return self._close(data)
        window = self._tail + data
        for needle in self._needles:
            if needle in window and self._matches(window):
                return self._ended
        self._tail = window[-_OVERLAP:]
        self._recent.append(data)
        return False

    def idles(self, data: bytes) -> bool:
        """Whether a read holds nothing but keep-alives, behind a finish reason.

        Such a read is no sign that anything else will come.
        """
        if data[:1] not in b":\r\ned" or _KEEP_ALIVES.fullmatch(data) is None:
            return False
        if not self._finished and self._recent:
            recent = b"".join(self._recent)
            self._finished = _FINISH.search(recent) is not None
            self._recent.clear()
        return self._finished

    def _matches(self, window: bytes) -> bool:
        """Whether a marker is there; with a line end behind it, where one is due, it is the end."""
        for marker in self._markers:
            found = marker.pattern.search(window)
            if found is not None:
                self._open = True
                self._ended = marker.whole
                self._close(window[found.end() :])
                return True
        return False

    def _close(self, data: bytes) -> bool:
        self._ended = self._ended or b"\n" in data or b"\r" in data
        return self._ended


def end_finder(dialect: str) -> EndFinder | None:
    """Return a finder of the dialect's end marker; None where only HTTP's end ends an answer."""
    markers = _MARKERS.get(dialect)
    return EndFinder(markers) if markers is not None else None
