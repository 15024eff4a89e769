"""Decoding: token events per CPU second of one process, each dialect alone and one with its interpretation."""

import json
import struct
import time
import zlib
from array import array

from llm_latency_lens.interpret.reading import read_events
from llm_latency_lens.model.events import Delta, Deltas, StreamEvent
from llm_latency_lens.model.recording import Ending, EndKind, Marks, Recording
from llm_latency_lens.wire.dialect import load_dialect

_TOKENS = 256
_ROUNDS = 100
_SSE = "text/event-stream"
_CHAT = (
    b'data: {"id":"chatcmpl-123","object":"chat.completion.chunk","created":1700000000,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n'
)


def _named(name: str, value: dict[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **value})}\n\n".encode()


def _message(payload: bytes) -> bytes:
    """One event-stream message with its two checksums."""
    named = {
        b":event-type": b"contentBlockDelta",
        b":content-type": b"application/json",
        b":message-type": b"event",
    }
    headers = b"".join(
        bytes((len(name),)) + name + b"\x07" + struct.pack(">H", len(value)) + value
        for name, value in named.items()
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    start = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return start + struct.pack(">I", zlib.crc32(start))


TOKEN: dict[str, tuple[bytes, str]] = {
    "openai_chat": (_CHAT, _SSE),
    "openai_responses": (
        _named(
            "response.output_text.delta",
            {
                "sequence_number": 7,
                "item_id": "msg_0123456789",
                "output_index": 0,
                "content_index": 0,
                "delta": " word",
            },
        ),
        _SSE,
    ),
    "anthropic": (
        _named(
            "content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": " word"}}
        ),
        _SSE,
    ),
    "gemini": (
        (
            b'data: {"candidates": [{"content": {"parts": [{"text": " word"}],"role": "model"},"index": 0}],'
            b'"usageMetadata": {"promptTokenCount": 4,"candidatesTokenCount": 9,"totalTokenCount": 13},'
            b'"modelVersion": "gemini-x","responseId": "r1"}\r\n\r\n'
        ),
        _SSE,
    ),
    "cohere": (
        _named("content-delta", {"index": 0, "delta": {"message": {"content": {"text": " word"}}}}),
        _SSE,
    ),
    "bedrock": (
        _message(b'{"contentBlockIndex":0,"delta":{"text":" word"},"p":"abcdefghijklm"}'),
        "application/vnd.amazon.eventstream",
    ),
    "ollama": (
        b'{"model":"llama3","created_at":"2026-01-01T00:00:00.123456Z","message":{"role":"assistant","content":" word"},"done":false}\n',
        "application/x-ndjson",
    ),
}
"""One token's bytes in each dialect, and the media type it comes with."""


def _tokens_of(event: StreamEvent) -> int:
    if isinstance(event, Deltas):
        return len(event.ends)
    return isinstance(event, Delta)


def decoding(dialect: str) -> float:
    """Token events per CPU second: bytes to events."""
    token, content_type = TOKEN[dialect]
    # Responses numbers its events: no two of them are alike.
    numbered = (
        token.replace(b'"sequence_number": 7', b'"sequence_number": %d' % i) for i in range(_TOKENS)
    )
    body, decode = (b"".join(numbered),), load_dialect(dialect).decode
    before = time.process_time()
    for _ in range(_ROUNDS):
        count = sum(_tokens_of(event) for _, event in decode(body, content_type, 1 << 23))
        if count != _TOKENS:
            raise RuntimeError(f"{dialect}: {count} of {_TOKENS} tokens were decoded")
    return _ROUNDS * _TOKENS / (time.process_time() - before)


def reading() -> float:
    """Token events per CPU second: bytes to events to arrivals, a read every three events (OpenAI chat)."""
    rows, size = array("q"), len(_CHAT) * _TOKENS
    for end in range(3 * len(_CHAT), size + 3 * len(_CHAT), 3 * len(_CHAT)):
        rows.extend((min(end, size), end, end, end))
    recording = Recording(
        marks=Marks(ended=1),
        ending=Ending(EndKind.COMPLETE),
        body=_CHAT * _TOKENS,
        reads=rows.tobytes(),
    )
    decode = load_dialect("openai_chat").decode
    before = time.process_time()
    for _ in range(_ROUNDS):
        read_events(recording, decode((recording.body,), _SSE, 1 << 23))
    return _ROUNDS * _TOKENS / (time.process_time() - before)


if __name__ == "__main__":
    for name in TOKEN:
        print(f"{name}: {decoding(name):,.0f} events/s")
    print(f"openai_chat with its interpretation: {reading():,.0f} events/s")
