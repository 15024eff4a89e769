"""Which attempts can have cost nothing: what was never sent, and what was refused.

A gateway that gave up does not know whether the model behind it has answered, and is billed.
"""

from llm_latency_lens.model.recording import Marks

_GAVE_UP = frozenset({408, 499, 502, 504, 520, 522, 524})
"""Statuses of a gateway or proxy that waited for the server behind it, or lost it."""


def may_be_billed(marks: Marks, status: int | None) -> bool:
    """Whether an attempt with these marks and this HTTP status may have cost something."""
    if marks.sent is None:
        return False
    return status is None or 200 <= status < 300 or status in _GAVE_UP
