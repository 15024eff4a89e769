"""The journal: what was acknowledged is there, whatever happens to the process, the file or the disk."""

import errno
import os
import pathlib
import random
import signal
import subprocess
import sys

import pytest

from llm_latency_lens.clock import ManualClock
from llm_latency_lens.errors import StoreError
from llm_latency_lens.model.record import Outcome, OutcomeKind, Record
from llm_latency_lens.model.recording import Marks
from llm_latency_lens.store.files import SystemFiles, write_atomically
from llm_latency_lens.store.journal import Journal, Reading
from llm_latency_lens.store.runs import create_run, open_run, recover_run

CYCLES = 1000 if os.environ.get("LLL_NIGHTLY") else 30
HEADER = {"id": "run-1", "spec": {}}


def record(number: int) -> Record:
    """A small record."""
    return Record(
        number=number, phase="measure", worker=0, target="openai:m", intended=1, dequeued=2,
        marks=Marks(sent=3, ended=9), outcome=Outcome(OutcomeKind.OK), arrivals=(4, 5), arrival_events=(1, 1),
    )  # fmt: skip


def journal_bytes(tmp_path: pathlib.Path, count: int = 4) -> bytes:
    """A sealed journal of a few records."""
    path = tmp_path / "source.jsonl"
    journal = Journal(path, ManualClock())
    journal.header(HEADER)
    for number in range(count):
        journal.append((record(number),))
    journal.seal()
    return path.read_bytes()


def read(path: pathlib.Path) -> tuple[list[int], Reading]:
    """The numbers of the records that can be read."""
    reading = Reading(path)
    return [found.number for found in reading.records()], reading


def test_a_journal_reads_back(tmp_path: pathlib.Path) -> None:
    """Records, header and seal, value for value."""
    journal_bytes(tmp_path)
    reading = Reading(tmp_path / "source.jsonl")
    assert list(reading.records()) == [record(number) for number in range(4)]
    assert (reading.sealed, reading.problems) == (True, [])
    assert reading.header is not None
    assert reading.header.run == HEADER


def test_d2_a_torn_tail_is_left_out_wherever_it_was_cut(tmp_path: pathlib.Path) -> None:
    """D2: cut at every byte: whole lines are read, the rest is counted, nothing raises."""
    whole = journal_bytes(tmp_path)
    path = tmp_path / "cut.jsonl"
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        numbers, reading = read(path)
        lines = whole[:size].count(b"\n")
        assert numbers == list(range(max(lines - 1, 0)))[:4]
        assert not reading.sealed
        torn = sum(problem.size for problem in reading.problems)
        assert torn == size - (whole[:size].rfind(b"\n") + 1)


def test_d3_a_flipped_byte_costs_its_line_alone(tmp_path: pathlib.Path) -> None:
    """D3: every byte flipped: the line is located, all others are read, the file is not touched."""
    whole = journal_bytes(tmp_path, 3)
    starts = [0] + [i + 1 for i, byte in enumerate(whole) if byte == 10]
    path = tmp_path / "flipped.jsonl"
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x20
        path.write_bytes(damaged)
        numbers, reading = read(path)
        line = sum(start <= at for start in starts) - 1
        lost = {line - 1} | ({line} if whole[at] == 10 else set())
        assert [n for n in range(3) if n not in lost] == numbers
        assert reading.problems
        assert starts[line] in {problem.offset for problem in reading.problems}
        assert path.read_bytes() == bytes(damaged)


class FailingFiles(SystemFiles):
    """Fails the n-th operation; writes come back short before that."""

    def __init__(self, fail_at: int, code: int) -> None:
        self.operations = 0
        self._fail_at = fail_at
        self._code = code

    def _step(self) -> None:
        self.operations += 1
        if self.operations == self._fail_at:
            raise OSError(self._code, os.strerror(self._code))

    def open(self, path: str, flags: int) -> int:
        """Open, or fail."""
        self._step()
        return super().open(path, flags)

    def write(self, fd: int, data: bytes) -> int:
        """Write a part, or fail."""
        self._step()
        return super().write(fd, data[: max(len(data) // 2, 1)])

    def fsync(self, fd: int) -> None:
        """Bring it to the disk, or fail."""
        self._step()
        super().fsync(fd)

    def truncate(self, fd: int, size: int) -> None:
        """Cut, or fail."""
        self._step()
        super().truncate(fd, size)

    def rename(self, source: str, target: str) -> None:
        """Replace, or fail."""
        self._step()
        super().rename(source, target)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_d4_the_nth_operation_fails_for_every_n(tmp_path: pathlib.Path, code: int) -> None:
    """D4: acknowledged records are all there, the failed one is not there in part, until all is clean."""
    clean = False
    words: list[str] = []
    for n in range(1, 400):
        path = tmp_path / f"{n}.jsonl"
        files, clock = FailingFiles(n, code), ManualClock()
        acknowledged: list[int] = []
        try:
            journal = Journal(path, clock, files)
            journal.header(HEADER)
            for number in range(3):
                clock.advance(600_000_000)
                journal.append((record(number),))
                acknowledged.append(number)
            journal.seal()
            clean = True
        except StoreError as error:
            words.append(str(error))
        if path.exists():
            numbers, _ = read(path)
            assert numbers[: len(acknowledged)] == acknowledged
            assert len(numbers) <= len(acknowledged) + 1
        if clean:
            break
    assert clean
    assert words
    assert all(("can't" in said and "--runs-dir" in said) or "create" in said for said in words)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_d5_an_atomic_write_leaves_the_old_content_or_the_new(
    tmp_path: pathlib.Path, code: int
) -> None:
    """D5: whichever operation fails, the file is never half."""
    path = tmp_path / "summary.json"
    for n in range(1, 60):
        path.write_bytes(b"old")
        files = FailingFiles(n, code)
        try:
            write_atomically(str(path), b"the new content", files)
        except OSError:
            assert path.read_bytes() in {b"old", b"the new content"}
            continue
        assert path.read_bytes() == b"the new content"
        assert n > 5
        return
    pytest.fail("no clean run was reached")


CHILD = """
import pathlib, sys
from llm_latency_lens.clock import SystemClock
from llm_latency_lens.store.runs import create_run
from tests.reliability.test_journal import HEADER, record
run = create_run(pathlib.Path(sys.argv[1]), HEADER, SystemClock())
number = 0
while True:
    run.append(record(number))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
"""


def test_d1_kill_9_loses_no_acknowledged_record(tmp_path: pathlib.Path) -> None:
    """D1: a writer killed at random instants; each number it acknowledged is recovered."""
    rng = random.Random(20)
    kept = 0
    for cycle in range(CYCLES):
        root = tmp_path / str(cycle)
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(root)], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(rng.randint(1, 300))]
            child.send_signal(signal.SIGKILL)
            lines += child.stdout.readlines()
        acknowledged = [int(line) for line in lines if line.endswith(b"\n")]
        run = open_run(root, "last")
        assert run.status() == "interrupted"
        recovery = recover_run(run)
        recovered = [found.number for found in Reading(recovery.path).records()]
        assert recovered[: len(acknowledged)] == acknowledged
        kept += len(acknowledged)
    assert kept > CYCLES


def test_d6_one_run_has_one_writer(tmp_path: pathlib.Path) -> None:
    """D6: of several processes that want the same run, exactly one gets it."""
    code = CHILD.split("number = 0", maxsplit=1)[0]
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(8)
    ]
    codes = []
    for child in children:
        _, words = child.communicate()
        codes.append(child.returncode)
        if child.returncode:
            assert b"exists already" in words
    assert sorted(codes) == [0] + [1] * 7


def test_d7_a_newer_journal_is_refused_in_words(tmp_path: pathlib.Path) -> None:
    """D7: a format of the future is not guessed at."""
    writer = create_run(tmp_path, HEADER, ManualClock())
    writer.abandon()
    path = tmp_path / "run-1" / "journal.jsonl"
    import zlib  # noqa: PLC0415

    body = path.read_bytes()[9:-1].replace(b"journal/1", b"journal/2")
    path.write_bytes(b"%08x %s\n" % (zlib.crc32(body), body))
    with pytest.raises(StoreError, match="upgrade"):
        recover_run(open_run(tmp_path, "run-1"))
