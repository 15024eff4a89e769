"""OpenAI's Chat Completions, as OpenAI, vLLM, SGLang, llama.cpp, DeepSeek, OpenRouter and others speak it.

Source: the API reference of OpenAI, and the servers' own additions (`reasoning_content`, `reasoning`,
`timings`). What a server leaves out stays unknown; what breaks the rules ends decoding as `Malformed`.
"""

from collections.abc import Iterable, Iterator

import msgspec

from llm_latency_lens.model.events import (
    BadText,
    Delta,
    DeltaKind,
    Done,
    Finish,
    Identity,
    Malformed,
    Opening,
    Ping,
    ServerError,
    StreamEvent,
    Unknown,
    Unterminated,
)
from llm_latency_lens.model.request import HttpRequest, Request, Target, Url
from llm_latency_lens.wire import sse
from llm_latency_lens.wire.openai_chunk import (
    BadJsonError,
    Chunk,
    Content,
    error_of,
    read_chunk,
    timings_of,
    usage_of,
)

_OFFICIAL_HOST = "api.openai.com"
_ENCODE = msgspec.json.Encoder().encode
_MARKS: dict[str, StreamEvent] = {
    sse.COMMENT: Ping(),
    "ping": Ping(),
    sse.UNTERMINATED: Unterminated(),
}
_CHUNK_TYPES = frozenset({"", "message", "error"})

Decoded = tuple[int, StreamEvent]


def encode(request: Request, target: Target) -> HttpRequest:
    """POST `{base_url}/chat/completions`; usage is asked for in streams, compression never."""
    body: dict[str, object] = {
        "model": target.model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "stream": request.stream,
    }
    if request.stream:
        body["stream_options"] = {"include_usage": True}
    if request.max_tokens is not None:
        official = target.base_url.host == _OFFICIAL_HOST
        body["max_completion_tokens" if official else "max_tokens"] = request.max_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    body.update(request.extra)
    base = target.base_url
    return HttpRequest(
        method="POST",
        url=Url(base.scheme, base.host, base.port, base.path + "/chat/completions"),
        headers=(
            ("Content-Type", "application/json"),
            ("Accept", "text/event-stream" if request.stream else "application/json"),
            ("Accept-Encoding", "identity"),
            *target.headers,
        ),
        body=_ENCODE(body),
    )


def decode(body: Iterable[bytes], content_type: str, max_event: int) -> Iterator[Decoded]:
    """Read a 2xx body: a stream of chunks, or one JSON document."""
    if content_type == "text/event-stream":
        return _decode_stream(body, max_event)
    if content_type == "application/json":
        return _decode_document(b"".join(body))
    whole = b"".join(body)
    if not content_type and whole.lstrip()[:1] in {b"d", b":", b"e"}:
        return _decode_stream((whole,), max_event)
    if not content_type and whole.lstrip()[:1] == b"{":
        return _decode_document(whole)
    words = f"content_type: expected text/event-stream or application/json, got {content_type!r}"
    return iter(((len(whole), Malformed(words)),))


def read_error(body: bytes) -> ServerError:
    """The error object of a response with an error status; plain text where it is no JSON."""
    try:
        chunk, _ = read_chunk(body)
    except BadJsonError:
        return ServerError("error", body[:1000].decode("utf-8", "replace"))
    if chunk.error is None:
        return ServerError("error", body[:1000].decode("utf-8", "replace"))
    return error_of(chunk.error)


def _decode_stream(body: Iterable[bytes], max_event: int) -> Iterator[Decoded]:
    reader = _ChunkReader()
    for offset, kind, data in sse.events(body, max_event):
        if kind in _CHUNK_TYPES:
            for event in reader.read(data, is_error=kind == "error"):
                yield offset, event
            if reader.broken:
                return
        elif kind == sse.TOO_LARGE:
            yield offset, Malformed(f"event_too_large: an event is longer than {max_event} bytes")
        else:
            yield offset, _MARKS.get(kind) or Unknown(kind)


def _decode_document(body: bytes) -> Iterator[Decoded]:
    reader = _ChunkReader()
    for event in reader.read(body, is_error=False):
        yield len(body), event
    if not reader.broken:
        yield len(body), Done()


class _ChunkReader:
    """Turns chunks into events; remembers who the server said that it is, and whether it refused."""

    __slots__ = ("_fingerprint", "_model", "_refused", "_told", "broken")

    def __init__(self) -> None:
        self.broken = False
        self._told = False
        self._model: str | None = None
        self._fingerprint: str | None = None
        self._refused = False

    def read(self, data: bytes, *, is_error: bool) -> Iterable[StreamEvent]:
        """The events of one chunk's JSON; `broken` is set where nothing can follow."""
        if data == b"[DONE]":
            return (Done(),)
        try:
            chunk, replaced = read_chunk(data)
        except BadJsonError as error:
            self.broken = True
            return (Malformed(f"invalid_json: {error}, in {data[:80]!r}"),)
        if not replaced:
            text = self._plain_text(chunk)
            if text is not None:
                return (Delta("text", text),)
            return self._events(chunk, is_error=is_error)
        return (BadText(replaced), *self._events(chunk, is_error=is_error))

    def _plain_text(self, chunk: Chunk) -> str | None:
        """The quick way: the text of a chunk that holds one text delta of choice 0 and nothing else."""
        choices = chunk.choices
        if (
            not self._told
            or not choices
            or len(choices) != 1
            or chunk.usage is not None
            or chunk.error is not None
            or chunk.timings is not None
            or (chunk.model or None) != self._model
            or (chunk.system_fingerprint or None) != self._fingerprint
        ):
            return None
        choice = choices[0]
        delta = choice.delta
        if delta is None or choice.finish_reason or choice.index or choice.message is not None:
            return None
        if (
            delta.reasoning_content
            or delta.reasoning
            or delta.tool_calls
            or delta.function_call
            or delta.refusal
        ):
            return None
        return delta.content or None

    def _events(self, chunk: Chunk, *, is_error: bool) -> Iterator[StreamEvent]:
        """Everything a chunk says, in the order identity, content, finish, usage, timings."""
        if chunk.error is not None or is_error:
            yield error_of(chunk.error)
            return
        identity = self._identity(chunk)
        if identity is not None:
            yield identity
        for choice in chunk.choices or ():
            content = choice.delta or choice.message
            deltas = list(self._deltas(content, choice.index)) if content is not None else []
            yield from deltas
            if choice.finish_reason:
                reason = "refusal" if self._refused else choice.finish_reason
                yield Finish(reason, choice.index)
            elif not deltas:
                yield Opening()
        usage = usage_of(chunk.usage)
        if usage is not None:
            yield usage
        timings = timings_of(chunk.timings)
        if timings is not None:
            yield timings

    def _identity(self, chunk: Chunk) -> Identity | None:
        model, fingerprint = chunk.model or None, chunk.system_fingerprint or None
        if self._told and model == self._model and fingerprint == self._fingerprint:
            return None
        if model is None and fingerprint is None and not chunk.id:
            return None
        self._told, self._model, self._fingerprint = True, model, fingerprint
        return Identity(model, fingerprint, chunk.id or None)

    def _deltas(self, content: Content, choice: int) -> Iterator[Delta]:
        if content.refusal:
            self._refused = True
        calls = [tool.function for tool in content.tool_calls or ()] + [content.function_call]
        parts: tuple[tuple[DeltaKind, str | None], ...] = (
            ("reasoning", content.reasoning_content or content.reasoning),
            ("text", content.content),
            ("text", content.refusal),
            *(("tool", (call.name or "") + (call.arguments or "")) for call in calls if call),
        )
        for kind, text in parts:
            if text:
                yield Delta(kind, text, choice)
