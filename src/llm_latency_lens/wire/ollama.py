"""Ollama's native chat API: newline-delimited JSON, with the server's own timings in the last line.

Source: the project's API reference. Durations are nanoseconds on the wire, seconds here.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from llm_latency_lens.model.events import (
    BadText,
    Delta,
    Done,
    Finish,
    Identity,
    Malformed,
    Opening,
    ServerError,
    ServerTimings,
    StreamEvent,
    Unterminated,
    Usage,
)
from llm_latency_lens.model.request import HttpRequest, Message, Request, Target
from llm_latency_lens.wire import json_lines
from llm_latency_lens.wire.json_object import (
    BadJsonError,
    count_of,
    object_of,
    objects_of,
    read_object,
    seconds_of,
    text_of,
)
from llm_latency_lens.wire.json_request import (
    Json,
    accept_of,
    data_of,
    function_tools,
    merged,
    post,
    settings,
)
from llm_latency_lens.wire.json_stream import bad_json, nested_error, read_error_body
from llm_latency_lens.wire.reader import Decoded

SETTINGS = {
    "max_tokens": "options.num_predict",
    "temperature": "options.temperature",
    "top_p": "options.top_p",
    "top_k": "options.top_k",
    "sampling_seed": "options.seed",
    "stop": "options.stop",
    "reasoning": "think",
}
_ENCODE = msgspec.json.Encoder().encode
_TYPES = frozenset({"application/x-ndjson", "application/json", "application/ndjson", ""})
_NS = 1e-9


def encode(request: Request, target: Target) -> HttpRequest:
    """POST `{base_url}/api/chat`; limits and sampling go into `options`."""
    body = {
        "model": target.model,
        "messages": [_turn(message) for message in request.messages],
        "stream": request.stream,
        **function_tools(request.tools),
    }
    body = merged(body, settings(request, SETTINGS, target.provider), request.extra)
    return post(target, "/api/chat", body, accept_of(request, "application/x-ndjson"))


def _turn(message: Message) -> Json:
    images = [data_of(image, "ollama")[1] for image in message.images]
    pictures: Json = {"images": images} if images else {}
    return {"role": message.role, "content": message.content, **pictures}


def decode(body: Iterable[bytes], content_type: str, max_event: int) -> Iterator[Decoded]:
    """Read a 2xx body; an answer that was not streamed is a single line."""
    if content_type not in _TYPES:
        size = sum(map(len, body))
        words = f"content_type: expected application/x-ndjson, got {content_type!r}"
        yield size, Malformed(words)
        return
    told = False
    for offset, line, terminated in json_lines.lines(body, max_event):
        if line is json_lines.TOO_LARGE:
            yield offset, Malformed(f"event_too_large: a line is longer than {max_event} bytes")
            return
        try:
            value, replaced = read_object(line)
        except BadJsonError as error:
            if not terminated:
                yield offset, Unterminated()
            yield offset, bad_json(error, line)
            return
        if replaced:
            yield offset, BadText(replaced)
        for event in _events(value, told=told):
            yield offset, event
        told = True


def read_error(body: bytes) -> ServerError:
    """The `error` string of a response with an error status."""
    return read_error_body(body)


def _events(value: dict[str, Any], *, told: bool) -> Iterator[StreamEvent]:
    if value.get("error") is not None:
        yield nested_error(value)
        return
    if not told:
        yield Identity(text_of(value, "model"))
    message = object_of(value, "message")
    deltas = list(_deltas(message))
    yield from deltas
    if value.get("done") is not True:
        if not deltas:
            yield Opening()
        return
    yield Finish(text_of(value, "done_reason") or "stop")
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
