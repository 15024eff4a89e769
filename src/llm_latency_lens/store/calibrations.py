"""Where calibrations are kept: in the user's cache, one file for each machine, tool version and number of processes."""

import hashlib
import os
import pathlib
import tempfile

import msgspec

from llm_latency_lens.model.calibration import CALIBRATION_SCHEMA, Calibration
from llm_latency_lens.store.files import SystemFiles, write_atomically


class _Versioned(msgspec.Struct):
    """What every version of the document has."""

    schema: str = ""


def check_cache(machine: dict[str, str], workers: int) -> None:
    """See that a calibration could be kept, before the seconds that making it takes.

    Raises:
        OSError: the cache can't be written.
    """
    folder = _path(machine, workers).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def save_calibration(calibration: Calibration) -> pathlib.Path:
    """Keep it, in place of an older one of the same machine; returns the file.

    Raises:
        OSError: the cache can't be written.
    """
    path = _path(calibration.machine, calibration.workers)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(
        str(path), msgspec.json.format(msgspec.json.encode(calibration), indent=2), SystemFiles()
    )
    return path


def load_calibration(machine: dict[str, str], workers: int) -> Calibration | None:
    """The calibration of this machine with so many processes, or with one; None where there is none."""
    for count in dict.fromkeys((workers, 1)):
        try:
            found = msgspec.json.decode(_path(machine, count).read_bytes(), type=Calibration)
        except (OSError, msgspec.DecodeError):
            # An unreadable cache is an empty one: calibrating again mends it.
            continue
        if found.schema == CALIBRATION_SCHEMA and found.machine == machine:
            return found
    return None


def has_outdated_calibration(machine: dict[str, str], workers: int) -> bool:
    """Whether a calibration of this machine is kept in the format of another version."""
    for count in dict.fromkeys((workers, 1)):
        try:
            found = msgspec.json.decode(_path(machine, count).read_bytes(), type=_Versioned)
        except (OSError, msgspec.DecodeError):
            continue
        if found.schema != CALIBRATION_SCHEMA:
            return True
    return False


def _path(machine: dict[str, str], workers: int) -> pathlib.Path:
    home = os.environ.get("XDG_CACHE_HOME")
    folder = pathlib.Path(home) if home else pathlib.Path("~/.cache").expanduser()
    key = hashlib.sha256(msgspec.json.encode([machine, workers])).hexdigest()[:12]
    return folder / "llm-latency-lens" / f"calibration-{key}.json"
