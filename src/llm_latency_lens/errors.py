"""The exception tree and the exit codes, both drawn here and nowhere else.

    LensError
    ├── UsageError            what was asked for can't be done as asked        exit 2
    │   └── ConfigError       a configuration file says something wrong        exit 2
    ├── MachineError          this machine can't do it (disk, ports, workers)  exit 1
    ├── StoreError            a run directory can't be read or written         exit 1
    └── InvalidMeasurementError  the books don't balance, the numbers are void    exit 4

Each message is one line: what, where, what to do next. What a *peer* does wrong is never an
exception: it is a record with its outcome.
"""

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process says to its caller; the table in the documentation is made from this."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    THRESHOLD_FAILED = 3
    INVALID_MEASUREMENT = 4
    TOO_FEW_SAMPLES = 5
    MONEY_CAP = 6
    REGRESSION = 7
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_CODE_MEANING: dict[ExitCode, str] = {
    ExitCode.OK: "done, nothing to object to",
    ExitCode.INTERNAL: "the tool or this machine failed",
    ExitCode.USAGE: "wrong usage or configuration; nothing was sent",
    ExitCode.THRESHOLD_FAILED: "an SLO or threshold was missed, or no request succeeded",
    ExitCode.INVALID_MEASUREMENT: "the measurement is invalid",
    ExitCode.TOO_FEW_SAMPLES: "too few samples for a verdict",
    ExitCode.MONEY_CAP: "stopped by the money cap",
    ExitCode.REGRESSION: "a regression was found",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C); partial results are kept",
    ExitCode.TERMINATED: "terminated; partial results are kept",
}


class LensError(Exception):
    """Root of everything this package raises on purpose; `exit_code` is what the command line returns."""

    exit_code = ExitCode.INTERNAL


class UsageError(LensError):
    """What was asked for can't be done as asked; nothing has been sent or spent."""

    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """A configuration file holds an unknown key or a value of the wrong kind."""


class MachineError(LensError):
    """This machine can't do what is needed: no file descriptors, no worker process, no disk."""


class StoreError(LensError):
    """A run directory can't be written, or holds something this version can't read."""


class InvalidMeasurementError(LensError):
    """The measurement contradicts itself, so no number of it may be used."""

    exit_code = ExitCode.INVALID_MEASUREMENT


_LONGEST_NAME = 60
"""Nobody meant a name longer than this one, and looking for its neighbours would take long."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, else all of them."""
    import difflib  # noqa: PLC0415 - only on error

    names = list(known)
    near = difflib.get_close_matches(name[:_LONGEST_NAME].lower(), names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
