"""Ollama's native chat API: newline-delimited JSON, with the server's own timings in the last line.

Source: the project's API reference. Durations are nanoseconds on the wire, seconds here.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from llm_latency_lens.model.events import (
    Delta,
    Done,
    Finish,
    Identity,
    Opening,
    ServerTimings,
    StreamEvent,
    Usage,
)
from llm_latency_lens.model.request import HttpRequest, Message, Request, Target
from llm_latency_lens.wire.finish import finish_of
from llm_latency_lens.wire.json_object import (
    count_of,
    object_of,
    objects_of,
    seconds_of,
    text_of,
)
from llm_latency_lens.wire.json_request import (
    Json,
    accept_of,
    data_of,
    function_tools,
    merged,
    named_settings,
    post,
)
from llm_latency_lens.wire.json_stream import decode_body, read_json
from llm_latency_lens.wire.reader import Decoded
from llm_latency_lens.wire.server_error import error_in, explicit_error, read_error_body

streams = True
has_end_marker = True
read_error = read_error_body
settings = {
    "max_tokens": "options.num_predict",
    "temperature": "options.temperature",
    "top_p": "options.top_p",
    "top_k": "options.top_k",
    "sampling_seed": "options.seed",
    "stop": "options.stop",
    "reasoning": "think",
}
_ENCODE = msgspec.json.Encoder().encode
_NS = 1e-9


def encode(request: Request, target: Target) -> HttpRequest:
    """POST `{base_url}/api/chat`; limits and sampling go into `options`."""
    body = {
        "model": target.model,
        "messages": [_turn(message) for message in request.messages],
        "stream": request.stream,
        **function_tools(request.tools),
    }
    body = merged(body, named_settings(request, settings, target.provider), request.extra)
    return post(target, "/api/chat", body, accept_of(request, "application/x-ndjson"))


def _turn(message: Message) -> Json:
    images = [data_of(image, "ollama")[1] for image in message.images]
    pictures: Json = {"images": images} if images else {}
    return {"role": message.role, "content": message.content, **pictures}


def decode(body: Iterable[bytes], content_type: str, max_event: int) -> Iterator[Decoded]:
    """Read a 2xx body: lines of JSON; an answer that was not streamed is a single one."""
    return decode_body(body, content_type, max_event, _LineReader())


class _Message(Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: Any = None


class _TextLine(Struct, gc=False):
    """The usual line, for the quick way."""

    message: _Message | None = None
    done: bool = False
    error: Any = None


_read_line = msgspec.json.Decoder(_TextLine).decode


def _plain_text(data: bytes) -> str | None:
    """The text of a line that says nothing else; any other line is read as a whole."""
    try:
        line = _read_line(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    message = line.message
    if message is None or line.done or line.error is not None:
        return None
    return None if message.thinking or message.tool_calls else message.content


class _LineReader:
    """Turns lines into events; remembers whether it was told who answers."""

    __slots__ = ("_told", "broken")

    def __init__(self) -> None:
        self.broken = False
        self._told = False

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:  # noqa: ARG002 - lines have no names
        """The events of one line."""
        text = _plain_text(data) if self._told else None
        if text:
            return (Delta("text", text),)
        return read_json(self, data, lambda value: tuple(self._events(value)))

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """A whole answer has the shape of a last line."""
        return self.read(data, "")

    def _events(self, value: dict[str, Any]) -> Iterator[StreamEvent]:
        error = explicit_error(value) if "message" in value or "done" in value else error_in(value)
        if error is not None:
            yield error
            return
        if not self._told:
            self._told = True
            yield Identity(text_of(value, "model"))
        yield from _line(value)


def _line(value: dict[str, Any]) -> Iterator[StreamEvent]:
    message = object_of(value, "message")
    deltas = list(_deltas(message))
    yield from deltas
    if value.get("done") is not True:
        if not deltas:
            yield Opening()
        return
    yield finish_of(text_of(value, "done_reason")) or Finish("stop")
    yield Usage(input=count_of(value, "prompt_eval_count"), output=count_of(value, "eval_count"))
    yield ServerTimings(
        prompt=seconds_of(value, "prompt_eval_duration", _NS),
        generation=seconds_of(value, "eval_duration", _NS),
        prompt_tokens=count_of(value, "prompt_eval_count"),
        generated_tokens=count_of(value, "eval_count"),
        total=seconds_of(value, "total_duration", _NS),
    )
    yield Done()


def _deltas(message: dict[str, Any]) -> Iterator[Delta]:
    thinking, content = text_of(message, "thinking"), text_of(message, "content")
    if thinking:
        yield Delta("reasoning", thinking)
    if content:
        yield Delta("text", content)
    for call in objects_of(message, "tool_calls"):
        function = object_of(call, "function")
        arguments = function.get("arguments")
        text = (text_of(function, "name") or "") + (
            _ENCODE(arguments).decode() if arguments else ""
        )
        if text:
            yield Delta("tool", text)
