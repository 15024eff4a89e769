"""How much the bodies under way in one process may hold together, so that many answers can't do what one may not."""

from collections.abc import Callable

from llm_latency_lens.model.recording import EndKind

STEP = 64 * 1024
"""A body is counted anew whenever it has grown by this much."""

End = Callable[[EndKind, str], None]


class BodyBudget:
    """The bodies under way, in bytes; beyond the limit the largest of them is ended."""

    __slots__ = ("_held", "total")

    def __init__(self) -> None:
        self.total = 0
        self._held: dict[End, int] = {}

    def hold(self, end: End, size: int, limit: int) -> None:
        """The body that `end` can end has `size` bytes now."""
        self.total += size - self._held.get(end, 0)
        self._held[end] = size
        if self.total > limit:
            largest = max(self._held, key=self._held.__getitem__)
            words = f"the responses under way hold more than {limit} bytes; this is the largest"
            largest(EndKind.BODY_TOO_LARGE, words)

    def release(self, end: End) -> None:
        """The exchange that `end` can end is over."""
        self.total -= self._held.pop(end, 0)
