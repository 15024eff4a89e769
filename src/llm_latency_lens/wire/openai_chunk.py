"""The JSON of OpenAI's chat completions, stream chunks and whole answers alike, as typed values.

Two ways lead to the same value: msgspec's typed decoder for what is well formed, and for everything
else a lenient reading that takes what has the right type and leaves the rest unknown.
"""

import re
from typing import Any

import msgspec
from msgspec import Struct

from llm_latency_lens.model.events import ServerTimings, Usage
from llm_latency_lens.wire.json_object import count_of, read_object, seconds_of, text_of
from llm_latency_lens.wire.usage import usage_of

_REASONING = re.compile("reason|think|thought")
_WITHHELD = re.compile("encrypted|redacted|summary")
"""Types of parts that stand for more reasoning than they say."""
_PART_TEXTS = ("text", "thinking", "summary", "reasoning", "content")
_IN_PARTS = ("content", "thinking", "reasoning", "reasoning_content")
_DEEPEST = 4


class Function(Struct, gc=False):
    """A called function's name and arguments, whole or in part."""

    name: str | None = None
    arguments: str | None = None


class Tool(Struct, gc=False):
    """One tool call, whole or in part."""

    function: Function | None = None


class Content(Struct, gc=False):
    """A delta of a stream or the message of a whole answer; `reasoning` under any of its names.

    `withheld`: there is reasoning that only the server can read.
    """

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    thinking: str | None = None
    reasoning_details: Any = None
    tool_calls: list[Tool] | None = None
    function_call: Function | None = None
    refusal: str | None = None
    withheld: bool = msgspec.field(default=False, name="-withheld")


class Choice(Struct, gc=False):
    """One of the answers. `usage` and `error` stay undecoded until somebody looks."""

    index: int = 0
    delta: Content | None = None
    message: Content | None = None
    finish_reason: str | None = None
    usage: Any = None
    error: Any = None


class Chunk(Struct, gc=False):
    """One event's JSON. What is rare stays undecoded until somebody looks."""

    choices: list[Choice] | None = None
    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    usage: Any = None
    timings: Any = None
    error: Any = None
    x_groq: Any = None
    base_resp: Any = None


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
        x_groq=value.get("x_groq"),
        base_resp=value.get("base_resp"),
    )


def _choice(value: dict[str, Any]) -> Choice:
    index, reason = value.get("index"), value.get("finish_reason")
    return Choice(
        index=index if isinstance(index, int) and not isinstance(index, bool) else 0,
        delta=_content(value.get("delta")),
        message=_content(value.get("message")),
        # SGLang's own API gives an object.
        finish_reason=text_of(reason, "type")
        if isinstance(reason, dict)
        else text_of(value, "finish_reason"),
        usage=value.get("usage"),
        error=value.get("error"),
    )


def _content(value: object) -> Content | None:
    if not isinstance(value, dict):
        return None
    tools, text = value.get("tool_calls"), text_of(value, "content")
    parts = _Parts()
    for name in _IN_PARTS:
        if isinstance(value.get(name), list | dict):
            parts.add(value[name], "text" if name == "content" else "reasoning")
    return Content(
        content=text if text is not None else parts.text or None,
        reasoning_content=parts.reasoning or text_of(value, "reasoning_content"),
        reasoning=text_of(value, "reasoning"),
        reasoning_text=text_of(value, "reasoning_text"),
        thinking=text_of(value, "thinking"),
        reasoning_details=value.get("reasoning_details"),
        tool_calls=[Tool(_function(t.get("function"))) for t in tools if isinstance(t, dict)]
        if isinstance(tools, list)
        else None,
        function_call=_function(value.get("function_call")),
        refusal=text_of(value, "refusal"),
        withheld=parts.withheld,
    )


def reasoning_of(content: Content) -> tuple[str, bool]:
    """The reasoning of a delta under whatever name, and whether the server keeps some of it to itself."""
    text = (
        content.reasoning_content or content.reasoning or content.reasoning_text or content.thinking
    )
    if not isinstance(content.reasoning_details, list):
        return text or "", content.withheld
    parts = _Parts()
    parts.add(content.reasoning_details, "reasoning")
    # The details repeat what stands beside them.
    return text or parts.reasoning, content.withheld or parts.withheld


class _Parts:
    """Text, reasoning, and reasoning that is withheld, in content that comes in parts."""

    __slots__ = ("reasoning", "text", "withheld")

    def __init__(self) -> None:
        self.text = self.reasoning = ""
        self.withheld = False

    def add(self, value: object, kind: str, depth: int = 0) -> None:
        """Take the text of a part, of parts, or of parts within a part."""
        if isinstance(value, str):
            if kind == "reasoning":
                self.reasoning += value
            else:
                self.text += value
        elif isinstance(value, list) and depth < _DEEPEST:
            for item in value:
                self.add(item, kind, depth + 1)
        elif isinstance(value, dict) and depth < _DEEPEST:
            name = text_of(value, "type") or ""
            kind = "reasoning" if _REASONING.search(name) else kind
            self.withheld = self.withheld or bool(_WITHHELD.search(name))
            for key in _PART_TEXTS:
                if value.get(key):
                    self.add(value[key], kind, depth + 1)
                    break


def _function(value: object) -> Function | None:
    if not isinstance(value, dict):
        return None
    return Function(text_of(value, "name"), text_of(value, "arguments"))


def usages_of(chunk: Chunk) -> list[Usage]:
    """The token counts of a chunk: its own, a choice's (Moonshot), or Groq's."""
    places = [chunk.usage, *[choice.usage for choice in chunk.choices or ()]]
    if isinstance(chunk.x_groq, dict):
        places.append(chunk.x_groq.get("usage"))
    return [usage for place in places if (usage := usage_of(place)) is not None]


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
