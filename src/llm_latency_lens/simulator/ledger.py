"""The ledger: per request, when it was complete and when every byte of the answer left. JSON lines.

All instants are ns of the machine's monotonic clock, which on Linux all processes share. Lines are kept
in memory and written while nothing is due, so that the ledger does not disturb what it records.
"""

import math
import pathlib
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable
from itertools import accumulate
from typing import BinaryIO

import msgspec
from msgspec import Struct

from llm_latency_lens.errors import ConfigError, StoreError
from llm_latency_lens.simulator.spec import SimulatorSpec

LEDGER_SCHEMA = "llm-latency-lens/ledger/1"


class LedgerHeader(Struct, frozen=True, tag="header"):
    """The first line: what was simulated, by which process, from when on (ns of `clock`)."""

    spec: SimulatorSpec
    pid: int
    started: int
    clock: str = "monotonic"
    schema: str = LEDGER_SCHEMA


class Entry(Struct, tag="request", kw_only=True):
    """One request and its answer.

    `received` is when the request's last byte arrived (by `received_by`: kernel or user), `read` when the
    simulator took it. The four lists have an item for each write: when it was due, when it was made (just
    before `send`), its size in bytes, what it carried. Kinds: role (response head and role chunk), token,
    finish (finish reason, usage where asked for, end marker), or document for an unstreamed answer.
    `queued` has the writes that found the socket full, by index, and when their last byte left (0: never).
    `ended` is open, complete, refused (with a `status` other than 200, or a page), cut, reset,
    client_closed, server_stopped or pipelined; `faults` are those that hit this request.
    """

    id: int
    connection: int
    received: int
    received_by: str
    read: int
    prompt_tokens: int = 0
    output_tokens: int = 0
    cold: bool = False
    due: list[int] = []
    sent: list[int] = []
    sizes: list[int] = []
    kinds: list[str] = []
    queued: dict[int, int] = {}
    status: int = 200
    faults: tuple[str, ...] = ()
    ended: str = "open"
    lag_mean: float = 0.0
    lag_max: int = 0

    @property
    def response_id(self) -> str:
        """The id that the answer carries: how a client's record is matched to this entry."""
        return f"sim-{self.id}"

    def tokens_sent(self) -> list[int]:
        """The instant at which each token left: its write's, or when its last byte left where it queued."""
        writes = enumerate(zip(self.sent, self.kinds, strict=True))
        return [self.queued.get(i) or at for i, (at, kind) in writes if kind == "token"]

    def lags(self) -> list[int]:
        """How late each write was made, in ns; a full socket is the reader's lateness and not in it."""
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
    return _summarise(sorted((lag, 1) for lag in lags))


class LagCount:
    """Lags counted by the microsecond: a bounded memory of all writes ever made."""

    def __init__(self) -> None:
        self._writes: Counter[int] = Counter()

    def add(self, lags: Iterable[int]) -> None:
        """Count `lags` (ns)."""
        self._writes.update(map((1000).__rfloordiv__, lags))

    def summary(self) -> Lag:
        """The quantiles, rounded down to the microsecond."""
        return _summarise(sorted((lag * 1000, count) for lag, count in self._writes.items()))


def _summarise(counted: list[tuple[int, int]]) -> Lag:
    """Nearest-rank quantiles of ascending (lag, how often)."""
    writes = sum(count for _, count in counted)
    if not writes:
        return Lag(0, 0, 0, 0)
    ends = list(accumulate(count for _, count in counted))
    p50, p99 = (counted[bisect_left(ends, math.ceil(writes * q))][0] for q in (0.5, 0.99))
    return Lag(writes, p50, p99, counted[-1][0])


class LedgerWriter:
    """Collects ended entries; `flush` sums up their lags and writes them, where there is a file."""

    def __init__(self, path: str | None, header: LedgerHeader) -> None:
        self.lags = LagCount()
        self.waiting = 0
        """Writes recorded in entries that are not flushed yet: what a flush has still to do."""
        self._file = _create(path) if path is not None else None
        self._ended: deque[Entry] = deque()
        self._put(msgspec.json.encode(header) + b"\n")

    def add(self, entry: Entry) -> None:
        """Keep an ended entry for the next flush."""
        self._ended.append(entry)
        self.waiting += len(entry.sent)

    def flush(self, most: int | None = None) -> None:
        """Deal with the oldest entries, until they make up `most` writes (default: with all)."""
        lines = []
        until = self.waiting - most if most is not None else -1
        while self._ended and self.waiting > until:
            entry = self._ended.popleft()
            self.waiting -= len(entry.sent)
            lags = entry.lags()
            if lags:
                entry.lag_mean, entry.lag_max = sum(lags) / len(lags), max(lags)
                self.lags.add(lags)
            lines.append(msgspec.json.encode(entry) + b"\n" if self._file is not None else b"")
        self._put(b"".join(lines))

    def close(self) -> None:
        """Write everything and close the file."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _put(self, data: bytes) -> None:
        if self._file is not None and data:
            self._file.write(data)
            self._file.flush()


def _create(path: str) -> BinaryIO:
    try:
        return pathlib.Path(path).open("wb")
    except OSError as error:
        raise ConfigError(
            f"--ledger: can't write {path!r}: {error.strerror}; name a file in a folder that exists"
        ) from None


def read_ledger(path: str | pathlib.Path) -> Ledger:
    """Read a ledger file; a last line that was never finished (its server was killed) is left out.

    Raises:
        StoreError: no such file, or not a ledger.
    """
    try:
        *lines, _ = pathlib.Path(path).read_bytes().split(b"\n")
        header = msgspec.json.decode(lines[0], type=LedgerHeader)
        return Ledger(header, [msgspec.json.decode(line, type=Entry) for line in lines[1:]])
    except OSError as error:
        raise StoreError(f"can't read ledger {str(path)!r}: {error.strerror}") from None
    except (IndexError, msgspec.DecodeError) as error:
        raise StoreError(
            f"{str(path)!r} is not a ledger ({error}); give a file that simulate --ledger wrote"
        ) from None
