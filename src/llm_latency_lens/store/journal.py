r"""An append-only journal: one JSON line a record, each with a CRC. What `append` returned for is kept.

    a1b2c3d4 {"kind":"record",...}\n

A line is handed to the kernel before `append` returns, so killing the process loses nothing; it reaches
the disk (fsync) at least every second and when the journal is closed. Reading never changes the file: a
torn tail is left out and counted, a damaged line is located and left out, the rest is read.
"""

import os
import pathlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from llm_latency_lens.clock import Clock
from llm_latency_lens.errors import StoreError
from llm_latency_lens.model.record import Record
from llm_latency_lens.store.files import Files, SystemFiles
from llm_latency_lens.units import NS_PER_S

JOURNAL_SCHEMA = "llm-latency-lens/journal/1"
_CRC_DIGITS = 8
_SYNC_NS = NS_PER_S


class HeaderLine(Struct, frozen=True, tag_field="kind", tag="header"):
    """The first line: which format this is, and the run's header."""

    schema: str
    run: dict[str, Any]


class RecordLine(Struct, frozen=True, tag_field="kind", tag="record"):
    """One attempt."""

    record: Record


class SealLine(Struct, frozen=True, tag_field="kind", tag="seal"):
    """The last line of a run that was finished: how many records came before it."""

    records: int


Line = HeaderLine | RecordLine | SealLine

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


class Problem(Struct, frozen=True):
    """Bytes of a journal that could not be read, and why."""

    line: int
    offset: int
    size: int
    kind: Literal["torn", "damaged"]
    words: str


def line_of(value: Line) -> bytes:
    """A journal line: CRC-32 of the JSON in eight hex digits, a blank, the JSON, LF."""
    body = _encode(value)
    return b"%08x %s\n" % (zlib.crc32(body), body)


class Journal:
    """The writing end. `append` acknowledges by returning."""

    def __init__(self, path: pathlib.Path, clock: Clock, files: Files | None = None) -> None:
        self.path = path
        self.records = 0
        self._files = files or SystemFiles()
        self._clock = clock
        self._good = 0
        try:
            self._fd: int | None = self._files.open(
                str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            )
        except OSError as error:
            raise StoreError(f"can't create journal {str(path)!r}: {error.strerror}") from None
        self._synced = clock.now()

    def header(self, run: dict[str, Any]) -> None:
        """Write the first line."""
        self._write(line_of(HeaderLine(JOURNAL_SCHEMA, run)))

    def append(self, records: Sequence[Record]) -> None:
        """Keep `records`; they are safe from a crash of this process once this returns.

        Raises:
            StoreError: the disk is full or failing. Nothing of these records is left in the file.
        """
        self._write(b"".join([line_of(RecordLine(record)) for record in records]))
        self.records += len(records)

    def seal(self) -> None:
        """Write the last line and bring everything to the disk."""
        self._write(line_of(SealLine(self.records)))
        self.close()

    def close(self) -> None:
        """Bring everything to the disk and close; without a seal the run counts as interrupted."""
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        try:
            self._files.fsync(fd)
        except OSError as error:
            raise self._failed(error) from None
        finally:
            self._files.close(fd)

    def _write(self, data: bytes) -> None:
        if self._fd is None:
            raise StoreError(f"journal {str(self.path)!r} is closed")
        view = memoryview(data)
        try:
            while view:
                view = view[self._files.write(self._fd, bytes(view)) :]
            if self._clock.now() - self._synced >= _SYNC_NS:
                self._files.fsync(self._fd)
                self._synced = self._clock.now()
        except OSError as error:
            self._undo(self._fd)
            raise self._failed(error) from None
        self._good += len(data)

    def _undo(self, fd: int) -> None:
        """Cut back to the last whole line; where even that fails, the reader drops the torn tail."""
        try:
            self._files.truncate(fd, self._good)
        except OSError:
            return

    def _failed(self, error: OSError) -> StoreError:
        remedy = "free some space, or give another --runs-dir"
        return StoreError(f"can't write journal {str(self.path)!r}: {error.strerror}; {remedy}")


class Reading:
    """A pass over a journal. `problems`, `header` and `sealed` are complete once `lines` is used up."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.header: HeaderLine | None = None
        self.sealed = False

    def records(self) -> Iterator[Record]:
        """Every record that can be read, in order.

        Raises:
            StoreError: no such file, or written by a newer version.
        """
        for _, value in self.lines():
            if isinstance(value, RecordLine):
                yield value.record

    def lines(self) -> Iterator[tuple[bytes, Line]]:
        """Every good line as bytes and as value."""
        try:
            with self.path.open("rb") as file:
                yield from self._lines(file)
        except OSError as error:
            raise StoreError(f"can't read journal {str(self.path)!r}: {error.strerror}") from None

    def _lines(self, file: Iterator[bytes]) -> Iterator[tuple[bytes, Line]]:
        offset = 0
        for number, raw in enumerate(file, 1):
            value = self._check(raw, number, offset)
            offset += len(raw)
            if value is None:
                continue
            if isinstance(value, HeaderLine):
                self._accept(value)
            self.sealed = isinstance(value, SealLine)
            yield raw, value

    def _check(self, raw: bytes, number: int, offset: int) -> Line | None:
        """The line's value; None, and a problem noted, where it can't be read."""
        body = raw[_CRC_DIGITS + 1 : -1]
        kind: Literal["torn", "damaged"] = "damaged"
        if not raw.endswith(b"\n"):
            kind, words = "torn", "the line was not finished"
        elif raw[: _CRC_DIGITS + 1] != b"%08x " % zlib.crc32(body):
            words = "its checksum does not match"
        else:
            try:
                value: Line = _decode(body)
            except msgspec.DecodeError as error:
                words = f"it is not understood: {error}"
            else:
                return value
        self.problems.append(Problem(number, offset, len(raw), kind, words))
        return None

    def _accept(self, header: HeaderLine) -> None:
        if header.schema != JOURNAL_SCHEMA:
            raise StoreError(
                f"{str(self.path)!r} has format {header.schema!r}, this version reads"
                f" {JOURNAL_SCHEMA!r}; upgrade llm-latency-lens to read it"
            )
        self.header = header
