"""Exit codes and the exception tree: tables that are complete."""

from llm_latency_lens.errors import (
    EXIT_CODE_MEANING,
    ConfigError,
    ExitCode,
    InvalidMeasurementError,
    LensError,
    UsageError,
)


def test_every_exit_code_has_a_meaning_and_its_number() -> None:
    """The documented numbers, each with its words."""
    assert set(EXIT_CODE_MEANING) == set(ExitCode)
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 7, 130, 143]


def test_exceptions_carry_their_exit_code() -> None:
    """What the command line returns for each."""
    assert (LensError.exit_code, UsageError.exit_code, ConfigError.exit_code) == (1, 2, 2)
    assert InvalidMeasurementError.exit_code == 4
