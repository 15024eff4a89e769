"""The worker's outbox: nothing lost, nothing out of order, no waiting, no memory that grows."""

import asyncio
import socket

from llm_latency_lens.model.recording import Attempt, Ending, EndKind, Marks, Recording
from llm_latency_lens.runner.messages import Batch, Frames, Progress, decode_to_parent
from llm_latency_lens.runner.outbox import Outbox, Spool


def attempt(number: int, size: int) -> Attempt:
    """An attempt with a body."""
    recording = Recording(marks=Marks(ended=1), ending=Ending(EndKind.COMPLETE), body=b"x" * size)
    return Attempt(
        number=number, phase="measure", worker=0, intended=0, dequeued=0, recording=recording
    )


async def test_a_parent_that_does_not_read_holds_nothing_up() -> None:
    """Twenty megabytes into a socket that nobody reads, then read: all there, in order."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    outbox = Outbox(ours, loop)
    for number in range(200):
        outbox.attempt(attempt(number, 100_000))
    outbox.flush()
    outbox.send(Progress(200, 0))
    frames, numbers, last = Frames(), [], None
    while last is None:
        for body in frames.feed(await loop.sock_recv(theirs, 1 << 16)):
            message = decode_to_parent(body)
            if isinstance(message, Batch):
                numbers += [one.number for one in message.attempts]
            else:
                last = message
    assert numbers == list(range(200))
    assert last == Progress(200, 0)
    outbox.close()
    ours.close()
    theirs.close()


def test_a_spool_is_first_in_first_out_and_starts_anew() -> None:
    """Pieces of any size; empty again, it takes no room."""
    spool = Spool()
    spool.append(memoryview(b"abcdef"))
    assert spool.peek(2) == b"ab"
    spool.drop(2)
    spool.append(memoryview(b"gh"))
    assert (len(spool), spool.peek(100)) == (6, b"cdefgh")
    spool.drop(6)
    assert (len(spool), spool.peek(5)) == (0, b"")
    spool.close()


def test_frames_come_out_however_they_were_cut() -> None:
    """One byte at a time."""
    from llm_latency_lens.runner.messages import frame  # noqa: PLC0415

    data = frame(Progress(1, 2)) + frame(Progress(3, 4))
    frames = Frames()
    found = [
        decode_to_parent(body) for i in range(len(data)) for body in frames.feed(data[i : i + 1])
    ]
    assert found == [Progress(1, 2), Progress(3, 4)]
