"""Google's Gemini API and Vertex AI: SSE with `alt=sse`, else a JSON array that grows."""

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
from llm_latency_lens.simulator.voices.events import json, sse

STREAM_TYPE = "text/event-stream"
NUMBERED = True
PING = b": ping\n\n"
END = b""
_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}
_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}


class _Config(Struct):
    max_output_tokens: int | None = None
    maxOutputTokens: int | None = None  # noqa: N815 - the API takes both spellings


class _Body(Struct):
    contents: Messages
    generation_config: _Config | None = None
    generationConfig: _Config | None = None  # noqa: N815 - the API takes both spellings
    systemInstruction: dict[str, Any] | None = None  # noqa: N815 - the API's own name
    tools: Messages | None = None


def read(body: bytes, at: Address) -> Asked:
    """Read a request; model and streaming are in its path."""
    asked = read_body(body, _Body)
    config = asked.generationConfig or asked.generation_config or _Config()
    limit = config.maxOutputTokens or config.max_output_tokens
    system = words_in(asked.systemInstruction) if asked.systemInstruction else 0
    return Asked(
        model=model_of(at.model),
        stream=bool(at.stream),
        limit=limit_of(limit),
        prompt_tokens=system + words_in(asked.contents),
        offers_tools=bool(asked.tools),
        as_array="alt=sse" not in at.query,
    )


def opening(told: Told) -> bytes:
    """Nothing comes before the first token, but an array's bracket."""
    return b"[" if told.asked.as_array else b""


def piece(told: Told, token: Piece) -> bytes:
    """One token. A function call comes whole, with its last token; until then it is thought about."""
    if token.kind != "tool":
        part: dict[str, object] = {"text": token.word}
        if token.kind == "reasoning":
            part["thought"] = True
        return _chunk(told, token.index + 1, [part], None)
    last = token.index == told.output_tokens - 1
    parts: list[dict[str, object]] = _call(told) if last else [{"text": ""}]
    return _chunk(told, token.index + 1, parts, None)


def closing(told: Told, elapsed: int) -> bytes:  # noqa: ARG001 - this language tells no times
    """The finish reason with the whole usage."""
    end = _chunk(told, told.output_tokens, [{"text": ""}], _FINISH[told.finish])
    return end + (b"]" if told.asked.as_array else b"")


def document(told: Told, elapsed: int) -> object:  # noqa: ARG001 - this language tells no times
    """The whole answer."""
    thought = [{"text": told.text("reasoning"), "thought": True}] if told.thinking else []
    rest = _call(told) if told.calls_tool else [{"text": told.text("text")}]
    return _response(told, told.output_tokens, [*thought, *rest], _FINISH[told.finish])


def failure(status: int, message: str) -> object:
    """The body of an error status."""
    return {
        "error": {"code": status, "message": message, "status": _STATUS.get(status, "INTERNAL")}
    }


def trouble(message: str) -> bytes:
    """An error inside a stream."""
    return sse(failure(503, message))


def _call(told: Told) -> list[dict[str, object]]:
    arguments = told.text("tool").removeprefix('{"words": "').removesuffix('"}')
    return [{"functionCall": {"name": TOOL_NAME, "args": {"words": arguments}}}]


def _chunk(told: Told, sofar: int, parts: list[dict[str, object]], finish: str | None) -> bytes:
    response = _response(told, sofar, parts, finish)
    if not told.asked.as_array:
        return sse(response)
    return (b"" if sofar == 1 and finish is None else b",\r\n") + json(response)


def _response(
    told: Told, sofar: int, parts: list[dict[str, object]], finish: str | None
) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": _usage(told, told.output_tokens if finish else sofar),
        "modelVersion": told.asked.model,
        "responseId": told.id,
    }


def _usage(told: Told, output: int) -> dict[str, object]:
    thoughts = min(told.thinking, output)
    usage: dict[str, object] = {
        "promptTokenCount": told.asked.prompt_tokens,
        "candidatesTokenCount": output - thoughts,
        "totalTokenCount": told.asked.prompt_tokens + output,
    }
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    if told.cached:
        usage["cachedContentTokenCount"] = told.cached
    return usage
