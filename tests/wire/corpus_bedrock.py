"""Bedrock's event streams as its documentation describes them, written by hand, framed by our own arithmetic."""

import binascii
import json
from typing import Any

STREAM_TYPE = "application/vnd.amazon.eventstream"


def header(name: str, value: str) -> bytes:
    """A header of type string."""
    return (
        bytes([len(name)])
        + name.encode()
        + b"\x07"
        + len(value).to_bytes(2, "big")
        + value.encode()
    )


def framed(headers: bytes, payload: bytes) -> bytes:
    """A whole message with right lengths and checksums."""
    total = (4 + 4 + 4) + len(headers) + len(payload) + 4
    start = total.to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    start += binascii.crc32(start).to_bytes(4, "big") + headers + payload
    return start + binascii.crc32(start).to_bytes(4, "big")


def event(name: str, value: Any, kind: str = "event") -> bytes:  # noqa: ANN401 - JSON
    """An event, or with `kind` an exception."""
    named = ":event-type" if kind == "event" else ":exception-type"
    headers = (
        header(named, name)
        + header(":content-type", "application/json")
        + header(":message-type", kind)
    )
    return framed(headers, json.dumps(value, ensure_ascii=False).encode())


def delta(index: int, **content: Any) -> bytes:  # noqa: ANN401 - JSON
    """A piece of content block `index`."""
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": content, "p": "abcdef"})


START = event("messageStart", {"role": "assistant", "p": "ab"})
USAGE = {
    "inputTokens": 5,
    "outputTokens": 3,
    "totalTokens": 18,
    "cacheReadInputTokens": 8,
    "cacheWriteInputTokens": 2,
}
METADATA = event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1250}, "p": "abc"})


def end(index: int, reason: str) -> bytes:
    """The block's end, why it stopped, the counts."""
    stop = event("contentBlockStop", {"contentBlockIndex": index})
    return stop + event("messageStop", {"stopReason": reason}) + METADATA


TEXT = START + delta(0, text="Hel") + delta(0, text="lo 漢") + end(0, "end_turn")
THINKING = (
    START
    + delta(0, reasoningContent={"text": "hm"})
    + delta(0, reasoningContent={"signature": "c2ln"})
    + event("contentBlockStop", {"contentBlockIndex": 0})
    + delta(1, text="42")
    + end(1, "max_tokens")
)
TOOL = (
    START
    + event(
        "contentBlockStart",
        {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}},
    )
    + delta(0, toolUse={"input": '{"a"'})
    + delta(0, toolUse={"input": ":1}"})
    + end(0, "tool_use")
)
THROTTLED = event("throttlingException", {"message": "slow down"}, "exception")
FAILED = START + delta(0, text="Hel") + THROTTLED
GUARDED = START + delta(0, text="no") + end(0, "guardrail_intervened")

CORPUS = {
    "text": TEXT,
    "thinking": THINKING,
    "tool": TOOL,
    "failed": FAILED,
    "guarded": GUARDED,
    "cut": TEXT[: len(TEXT) // 2],
}
