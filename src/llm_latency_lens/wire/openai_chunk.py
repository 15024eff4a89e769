"""The JSON of OpenAI's chat completions, stream chunks and whole answers alike, as typed values.

Two ways lead to the same value: msgspec's typed decoder for what is well formed, and for everything
else a lenient reading that takes what has the right type and leaves the rest unknown.
"""

from typing import Any

import msgspec
from msgspec import Struct

from llm_latency_lens.model.events import ServerTimings, Usage
from llm_latency_lens.wire.json_object import (
    count_of,
    output_count,
    read_object,
    seconds_of,
    text_of,
)


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
    service_tier: str | None = None
    usage: Any = None
    timings: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(Chunk).decode


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
    value, replaced = read_object(data)
    return _chunk(value), replaced


def _chunk(value: dict[str, Any]) -> Chunk:
    choices = value.get("choices")
    return Chunk(
        choices=[_choice(c) for c in choices if isinstance(c, dict)]
        if isinstance(choices, list)
        else None,
        id=text_of(value, "id"),
        model=text_of(value, "model"),
        system_fingerprint=text_of(value, "system_fingerprint"),
        service_tier=text_of(value, "service_tier"),
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
        finish_reason=text_of(value, "finish_reason"),
    )


def _content(value: object) -> Content | None:
    if not isinstance(value, dict):
        return None
    tools = value.get("tool_calls")
    return Content(
        content=text_of(value, "content"),
        reasoning_content=text_of(value, "reasoning_content"),
        reasoning=text_of(value, "reasoning"),
        tool_calls=[Tool(_function(t.get("function"))) for t in tools if isinstance(t, dict)]
        if isinstance(tools, list)
        else None,
        function_call=_function(value.get("function_call")),
        refusal=text_of(value, "refusal"),
    )


def _function(value: object) -> Function | None:
    if not isinstance(value, dict):
        return None
    return Function(text_of(value, "name"), text_of(value, "arguments"))


def usage_of(value: object) -> Usage | None:
    """The token counts of a usage object; a count that is no whole number from 0 on is unknown."""
    if not isinstance(value, dict):
        return None
    prompt = count_of(value, "prompt_tokens")
    reasoning = count_of(value.get("completion_tokens_details"), "reasoning_tokens")
    completion, total = count_of(value, "completion_tokens"), count_of(value, "total_tokens")
    return Usage(
        input=prompt,
        output=output_count(completion, reasoning, prompt, total),
        reasoning=reasoning,
        cached=count_of(value.get("prompt_tokens_details"), "cached_tokens"),
        audio_input=count_of(value.get("prompt_tokens_details"), "audio_tokens"),
        audio_output=count_of(value.get("completion_tokens_details"), "audio_tokens"),
    )


def timings_of(value: object) -> ServerTimings | None:
    """llama.cpp's account of its own work, from milliseconds to seconds."""
    if not isinstance(value, dict):
        return None
    return ServerTimings(
        prompt=seconds_of(value, "prompt_ms", 1e-3),
        generation=seconds_of(value, "predicted_ms", 1e-3),
        prompt_tokens=count_of(value, "prompt_n"),
        generated_tokens=count_of(value, "predicted_n"),
    )
