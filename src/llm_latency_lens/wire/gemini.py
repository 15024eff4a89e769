"""Google's Gemini API (and Vertex AI, which speaks the same bodies): SSE, or a JSON array without `alt=sse`.

Source: the provider's API reference. Usage comes with every chunk and is cumulative; thoughts are counted
apart from candidates and both are output. There is no end marker: a finish reason ends a stream.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from llm_latency_lens.model.events import (
    Delta,
    Done,
    Finish,
    Identity,
    Malformed,
    Opening,
    ReasoningWithheld,
    ServerError,
    StreamEvent,
    Usage,
)
from llm_latency_lens.model.request import HttpRequest, Image, Message, Request, Target
from llm_latency_lens.wire import json_array
from llm_latency_lens.wire.billing import billing_of
from llm_latency_lens.wire.gemini_chunk import plain_text
from llm_latency_lens.wire.json_object import (
    count_of,
    object_of,
    objects_of,
    text_of,
)
from llm_latency_lens.wire.json_request import (
    Json,
    accept_of,
    merged,
    post,
    schema,
    settings,
    system_and_turns,
)
from llm_latency_lens.wire.json_stream import decode_body, nested_error, read_error_body, read_json
from llm_latency_lens.wire.reader import Decoded

_ENCODE = msgspec.json.Encoder().encode
SETTINGS = {
    "max_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "sampling_seed": "seed",
    "stop": "stopSequences",
    "reasoning": "thinkingConfig.thinkingLevel",
    "thinking_budget": "thinkingConfig.thinkingBudget",
}
_FINISH = {"STOP": "stop", "MAX_TOKENS": "length"}
_ROLES = {"assistant": "model", "user": "user"}


def encode(request: Request, target: Target) -> HttpRequest:
    """POST `{base_url}/models/{model}:streamGenerateContent?alt=sse`, or `:generateContent`."""
    system, conversation = system_and_turns(request)
    config = settings(request, SETTINGS, target.provider)
    if "thinkingConfig" in config:
        config["thinkingConfig"]["includeThoughts"] = True
    tools = [schema(tool) for tool in request.tools]
    body = {
        "contents": [
            {"role": _ROLES.get(turn.role, turn.role), "parts": _parts(turn)}
            for turn in conversation
        ],
        **({"systemInstruction": {"parts": [{"text": system}]}} if system else {}),
        **({"tools": [{"functionDeclarations": tools}]} if tools else {}),
        **({"generationConfig": config} if config else {}),
    }
    body = merged(body, request.extra)
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return post(
        target, f"/models/{quote(target.model, safe='-._')}:{method}", body, accept_of(request)
    )


def _parts(message: Message) -> list[Json]:
    return [{"text": message.content}, *map(_image, message.images)]


def _image(image: Image) -> Json:
    if image.url is not None:
        return {"fileData": {"fileUri": image.url}}
    return {"inlineData": {"mimeType": image.media_type, "data": image.data}}


def decode(body: Iterable[bytes], content_type: str, max_event: int) -> Iterator[Decoded]:
    """Read a 2xx body: SSE, an array that arrives piece by piece, or one response."""
    pieces = iter(body)
    if content_type in {"application/json", ""}:
        start = b""
        for piece in pieces:
            start += piece
            if start.strip():
                break
        pieces = iter((start, *pieces))
        if start.lstrip()[:1] == b"[":
            return _decode_array(pieces, max_event)
    return decode_body(pieces, content_type, max_event, _ChunkReader())


def read_error(body: bytes) -> ServerError:
    """The error object of a response with an error status, also inside an array."""
    return read_error_body(body.strip().removeprefix(b"[").removesuffix(b"]"))


def _decode_array(body: Iterable[bytes], max_event: int) -> Iterator[Decoded]:
    reader = _ChunkReader()
    for offset, data in json_array.elements(body, max_event):
        if data is json_array.CLOSED:
            yield offset, Done()
        elif data is json_array.TOO_LARGE:
            yield offset, Malformed(f"event_too_large: an element is longer than {max_event} bytes")
        else:
            for event in reader.read(data, ""):
                yield offset, event
            if reader.broken:
                return


class _ChunkReader:
    """Turns chunks into events; remembers whether it was told who answers and of thoughts."""

    __slots__ = ("_thought", "_told", "broken")

    def __init__(self) -> None:
        self.broken = False
        self._told = False
        self._thought = False

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:  # noqa: ARG002 - events have no names here
        """The events of one chunk."""
        if self._told:
            plain = plain_text(data)
            if plain is not None:
                text, usage = plain
                return (Delta("text", text),) if usage is None else (Delta("text", text), usage)
        return read_json(self, data, lambda value: tuple(self._events(value)))

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """A whole answer has the shape of a chunk."""
        return self.read(data, "")

    def _events(self, value: dict[str, Any]) -> Iterator[StreamEvent]:
        if value.get("error") is not None or not value:
            yield nested_error(value)
            return
        if not self._told:
            self._told = True
            yield Identity(text_of(value, "modelVersion"), None, text_of(value, "responseId"))
        for candidate in objects_of(value, "candidates"):
            for event in _candidate(candidate):
                if isinstance(event, Delta) and event.kind == "reasoning" and not self._thought:
                    # Thoughts are summaries of what is counted as thoughts.
                    self._thought = True
                    yield ReasoningWithheld()
                yield event
        if text_of(object_of(value, "promptFeedback"), "blockReason"):
            yield Finish("content_filter")
        usage = object_of(value, "usageMetadata")
        if usage:
            yield _usage(usage)
        yield from billing_of(usage)


def _candidate(candidate: dict[str, Any]) -> Iterator[StreamEvent]:
    choice = count_of(candidate, "index") or 0
    deltas = [
        d
        for part in objects_of(object_of(candidate, "content"), "parts")
        for d in _part(part, choice)
    ]
    yield from deltas
    reason = text_of(candidate, "finishReason")
    if reason:
        yield Finish(_FINISH.get(reason, "content_filter"), choice)
    elif not deltas:
        yield Opening()


def _part(part: dict[str, Any], choice: int) -> Iterator[Delta]:
    text = text_of(part, "text")
    if text:
        yield Delta("reasoning" if part.get("thought") is True else "text", text, choice)
    call = object_of(part, "functionCall")
    if call:
        arguments = call.get("args")
        yield Delta(
            "tool",
            (text_of(call, "name") or "") + (_ENCODE(arguments).decode() if arguments else ""),
            choice,
        )


def _audio(usage: dict[str, Any], details: str) -> int | None:
    """The tokens of sound among those that the details tell apart."""
    parts = objects_of(usage, details)
    counts = (count_of(part, "tokenCount") for part in parts if part.get("modality") == "AUDIO")
    return sum(count or 0 for count in counts) if parts else None


def _usage(usage: dict[str, Any]) -> Usage:
    answer, thoughts = (
        count_of(usage, "candidatesTokenCount"),
        count_of(usage, "thoughtsTokenCount"),
    )
    return Usage(
        input=count_of(usage, "promptTokenCount"),
        output=None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0),
        reasoning=thoughts,
        cached=count_of(usage, "cachedContentTokenCount"),
        audio_input=_audio(usage, "promptTokensDetails"),
        audio_output=_audio(usage, "candidatesTokensDetails"),
    )
