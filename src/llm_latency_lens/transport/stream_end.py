"""Where a stream ends by its dialect's own word, while HTTP's end does not come.

The bytes are looked at now and then, when a response has gone quiet or once a second: a read costs
nothing. Some gateways keep a response open after the last event, or fill it with keep-alives.
"""

from llm_latency_lens.transport.response import Response
from llm_latency_lens.wire.ending import EndFinder, end_finder

QUIET_NS = 100_000_000
"""How long after the end marker HTTP's own end is waited for."""
_IDENTITY = frozenset({"", "identity", "none"})


class StreamEnd:
    """The end of one response's stream.

    Attributes:
        ended_at: when the end marker was there (ns), 0 before.
        idling: behind the finish reason nothing but keep-alives comes.
        content_at: the instant (ns) of the last read but those.
    """

    __slots__ = ("_dialect", "_finder", "_looked", "content_at", "ended_at", "idling")

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._finder: EndFinder | None = None
        self._looked = 0
        self.ended_at = 0
        self.idling = False
        self.content_at = 0

    def is_over(self, response: Response, last_read: int, now: int) -> bool:
        """Whether the end marker came and HTTP's end did not in the time that is left to it."""
        if not self.ended_at:
            self._look(response, last_read, now)
        return 0 < self.ended_at <= now - QUIET_NS

    def _look(self, response: Response, last_read: int, now: int) -> None:
        size = len(response.body)
        if size == self._looked or not self._dialect:
            return
        if self._finder is None:
            self._finder = _finder_of(self._dialect, response)
            if self._finder is None:
                self._dialect = ""
                return
        piece = bytes(response.body[self._looked : size])
        self._looked = size
        if self._finder.feed(piece):
            # In a quiet response it was the last read that brought it.
            self.ended_at = last_read if now - last_read >= QUIET_NS else now
            return
        self.idling = self._finder.idles(piece)
        if not self.idling:
            self.content_at = last_read


def _finder_of(dialect: str, response: Response) -> EndFinder | None:
    head = response.head
    if head is None or not 200 <= head.status < 300:
        return None
    if (head.get("content-encoding") or "").strip().lower() not in _IDENTITY:
        return None
    return end_finder(dialect)
