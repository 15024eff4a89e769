"""The suite's own rules: what a busy machine must not turn into a failure."""

import pathlib
import re

from hypothesis import HealthCheck, settings

TESTS = pathlib.Path(__file__).parents[1]


def test_properties_have_no_deadline_and_may_be_slow() -> None:
    """The profile holds for every property: a busy machine fails none by its time alone."""
    profile = settings()
    assert profile.deadline is None
    assert HealthCheck.too_slow in profile.suppress_health_check


def test_no_property_takes_the_profile_back() -> None:
    """Settings of one test add to the suppressed health checks, and set no deadline."""
    for path in TESTS.rglob("test_*.py"):
        for match in re.finditer(r"@settings\(([^@]*?)\)\n@", path.read_text(encoding="utf-8")):
            text = match[1]
            assert "deadline" not in text, path
            assert "suppress" not in text or "*settings().suppress_health_check" in text, path
