"""Run directories: header, journal, summary. A run is complete, running or interrupted, never half there.

<root>/<id>/header.json       what was asked, where it ran, how to repeat it      (0600, directory 0700)
            journal.jsonl     every record, as it ended
            summary.json      the result document, written atomically at the end
            lock              the writer's process, while it lives
"""

import difflib
import json
import os
import pathlib
import re
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct

from llm_latency_lens.clock import Clock
from llm_latency_lens.errors import StoreError, UsageError
from llm_latency_lens.model.record import Record
from llm_latency_lens.store.files import SystemFiles, write_atomically
from llm_latency_lens.store.journal import Journal, Problem, Reading, RecordLine, line_of

HEADER, JOURNAL, SUMMARY, LOCK = "header.json", "journal.jsonl", "summary.json", "lock"
RECOVERED = "journal.recovered.jsonl"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_BOOT_ID = pathlib.Path("/proc/sys/kernel/random/boot_id")

Status = Literal["complete", "running", "interrupted"]


class RunWriter:
    """The one writer of a run; a sink for records."""

    def __init__(self, folder: pathlib.Path, header: dict[str, Any], clock: Clock) -> None:
        self.folder = folder
        self._files = SystemFiles()
        self._journal = Journal(folder / JOURNAL, clock)
        data = json.dumps(header, indent=2, ensure_ascii=False).encode()
        write_atomically(str(folder / HEADER), data, self._files)
        self._journal.header(header)

    def append(self, record: Record) -> None:
        """Keep one record; it is safe once this returns. Raises StoreError."""
        self._journal.append((record,))

    def finish(self, summary: bytes) -> None:
        """Store the result document (JSON), seal the journal, let the lock go."""
        try:
            write_atomically(str(self.folder / SUMMARY), summary, self._files)
        except OSError as error:
            where = str(self.folder / SUMMARY)
            raise StoreError(f"can't write {where!r}: {error.strerror}") from None
        self._journal.seal()
        (self.folder / LOCK).unlink(missing_ok=True)

    def abandon(self) -> None:
        """Close without a seal: the run stays readable and counts as interrupted."""
        self._journal.close()
        (self.folder / LOCK).unlink(missing_ok=True)


class StoredRun(Struct, frozen=True):
    """A run as it lies on disk."""

    id: str
    folder: pathlib.Path

    def header(self) -> dict[str, Any]:
        """The run's header. Raises StoreError."""
        found = _read_json(self.folder / HEADER)
        if found is None:
            raise StoreError(
                f"run {self.id} has no readable {HEADER}; try: llm-latency-lens runs recover {self.id}"
            )
        return found

    def summary(self) -> dict[str, Any] | None:
        """The result document; None where the run did not get so far."""
        return _read_json(self.folder / SUMMARY)

    def status(self) -> Status:
        """Complete where there is a summary, running where its writer lives, else interrupted."""
        if (self.folder / SUMMARY).exists():
            return "complete"
        return "running" if _is_alive(self.folder / LOCK) else "interrupted"

    def reading(self) -> Reading:
        """A pass over its journal."""
        return Reading(self.folder / JOURNAL)


class Recovery(Struct, frozen=True):
    """What `recover` found: records kept, problems left out, and the new file."""

    records: int
    problems: tuple[Problem, ...]
    sealed: bool
    path: pathlib.Path


def create_run(root: pathlib.Path, header: dict[str, Any], clock: Clock) -> RunWriter:
    """Make the directory of run `header["id"]` and open its journal; before anything is sent.

    Raises:
        UsageError: the id is not one, or `root` is no directory that can be written.
        StoreError: the run exists already.
    """
    folder = _folder(root, str(header["id"]))
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        lock = os.open(folder / LOCK, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(lock, f"{os.getpid()} {_boot_id()}".encode())
        os.close(lock)
    except FileExistsError:
        if root.is_dir():
            raise StoreError(f"run {header['id']} exists already in {str(root)!r}") from None
        raise UsageError(f"--runs-dir {str(root)!r} is a file; give a directory") from None
    except OSError as error:
        words = f"can't store runs in {str(root)!r}: {error.strerror}; give another --runs-dir"
        raise UsageError(words) from None
    return RunWriter(folder, header, clock)


def list_runs(root: pathlib.Path) -> list[StoredRun]:
    """All runs below `root`, oldest first (ids begin with the time)."""
    if not root.is_dir():
        return []
    names = sorted(
        entry.name for entry in root.iterdir() if entry.is_dir() and _ID.fullmatch(entry.name)
    )
    return [StoredRun(name, root / name) for name in names]


def open_run(root: pathlib.Path, wanted: str) -> StoredRun:
    """The run with the id, or the only one whose id begins so, or `last`.

    Raises:
        UsageError: there is none, or more than one; the nearest id is named.
    """
    runs = list_runs(root)
    if not runs:
        raise UsageError(f"no runs in {str(root)!r}; make one, or give --runs-dir")
    if wanted == "last":
        return runs[-1]
    found = [run for run in runs if run.id == wanted] or [
        run for run in runs if run.id.startswith(wanted)
    ]
    if len(found) == 1 and wanted:
        return found[0]
    if found:
        raise UsageError(
            f"{wanted!r} is the beginning of {len(found)} runs, such as {found[0].id} and {found[1].id}"
        )
    near = difflib.get_close_matches(wanted[:60], [run.id for run in runs], n=1, cutoff=0.3)
    hint = f"did you mean {near[0]}?" if near else f"the last one is {runs[-1].id}"
    raise UsageError(f"no run {wanted!r} in {str(root)!r}; {hint}")


def recover_run(run: StoredRun) -> Recovery:
    """Write every line that can be read to a new journal; the original is never modified.

    Raises:
        StoreError: the journal can't be read, or was written by a newer version.
    """
    reading = run.reading()
    path = run.folder / RECOVERED
    records = 0

    def good_lines() -> Iterator[bytes]:
        nonlocal records
        for _, value in reading.lines():
            records += isinstance(value, RecordLine)
            yield line_of(value)

    write_atomically(str(path), b"".join(good_lines()), SystemFiles())
    return Recovery(records, tuple(reading.problems), reading.sealed, path)


def _folder(root: pathlib.Path, name: str) -> pathlib.Path:
    if not _ID.fullmatch(name):
        raise UsageError(f"{name!r} is no run id: a-z, 0-9 and -, at most 64 characters")
    return root / name


def _read_json(path: pathlib.Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def _is_alive(lock: pathlib.Path) -> bool:
    """Whether the process that made the lock lives, on this boot of this machine."""
    try:
        pid, _, boot = lock.read_text(encoding="ascii").partition(" ")
        os.kill(int(pid), 0)
    except (OSError, ValueError):
        return False
    return boot == _boot_id()
