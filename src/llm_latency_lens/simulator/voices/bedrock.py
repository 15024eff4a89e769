"""Amazon Bedrock's Converse: binary event-stream messages, each with two checksums."""

import struct
import zlib
from typing import Any

from msgspec import Struct

from llm_latency_lens.simulator.asked import (
    Address,
    Asked,
    Messages,
    limit_of,
    model_of,
    read_body,
    words_in,
)
from llm_latency_lens.simulator.told import TOOL_NAME, Piece, Told
from llm_latency_lens.simulator.voices.events import json

STREAM_TYPE = "application/vnd.amazon.eventstream"
NUMBERED = False
PING = b""
END = b""
_FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_STRING = 7
_NS_PER_MS = 1_000_000


class _Inference(Struct):
    maxTokens: int | None = None  # noqa: N815 - the API's own name


class _Body(Struct):
    messages: Messages
    system: Messages | None = None
    inferenceConfig: _Inference | None = None  # noqa: N815 - the API's own name
    toolConfig: dict[str, Any] | None = None  # noqa: N815 - the API's own name


def read(body: bytes, at: Address) -> Asked:
    """Read a request; model and streaming are in its path."""
    asked = read_body(body, _Body)
    system = words_in(asked.system) if asked.system else 0
    return Asked(
        model=model_of(at.model),
        stream=bool(at.stream),
        limit=limit_of((asked.inferenceConfig or _Inference()).maxTokens),
        prompt_tokens=system + words_in(asked.messages),
        offers_tools=bool(asked.toolConfig),
    )


def opening(told: Told) -> bytes:  # noqa: ARG001 - the same for all
    """The role alone."""
    return _event("messageStart", {"role": "assistant"})


def piece(told: Told, token: Piece) -> bytes:
    """One token; the end of the block before, and a tool's name, where it is the first of a block."""
    index = told.kinds.index(token.kind)
    delta = _event("contentBlockDelta", {"contentBlockIndex": index, "delta": _delta(token)})
    if not token.begins:
        return delta
    before = _block_end(index - 1) if index else b""
    use = {"toolUse": {"toolUseId": f"tooluse_{told.id}", "name": TOOL_NAME}}
    start = _event("contentBlockStart", {"contentBlockIndex": index, "start": use})
    return before + (start if token.kind == "tool" else b"") + delta


def closing(told: Told, elapsed: int) -> bytes:
    """The last block's end, why it stopped, what it counted and how long it took."""
    metadata = {"usage": _usage(told), "metrics": {"latencyMs": elapsed // _NS_PER_MS}}
    return (
        _block_end(len(told.kinds) - 1)
        + _event("messageStop", {"stopReason": _FINISH[told.finish]})
        + _event("metadata", metadata)
    )


def document(told: Told, elapsed: int) -> object:
    """The whole answer."""
    content = [_block(told, kind) for kind in told.kinds]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": _FINISH[told.finish],
        "usage": _usage(told),
        "metrics": {"latencyMs": elapsed // _NS_PER_MS},
    }


def failure(status: int, message: str) -> object:
    """The body of an error status."""
    kinds = {403: "AccessDeniedException", 429: "ThrottlingException"}
    kind = kinds.get(status, "ValidationException" if status < 500 else "InternalServerException")
    return {"__type": kind, "message": message}


def trouble(message: str) -> bytes:
    """An exception inside a stream."""
    headers = {
        ":exception-type": "modelStreamErrorException",
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return frame(headers, json({"message": message}))


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One message of the event stream: prelude, its checksum, headers, payload, checksum of all."""
    block = b"".join(
        bytes((len(name),))
        + name.encode()
        + struct.pack(">BH", _STRING, len(value.encode()))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    start = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return start + struct.pack(">I", zlib.crc32(start))


def _event(name: str, payload: object) -> bytes:
    headers = {
        ":event-type": name,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return frame(headers, json(payload))


def _delta(token: Piece) -> dict[str, object]:
    if token.kind == "reasoning":
        return {"reasoningContent": {"text": token.word}}
    return {"toolUse": {"input": token.word}} if token.kind == "tool" else {"text": token.word}


def _block(told: Told, kind: str) -> dict[str, object]:
    text = told.text(kind)
    if kind == "reasoning":
        return {"reasoningContent": {"reasoningText": {"text": text}}}
    if kind == "tool":
        found = text.removeprefix('{"words": "').removesuffix('"}')
        use = {"toolUseId": f"tooluse_{told.id}", "name": TOOL_NAME, "input": {"words": found}}
        return {"toolUse": use}
    return {"text": text}


def _block_end(index: int) -> bytes:
    return _event("contentBlockStop", {"contentBlockIndex": index})


def _usage(told: Told) -> dict[str, object]:
    prompt, output = told.asked.prompt_tokens, told.output_tokens
    return {
        "inputTokens": prompt - told.cached,
        "outputTokens": output,
        "totalTokens": prompt + output,
        "cacheReadInputTokens": told.cached,
        "cacheWriteInputTokens": 0,
    }
