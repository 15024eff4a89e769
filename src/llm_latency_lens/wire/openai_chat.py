"""OpenAI's Chat Completions, as OpenAI, vLLM, SGLang, llama.cpp, DeepSeek, OpenRouter and others speak it.

Source: the API reference of OpenAI, and the servers' own additions (`reasoning_content`, `reasoning`,
`timings`). What a server leaves out stays unknown; what breaks the rules ends decoding as `Malformed`.
"""

from collections.abc import Iterable, Iterator

from llm_latency_lens.model.events import (
    BadText,
    Delta,
    DeltaKind,
    Done,
    Finish,
    Identity,
    Opening,
    Ping,
    ServerError,
    StreamEvent,
    Unknown,
)
from llm_latency_lens.model.request import HttpRequest, Request, Target
from llm_latency_lens.wire.billing import billing_of
from llm_latency_lens.wire.json_object import BadJsonError
from llm_latency_lens.wire.json_request import (
    accept_of,
    function_tools,
    merged,
    post,
    settings,
    turns,
)
from llm_latency_lens.wire.json_stream import bad_json, decode_body, error_of, read_error_body
from llm_latency_lens.wire.openai_chunk import (
    Chunk,
    Content,
    read_chunk,
    timings_of,
    usage_of,
)
from llm_latency_lens.wire.reader import Decoded

_OFFICIAL_HOSTS = ("api.openai.com", ".openai.azure.com", ".cognitiveservices.azure.com")
_USAGE_UNASKED = frozenset({"mistral"})
"""Their streams end with the usage by themselves, and the field that asks for it is an error."""
_OFFICIAL_SETTINGS = {
    "max_tokens": "max_completion_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "sampling_seed": "seed",
    "stop": "stop",
    "reasoning": "reasoning_effort",
}
SETTINGS = {
    **_OFFICIAL_SETTINGS,
    "max_tokens": "max_tokens",
    "top_k": "top_k",
    # What vLLM, SGLang, llama.cpp and others add.
    "ignore_eos": "ignore_eos",
    "min_tokens": "min_tokens",
}
_CHUNK_TYPES = frozenset({"", "message", "error"})


def encode(request: Request, target: Target) -> HttpRequest:
    """POST `{base_url}/chat/completions`; usage is asked for in streams, compression never."""
    asks_usage = request.stream and target.provider not in _USAGE_UNASKED
    official = target.base_url.host.endswith(_OFFICIAL_HOSTS)
    body = {
        "model": target.model,
        "messages": turns(request),
        "stream": request.stream,
        **({"stream_options": {"include_usage": True}} if asks_usage else {}),
        **function_tools(request.tools),
    }
    names = _OFFICIAL_SETTINGS if official else SETTINGS
    body = merged(body, settings(request, names, target.provider), request.extra)
    return post(target, "/chat/completions", body, accept_of(request))


def decode(body: Iterable[bytes], content_type: str, max_event: int) -> Iterator[Decoded]:
    """Read a 2xx body: a stream of chunks, or one JSON document."""
    return decode_body(body, content_type, max_event, _ChunkReader())


def read_error(body: bytes) -> ServerError:
    """The error object of a response with an error status; plain text where it is no JSON."""
    return read_error_body(body)


class _ChunkReader:
    """Turns chunks into events; remembers who the server said that it is, and whether it refused."""

    __slots__ = ("_fingerprint", "_model", "_refused", "_told", "broken")

    def __init__(self) -> None:
        self.broken = False
        self._told = False
        self._model: str | None = None
        self._fingerprint: str | None = None
        self._refused = False

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:
        """The events of one chunk's JSON; `broken` is set where nothing can follow."""
        if data == b"[DONE]":
            return (Done(),)
        if kind not in _CHUNK_TYPES:
            return (Ping(),) if kind == "ping" else (Unknown(kind),)
        try:
            chunk, replaced = read_chunk(data)
        except BadJsonError as error:
            self.broken = True
            return (bad_json(error, data),)
        text = None if replaced else self._plain_text(chunk)
        if text is not None:
            return (Delta("text", text),)
        events = self._events(chunk, is_error=kind == "error")
        return (BadText(replaced), *events) if replaced else events

    def read_document(self, data: bytes) -> Iterable[StreamEvent]:
        """The events of a whole answer."""
        return self.read(data, "")

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
        yield from billing_of(chunk.usage, chunk.service_tier)
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
