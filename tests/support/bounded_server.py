"""A small streaming chat server with a known bound; it shares no code with the package.

It serves so many requests at a time, allows so many a second (a token bucket), and may die or fall
silent after some. It runs in a thread of its own.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Self

from msgspec import Struct


class Behaviour(Struct, frozen=True, kw_only=True):
    """What a server does.

    Attributes:
        first_s: seconds from a request's turn to its first token.
        tokens, gap_s: tokens of an answer, and seconds between them.
        whole: it holds all back until the last one is there.
        word, counts: the text of each event, and whether the answer ends with a count of tokens.
        slots: requests served at a time; None serves all at once.
        quota: requests allowed per second; None allows all.
        burst: requests allowed at once beyond that.
        refusal: the status of a request above the quota.
        retry_after: seconds, sent with a refusal; None sends none.
        status: of every answer, where it is not 200.
        dies_after, silent_after: after so many requests it closes its port, or answers no more.
    """

    first_s: float = 0.005
    tokens: int = 4
    gap_s: float = 0.001
    whole: bool = False
    word: str = " word"
    counts: bool = True
    slots: int | None = None
    quota: float | None = None
    burst: float = 5.0
    refusal: int = 429
    retry_after: int | None = None
    status: int = 200
    dies_after: int | None = None
    silent_after: int | None = None


class BoundedServer:
    """`base_url` is where it listens; `requests` how many it has read."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.requests = 0
        self.base_url = ""
        self._allowance = behaviour.burst
        self._refilled = time.monotonic()
        self._slots = asyncio.Semaphore(behaviour.slots or 1_000_000)
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._stopped = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        self._listening.set()
        await self._stopped.wait()
        self._die()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode().lower().split("\r\n")
                length = next(line for line in lines if line.startswith("content-length:"))
                await reader.readexactly(int(length.split(":")[1]))
                self.requests += 1
                await self._answer(writer)
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        does = self.behaviour
        if does.dies_after is not None and self.requests > does.dies_after:
            self._die()
        elif does.silent_after is not None and self.requests > does.silent_after:
            await asyncio.Event().wait()
        elif does.status != 200:
            await _write(writer, _refusal(does.status, None))
        elif not self._allowed():
            await _write(writer, _refusal(does.refusal, does.retry_after))
        else:
            async with self._slots:
                await self._stream(writer)

    def _allowed(self) -> bool:
        quota = self.behaviour.quota
        if quota is None:
            return True
        now = time.monotonic()
        self._allowance = min(
            self._allowance + (now - self._refilled) * quota, self.behaviour.burst
        )
        self._refilled = now
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        first = self._loop.time() + self.behaviour.first_s
        await self._until(first)
        await _write(
            writer,
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n",
        )
        held = b""
        for number, piece in enumerate(_events(self.behaviour), 1):
            held += f"{len(piece):x}\r\n{piece}\r\n".encode()
            if not self.behaviour.whole:
                await _write(writer, held)
                held = b""
            await self._until(first + number * self.behaviour.gap_s)
        await _write(writer, held + b"0\r\n\r\n")

    async def _until(self, instant: float) -> None:
        """Wait for an instant of the loop's clock, so that what comes late delays nothing after it."""
        due = asyncio.Event()
        self._loop.call_at(instant, due.set)
        await due.wait()

    def _die(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


def _refusal(status: int, retry_after: int | None) -> bytes:
    body = b'{"error": {"message": "refused", "type": "refused"}}'
    extra = "" if retry_after is None else f"Retry-After: {retry_after}\r\n"
    head = f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\n{extra}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _events(does: Behaviour) -> Iterator[str]:
    for _ in range(does.tokens):
        delta = {"content": does.word}
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        yield f"data: {json.dumps({'id': 'r', 'model': 'm', 'choices': [choice]})}\n\n"
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    yield f"data: {json.dumps({'id': 'r', 'model': 'm', 'choices': [end]})}\n\n"
    if does.counts:
        usage = {"prompt_tokens": 3, "completion_tokens": does.tokens}
        usage["total_tokens"] = 3 + does.tokens
        yield f"data: {json.dumps({'id': 'r', 'model': 'm', 'choices': [], 'usage': usage})}\n\n"
    yield "data: [DONE]\n\n"
