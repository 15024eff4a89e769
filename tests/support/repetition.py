"""How often a test repeats what it draws: as often as shows a broken guard, and at night as often as proves a rate."""

import os

import pytest

NIGHTLY = bool(os.environ.get("LLL_NIGHTLY"))
SLOW = pytest.mark.skipif(
    not (NIGHTLY or os.environ.get("LLL_REQUIRE_REAL")),
    reason="waits for ten seconds; .ci/run and make nightly run it, or set LLL_REQUIRE_REAL=1",
)
"""A test whose waiting is what it tests, beside a quicker one of the same guard or a rare case."""


def repetitions(usually: int, nightly: int) -> int:
    """The number for this run of the tests."""
    return nightly if NIGHTLY else usually
