"""Whether a failed attempt is made again, and after how long: off in measurements unless asked for.

Attempts are records of their own, linked by the request's number. Retries never exceed a tenth of the
requests started, so that a struggling server isn't struck down.
"""

import hashlib

from llm_latency_lens.interpret.headers import retry_after
from llm_latency_lens.model.recording import EndKind, Recording
from llm_latency_lens.units import NS_PER_S

_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_ENDINGS = frozenset(
    {EndKind.REFUSED, EndKind.CONNECT_TIMEOUT, EndKind.STALE_CONNECTION, EndKind.UNREACHABLE}
)
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0
BUDGET = 10
"""One retry for so many requests started."""


def wait_before_retry(recording: Recording, retry: int, seed: str) -> int | None:
    """How long (ns) to wait before trying again; None where the attempt is final.

    The server's own word counts; else half a second, doubled each time, less up to half of it, drawn
    from `seed`.
    """
    head = recording.head
    hopeful = head.status in _STATUSES if head is not None else recording.ending.kind in _ENDINGS
    if not hopeful:
        return None
    told = retry_after(head)
    if told is None:
        told = _FIRST_WAIT_S * 2**retry * (1 - _share(f"{seed}/{retry}") / 2)
    return round(min(told, _LONGEST_WAIT_S) * NS_PER_S)


def _share(seed: str) -> float:
    """A number from 0 to 1 that the seed decides."""
    digest = hashlib.blake2b(seed.encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / float(1 << 48)
