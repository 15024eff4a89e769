"""The whole table of calibrations under dependence: minutes of arithmetic, so only on request."""

import os
import sys

import pytest
from tests.attack.calibrations import table

pytestmark = pytest.mark.skipif(
    not os.environ.get("LLL_ATTACK"), reason="takes minutes; run it with: make attack"
)


def test_every_interval_covers_and_every_test_keeps_its_level() -> None:
    """Nominal within three binomial standard errors, for every row."""
    rows = table(int(os.environ.get("LLL_ATTACK_TRIALS", "1000")))
    for row in rows:
        sys.stdout.write(
            f"{row.what:40} {row.rho:4} {row.n:5} {row.nominal:5.2f} {row.observed:6.3f}"
            f" {row.trials:6} {row.printed:5.2f} {'' if row.holds else 'MISSED'}\n"
        )
    assert [row for row in rows if not row.holds] == []
