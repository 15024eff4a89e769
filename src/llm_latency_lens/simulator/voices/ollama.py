"""Ollama's own chat: newline-delimited JSON, with the server's own times in the last line."""

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

STREAM_TYPE = "application/x-ndjson"
NUMBERED = False
PING = b"\n"
END = b""
_FINISH = {"stop": "stop", "length": "length", "tool_calls": "stop"}
_CREATED = "2023-11-14T22:13:20.000000Z"


class _Body(Struct):
    messages: Messages
    model: str | None = None
    stream: bool = True
    options: dict[str, Any] | None = None
    tools: Messages | None = None


def read(body: bytes, at: Address) -> Asked:
    """Read a request; streaming is what this server does unless told not to."""
    asked = read_body(body, _Body)
    limit = (asked.options or {}).get("num_predict")
    return Asked(
        model=model_of(at.model or asked.model),
        stream=asked.stream,
        limit=limit_of(limit) if isinstance(limit, int) else None,
        prompt_tokens=words_in(asked.messages),
        offers_tools=bool(asked.tools),
    )


def opening(told: Told) -> bytes:  # noqa: ARG001 - nothing to tell
    """Nothing comes before the first token."""
    return b""


def piece(told: Told, token: Piece) -> bytes:
    """One token. A tool call comes whole, with its last token."""
    if token.kind == "tool":
        last = token.index == told.output_tokens - 1
        return _line(told, {"content": "", **(_call(told) if last else {})})
    if token.kind == "reasoning":
        return _line(told, {"content": "", "thinking": token.word})
    return _line(told, {"content": token.word})


def closing(told: Told, elapsed: int) -> bytes:
    """The last line: why it stopped, what it counted, how long it took."""
    return _line(told, {"content": ""}, **_end(told, elapsed))


def document(told: Told, elapsed: int) -> object:
    """The whole answer."""
    message: dict[str, object] = {"role": "assistant", "content": told.text("text")}
    if told.thinking:
        message["thinking"] = told.text("reasoning")
    if told.calls_tool:
        message.update(_call(told))
    return {**_frame(told), "message": message, **_end(told, elapsed)}


def failure(status: int, message: str) -> object:  # noqa: ARG001 - no status in it
    """The body of an error status."""
    return {"error": message}


def trouble(message: str) -> bytes:
    """An error inside a stream."""
    return json({"error": message}) + b"\n"


def _frame(told: Told) -> dict[str, object]:
    return {"model": told.asked.model, "created_at": _CREATED}


def _line(told: Told, message: dict[str, object], **end: object) -> bytes:
    whole = {**_frame(told), "message": {"role": "assistant", **message}, "done": False, **end}
    return json(whole) + b"\n"


def _call(told: Told) -> dict[str, object]:
    found = told.text("tool").removeprefix('{"words": "').removesuffix('"}')
    return {"tool_calls": [{"function": {"name": TOOL_NAME, "arguments": {"words": found}}}]}


def _end(told: Told, elapsed: int) -> dict[str, object]:
    return {
        "done": True,
        "done_reason": _FINISH[told.finish],
        "total_duration": elapsed,
        "load_duration": 0,
        "prompt_eval_count": told.asked.prompt_tokens,
        "eval_count": told.output_tokens,
    }
