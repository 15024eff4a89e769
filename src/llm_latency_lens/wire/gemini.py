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
    Finish,
    Identity,
    Opening,
    ReasoningWithheld,
    ServerError,
    StreamEvent,
    Usage,
)
from llm_latency_lens.model.request import HttpRequest, Image, Message, Request, Target
from llm_latency_lens.wire.billing import billing_of
from llm_latency_lens.wire.finish import finish_of
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
    named_settings,
    post,
    schema,
    system_and_turns,
)
from llm_latency_lens.wire.json_stream import decode_body, read_json
from llm_latency_lens.wire.reader import Decoded
from llm_latency_lens.wire.server_error import error_in, explicit_error, read_error_body

_ENCODE = msgspec.json.Encoder().encode
streams = True
has_end_marker = False
read_error = read_error_body
settings = {
    "max_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "sampling_seed": "seed",
    "stop": "stopSequences",
    "reasoning": "thinkingConfig.thinkingLevel",
    "thinking_budget": "thinkingConfig.thinkingBudget",
}
_FINISH = {
    # What the API's reference lists as reasons without an answer that can be used.
    "other": "error",
    "language": "error",
    "image_other": "error",
    "missing_thought_signature": "error",
}
_COUNTS = (
    "promptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "cachedContentTokenCount",
)
_ROLES = {"assistant": "model", "user": "user"}


def encode(request: Request, target: Target) -> HttpRequest:
    """POST `{base_url}/models/{model}:streamGenerateContent?alt=sse`, or `:generateContent`."""
    system, conversation = system_and_turns(request)
    config = named_settings(request, settings, target.provider)
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
    return decode_body(body, content_type, max_event, _ChunkReader())


class _ChunkReader:
    """Turns chunks into events; remembers whether it was told who answers and of thoughts."""

    __slots__ = ("_answer", "_model", "_thought", "_thoughts", "_told", "broken")

    def __init__(self) -> None:
        self.broken = False
        self._answer = self._thoughts = 0  # the largest counts so far
        self._told = False
        self._model: str | None = None
        self._thought = False

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:  # noqa: ARG002 - events have no names here
        """The events of one chunk."""
        if self._told:
            plain = plain_text(data)
            if plain is not None:
                text, counts = plain
                if counts is None:
                    return (Delta("text", text),)
                return (Delta("text", text), self._usage(*counts))
        return read_json(self, data, lambda value: tuple(self._events(value)))

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """A whole answer has the shape of a chunk."""
        return self.read(data, "")

    def _events(self, value: dict[str, Any]) -> Iterator[StreamEvent]:
        error = _error(value)
        if error is not None:
            yield error
            return
        model = text_of(value, "modelVersion")
        if not self._told or (model and not self._model):
            self._told, self._model = True, model
            yield Identity(model, None, text_of(value, "responseId"))
        for candidate in objects_of(value, "candidates"):
            for event in _candidate(candidate):
                if isinstance(event, Delta) and event.kind == "reasoning" and not self._thought:
                    # Thoughts are summaries of what is counted as thoughts.
                    self._thought = True
                    yield ReasoningWithheld()
                yield event
        blocked = text_of(object_of(value, "promptFeedback"), "blockReason")
        if blocked:
            yield Finish("content_filter", 0, "filtered", blocked)
        usage = object_of(value, "usageMetadata")
        if usage:
            yield msgspec.structs.replace(
                self._usage(*[count_of(usage, name) for name in _COUNTS]),
                audio_input=_audio(usage, "promptTokensDetails"),
                audio_output=_audio(usage, "candidatesTokensDetails"),
            )
        yield from billing_of(usage)

    def _usage(
        self, given: int | None, answer: int | None, thoughts: int | None, cached: int | None
    ) -> Usage:
        """The counts so far; one that is left out, or 0, still is what it was before."""
        if self._thoughts or thoughts:
            final = bool(answer) or not self._answer
            thoughts = self._thoughts = thoughts or self._thoughts
            answer = self._answer = answer or self._answer
            return Usage(given, answer + thoughts, thoughts, cached, final=final)
        if answer:
            self._answer = answer
        return Usage(given, thoughts if answer is None else answer, thoughts, cached)


def _audio(usage: dict[str, Any], details: str) -> int | None:
    """The tokens of sound among those that the details tell apart."""
    parts = objects_of(usage, details)
    counts = (count_of(part, "tokenCount") for part in parts if part.get("modality") == "AUDIO")
    return sum(count or 0 for count in counts) if parts else None


def _candidate(candidate: dict[str, Any]) -> Iterator[StreamEvent]:
    choice = count_of(candidate, "index") or 0
    deltas = [
        d
        for part in objects_of(object_of(candidate, "content"), "parts")
        for d in _part(part, choice)
    ]
    yield from deltas
    finish = finish_of(text_of(candidate, "finishReason"), choice, _FINISH)
    if finish is not None:
        words = text_of(candidate, "finishMessage")
        failed = finish.kind == "failure" and words
        yield ServerError(finish.reason, words or "") if failed else finish
    elif not deltas:
        yield Opening()


def _error(value: dict[str, Any]) -> ServerError | None:
    """The error of a chunk; an empty object is one, as the API sends it when it fails without a word."""
    if not value:
        return ServerError("error", "")
    answer = any(name in value for name in ("candidates", "usageMetadata", "promptFeedback"))
    return explicit_error(value) if answer else error_in(value)


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
