"""The JSON of OpenAI's chat completions, stream chunks and whole answers alike, as typed values.

Two ways lead to the same value: msgspec's typed decoder for what is well formed, and for everything
else a lenient reading that takes what has the right type and leaves the rest unknown.
"""

from typing import Any

import msgspec
from msgspec import Struct

from llm_latency_lens.model.events import ServerError, ServerTimings, Usage


class Function(Struct, gc=False):
    """A called function's name and arguments, whole or in part."""

    name: str | None = None
    arguments: str | None = None


class Tool(Struct, gc=False):
    """One tool call, whole or in part."""

    function: Function | None = None


class Content(Struct, gc=False):
    """A delta of a stream or the message of a whole answer; `reasoning` under any of its names."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Tool] | None = None
    function_call: Function | None = None
    refusal: str | None = None


class Choice(Struct, gc=False):
    """One of the answers."""

    index: int = 0
    delta: Content | None = None
    message: Content | None = None
    finish_reason: str | None = None


class Chunk(Struct, gc=False):
    """One event's JSON. `usage`, `timings` and `error` stay undecoded until somebody looks."""

    choices: list[Choice] | None = None
    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    usage: Any = None
    timings: Any = None
    error: Any = None


class BadJsonError(ValueError):
    """The bytes are not a JSON object."""


_decode = msgspec.json.Decoder(Chunk).decode
_decode_any = msgspec.json.Decoder().decode


def read_chunk(data: bytes) -> tuple[Chunk, int]:
    """Decode one event's data; returns the chunk and how many bad UTF-8 sequences were replaced.

    Raises:
        BadJsonError: not JSON, or not an object.
    """
    try:
        return _decode(data), 0
    except (msgspec.DecodeError, RecursionError, ValueError):
        return _read_leniently(data)


def _read_leniently(data: bytes) -> tuple[Chunk, int]:
    text = data.decode("utf-8", "replace")
    replaced = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
    try:
        value = _decode_any(text.encode())
    except RecursionError:
        raise BadJsonError("nested too deeply") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise BadJsonError(str(error)) from None
    if not isinstance(value, dict):
        raise BadJsonError(f"an object was expected, got {type(value).__name__}")
    return _chunk(value), replaced


def _chunk(value: dict[str, Any]) -> Chunk:
    choices = value.get("choices")
    return Chunk(
        choices=[_choice(c) for c in choices if isinstance(c, dict)]
        if isinstance(choices, list)
        else None,
        id=_text(value, "id"),
        model=_text(value, "model"),
        system_fingerprint=_text(value, "system_fingerprint"),
        usage=value.get("usage"),
        timings=value.get("timings"),
        error=value.get("error"),
    )


def _choice(value: dict[str, Any]) -> Choice:
    index = value.get("index")
    return Choice(
        index=index if isinstance(index, int) and not isinstance(index, bool) else 0,
        delta=_content(value.get("delta")),
        message=_content(value.get("message")),
        finish_reason=_text(value, "finish_reason"),
    )


def _content(value: object) -> Content | None:
    if not isinstance(value, dict):
        return None
    tools = value.get("tool_calls")
    return Content(
        content=_text(value, "content"),
        reasoning_content=_text(value, "reasoning_content"),
        reasoning=_text(value, "reasoning"),
        tool_calls=[Tool(_function(t.get("function"))) for t in tools if isinstance(t, dict)]
        if isinstance(tools, list)
        else None,
        function_call=_function(value.get("function_call")),
        refusal=_text(value, "refusal"),
    )


def _function(value: object) -> Function | None:
    if not isinstance(value, dict):
        return None
    return Function(_text(value, "name"), _text(value, "arguments"))


def _text(value: dict[str, Any], key: str) -> str | None:
    found = value.get(key)
    return found if isinstance(found, str) else None


def usage_of(value: object) -> Usage | None:
    """The token counts of a usage object; a count that is no whole number from 0 on is unknown."""
    if not isinstance(value, dict):
        return None
    return Usage(
        input=_count(value, "prompt_tokens"),
        output=_count(value, "completion_tokens"),
        reasoning=_count(value.get("completion_tokens_details"), "reasoning_tokens"),
        cached=_count(value.get("prompt_tokens_details"), "cached_tokens"),
    )


def timings_of(value: object) -> ServerTimings | None:
    """llama.cpp's account of its own work, from milliseconds to seconds."""
    if not isinstance(value, dict):
        return None
    return ServerTimings(
        prompt=_seconds(value, "prompt_ms"),
        generation=_seconds(value, "predicted_ms"),
        prompt_tokens=_count(value, "prompt_n"),
        generated_tokens=_count(value, "predicted_n"),
    )


def error_of(value: object) -> ServerError:
    """An error object as servers write it: an object with type, code and message, or a bare string."""
    if not isinstance(value, dict):
        return ServerError("error", value if isinstance(value, str) else "")
    kind = value.get("type") or value.get("code") or "error"
    message = value.get("message")
    return ServerError(str(kind), message if isinstance(message, str) else "")


def _count(value: object, key: str) -> int | None:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def _seconds(value: dict[str, Any], key: str) -> float | None:
    found = value.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float) or found < 0:
        return None
    return found / 1000
