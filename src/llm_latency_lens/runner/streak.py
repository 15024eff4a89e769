"""Does a worker ask a dead target? Until the parent has decided, it does not hammer it."""

from llm_latency_lens.model.recording import EndKind, Recording
from llm_latency_lens.units import NS_PER_S

PAUSE_NS = NS_PER_S
"""Between two requests to a target that seems dead."""
_ENOUGH = 5
_ENDINGS = frozenset(
    {EndKind.REFUSED, EndKind.DNS_FAILED, EndKind.UNREACHABLE, EndKind.TLS_FAILED}
    | {EndKind.PROXY_FAILED, EndKind.BAD_HTTP}
)
_PASSING = frozenset({408, 409, 423, 425, 429, 499})


class FailureStreak:
    """Add every recording; `is_dead` while all of them failed alike, for a reason that stays."""

    def __init__(self) -> None:
        self._cause: object = None
        self._count = 0
        self._lives = False

    @property
    def is_dead(self) -> bool:
        """Whether the target seems dead."""
        return self._count >= _ENOUGH

    def add(self, recording: Recording) -> None:
        """One more attempt; a single one that does not fail so clears the target for good."""
        cause = None if self._lives else _cause(recording)
        if cause is None or (self._count and cause != self._cause):
            self._lives, self._count = True, 0
            return
        self._cause = cause
        self._count += 1


def _cause(recording: Recording) -> object:
    head = recording.head
    if head is None:
        kind = recording.ending.kind
        return kind if kind in _ENDINGS else None
    permanent = 300 <= head.status < 500 and head.status not in _PASSING
    return head.status if permanent else None
