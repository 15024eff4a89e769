"""A server that has every answer ready: one send, all its events. What limits a load on it is the client.

`python -m benchmarks.peers.ready TOKENS` says its port on stdout, serves until stdin closes, and says then how
many answers it has given. It keeps no ledger: there is nothing to be measured but the client's CPU.
"""

import asyncio
import json
import sys
from typing import cast

import uvloop

_MODELS = b'{"object":"list","data":[{"id":"sim"}]}'
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n"


def _event(**fields: object) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "sim", **fields}  # fmt: skip
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def _delta(delta: dict[str, str], reason: str | None = None) -> bytes:
    return _event(choices=[{"index": 0, "delta": delta, "finish_reason": reason}])


def answer(tokens: int) -> bytes:
    """A whole streamed answer of so many tokens, each event a chunk of its own."""
    usage = {"prompt_tokens": 32, "completion_tokens": tokens, "total_tokens": 32 + tokens}
    events = [
        _delta({"role": "assistant", "content": ""}),
        *(_delta({"content": f" w{number % 10}"}) for number in range(tokens)),
        _delta({}, "stop"),
        _event(choices=[], usage=usage),
        b"data: [DONE]\n\n",
    ]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events)
    return _HEAD % b"text/event-stream" + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"  # fmt: skip


class Ready(asyncio.Protocol):
    """One connection: a POST gets the answer, anything else the list of models."""

    given = 0
    answer = b""
    models = b"%scontent-length: %d\r\n\r\n%s" % (
        _HEAD % b"application/json",
        len(_MODELS),
        _MODELS,
    )

    def __init__(self) -> None:
        self._buffer = b""
        self._transport = asyncio.Transport()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            _, _, length = head.partition(b"content-length:")
            size = end + 4 + int(length.split(b"\r\n")[0] or 0)
            if len(self._buffer) < size:
                return
            self._buffer = self._buffer[size:]
            asked = head.startswith(b"post")
            Ready.given += asked
            self._transport.write(Ready.answer if asked else Ready.models)


async def main() -> None:
    """Serve until stdin closes."""
    Ready.answer = answer(int(sys.argv[1]))
    server = await asyncio.get_running_loop().create_server(Ready, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(Ready.given, flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
