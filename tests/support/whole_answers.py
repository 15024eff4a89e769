"""A server of whole answers on a raw socket: ten tokens after 50 ms each, and nothing at all while it stalls."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.hostile import Hostile, Peer, hostile

SERVICE = 0.05


def answered(tokens: int) -> bytes:
    """A whole answer that was not streamed."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "w " * tokens}, "finish_reason": "stop"}  # fmt: skip
    usage = {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5 + tokens}
    body = json.dumps({"id": "x", "model": "m", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()  # fmt: skip
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def whole_answers(stall: tuple[float, float] | None = None) -> Iterator[Hostile]:
    """Ten tokens after 50 ms; in the stall (seconds after the first request, and until when) nothing at all."""
    first: list[float] = []
    lock = threading.Lock()

    def serve(peer: Peer) -> None:
        while True:
            peer.request()
            with lock:
                first.append(time.monotonic())
            due = time.monotonic() + SERVICE
            if stall is not None and first[0] + stall[0] < due < first[0] + stall[1]:
                due = first[0] + stall[1]
            peer.server.closing.wait(due - time.monotonic())
            peer.send(answered(10))

    with hostile(serve) as server:
        yield server
