"""How often a test repeats what it draws: as often as shows a broken guard, and at night as often as proves a rate."""

import os

NIGHTLY = bool(os.environ.get("LLL_NIGHTLY"))


def repetitions(usually: int, nightly: int) -> int:
    """The number for this run of the tests."""
    return nightly if NIGHTLY else usually
