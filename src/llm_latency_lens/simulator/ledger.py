"""The ledger: per request, when it was complete and when every byte of the answer left. JSON lines.

All instants are ns of the machine's monotonic clock, which on Linux all processes share. Lines are kept
in memory and written while nothing is due, so that the ledger does not disturb what it records.
"""

import pathlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec
from msgspec import Struct

from llm_latency_lens.errors import StoreError
from llm_latency_lens.simulator.spec import SimulatorSpec


class LedgerHeader(Struct, frozen=True, tag="header"):
    """The first line: what was simulated, by which process, from when on."""

    spec: SimulatorSpec
    pid: int
    started: int


class Entry(Struct, tag="request", kw_only=True):
    """One request and its answer.

    `received` is when its last byte arrived (by `received_by`: kernel or user), `read` when the
    simulator took it. For each write: when it was due, when it was made (just before `send`), its size,
    what it carried (head, role, token, finish, usage, done, or document for an unstreamed answer).
    """

    id: int
    connection: int
    received: int
    received_by: str
    read: int
    prompt_tokens: int
    output_tokens: int = 0
    cold: bool = False
    due: list[int] = []
    sent: list[int] = []
    sizes: list[int] = []
    kinds: list[str] = []
    queued: int = 0
    ended: str = "open"

    @property
    def response_id(self) -> str:
        """The id that the answer carries: how a client's record is matched to this entry."""
        return f"chatcmpl-sim-{self.id}"

    def tokens_sent(self) -> list[int]:
        """The instant of each token's write."""
        return [at for at, kind in zip(self.sent, self.kinds, strict=True) if kind == "token"]

    def lags(self) -> list[int]:
        """How late each write was, in ns."""
        return [at - due for at, due in zip(self.sent, self.due, strict=True)]


class Lag(Struct, frozen=True):
    """How late writes were, in ns."""

    writes: int
    p50: int
    p99: int
    max: int


class Ledger(Struct):
    """A ledger as read back."""

    header: LedgerHeader
    entries: list[Entry]

    def by_response_id(self) -> dict[str, Entry]:
        """Entries by the id that the answer carried."""
        return {entry.response_id: entry for entry in self.entries}

    def lag(self) -> Lag:
        """How well the simulator kept its own schedule, over all writes."""
        return summarise_lag(lag for entry in self.entries for lag in entry.lags())


def summarise_lag(lags: Iterable[int]) -> Lag:
    """Quantiles (nearest rank) of lags in ns."""
    ordered = sorted(lags)
    if not ordered:
        return Lag(0, 0, 0, 0)
    last = len(ordered) - 1
    return Lag(len(ordered), ordered[last // 2], ordered[round(last * 0.99)], ordered[-1])


class LedgerWriter:
    """Collects ended entries; `flush` writes them."""

    def __init__(self, path: str | None, header: LedgerHeader) -> None:
        self._file = _create(path) if path is not None else None
        self._ended: list[Entry] = []
        if self._file is not None:
            self._file.write(msgspec.json.encode(header) + b"\n")
            self._file.flush()

    def add(self, entry: Entry) -> None:
        """Keep an ended entry for the next flush."""
        if self._file is not None:
            self._ended.append(entry)

    def flush(self, most: int | None = None) -> None:
        """Write what has ended, at most `most` entries of it."""
        if self._file is None or not self._ended:
            return
        now, self._ended = self._ended[:most], self._ended[most:] if most else []
        self._file.write(b"".join(msgspec.json.encode(entry) + b"\n" for entry in now))
        self._file.flush()

    def close(self) -> None:
        """Write everything and close the file."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None


def _create(path: str) -> BinaryIO:
    try:
        return pathlib.Path(path).open("wb")
    except OSError as error:
        raise StoreError(f"can't write ledger {path!r}: {error.strerror}") from None


def read_ledger(path: str | pathlib.Path) -> Ledger:
    """Read a ledger file.

    Raises:
        StoreError: no such file, or not a ledger.
    """
    try:
        lines = list(_lines(pathlib.Path(path)))
        header = msgspec.json.decode(lines[0], type=LedgerHeader)
        return Ledger(header, [msgspec.json.decode(line, type=Entry) for line in lines[1:]])
    except (OSError, IndexError, msgspec.DecodeError) as error:
        raise StoreError(f"can't read ledger {str(path)!r}: {error}") from None


def _lines(path: pathlib.Path) -> Iterator[bytes]:
    return (line for line in path.read_bytes().split(b"\n") if line)
