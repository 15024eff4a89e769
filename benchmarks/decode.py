"""Decoding: token events per CPU second of one process, the dialect alone and with its interpretation."""

import time
from array import array

from llm_latency_lens.model.recording import Ending, EndKind, Marks, Recording
from llm_latency_lens.runner.reading import read_events
from llm_latency_lens.wire.openai_chat import decode

_EVENT = (
    b'data: {"id":"chatcmpl-123","object":"chat.completion.chunk","created":1700000000,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n'
)
_BODY = _EVENT * 256 + b"data: [DONE]\n\n"
_ROUNDS = 300


def decoding() -> float:
    """Events per CPU second: bytes to events."""
    before = time.process_time()
    count = sum(1 for _ in range(_ROUNDS) for _ in decode((_BODY,), "text/event-stream", 1 << 23))
    return count / (time.process_time() - before)


def reading() -> float:
    """Events per CPU second: bytes to events to arrivals, a read every three events."""
    rows = array("q")
    for end in range(3 * len(_EVENT), len(_BODY) + 3 * len(_EVENT), 3 * len(_EVENT)):
        rows.extend((min(end, len(_BODY)), end, end))
    recording = Recording(
        marks=Marks(ended=1), ending=Ending(EndKind.COMPLETE), body=_BODY, reads=rows.tobytes()
    )
    before = time.process_time()
    for _ in range(_ROUNDS):
        read_events(recording, decode((_BODY,), "text/event-stream", 1 << 23))
    return _ROUNDS * 257 / (time.process_time() - before)


if __name__ == "__main__":
    print(f"decode {decoding():,.0f}/s, decode and read {reading():,.0f}/s")
