"""OpenAI's Chat Completions, as OpenAI, vLLM, SGLang, llama.cpp, DeepSeek, OpenRouter and others speak it.

Source: the API reference of OpenAI, and the servers' own additions (`reasoning_content`, `reasoning`,
`timings`). What a server leaves out stays unknown; what breaks the rules ends decoding as `Malformed`.
"""

from collections.abc import Iterable, Iterator

from llm_latency_lens.model.events import (
    BadText,
    Delta,
    DeltaKind,
    Identity,
    Opening,
    ReasoningWithheld,
    ServerError,
    StreamEvent,
    Unknown,
)
from llm_latency_lens.model.request import HttpRequest, Request, Target
from llm_latency_lens.wire.billing import billing_of
from llm_latency_lens.wire.finish import finish_of
from llm_latency_lens.wire.json_object import BadJsonError, read_any
from llm_latency_lens.wire.json_request import (
    accept_of,
    function_tools,
    merged,
    named_settings,
    post,
    turns,
)
from llm_latency_lens.wire.json_stream import bad_json, decode_body
from llm_latency_lens.wire.openai_chunk import (
    Choice,
    Chunk,
    Content,
    read_chunk,
    reasoning_of,
    timings_of,
    usages_of,
)
from llm_latency_lens.wire.reader import Decoded
from llm_latency_lens.wire.server_error import error_in, explicit_error, read_error_body

_OFFICIAL_HOSTS = ("api.openai.com", ".openai.azure.com", ".cognitiveservices.azure.com")
_USAGE_UNASKED = frozenset({"mistral"})
"""Their streams end with the usage by themselves, and the field that asks for it is an error."""
_OFFICIAL_NAMES = {
    "max_tokens": "max_completion_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "sampling_seed": "seed",
    "stop": "stop",
    "reasoning": "reasoning_effort",
}
streams = True
has_end_marker = True
read_error = read_error_body
settings = {
    **_OFFICIAL_NAMES,
    "max_tokens": "max_tokens",
    "top_k": "top_k",
    # What vLLM, SGLang, llama.cpp and others add.
    "ignore_eos": "ignore_eos",
    "min_tokens": "min_tokens",
}
_CHUNK_TYPES = frozenset({"", "message"})


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
    names = _OFFICIAL_NAMES if official else settings
    body = merged(body, named_settings(request, names, target.provider), request.extra)
    return post(target, "/chat/completions", body, accept_of(request))


def decode(body: Iterable[bytes], content_type: str, max_event: int) -> Iterator[Decoded]:
    """Read a 2xx body: a stream of chunks, or one JSON document."""
    return decode_body(body, content_type, max_event, _ChunkReader())


class _ChunkReader:
    """Turns chunks into events; remembers who the server said that it is, and whether it refused."""

    __slots__ = ("_fingerprint", "_model", "_refused", "_told", "_withheld", "broken")

    def __init__(self) -> None:
        self.broken = False
        self._told = False
        self._model: str | None = None
        self._fingerprint: str | None = None
        self._refused = False
        self._withheld = False

    def read(self, data: bytes, kind: str) -> Iterable[StreamEvent]:
        """The events of one chunk's JSON; `broken` is set where nothing can follow."""
        try:
            chunk, replaced = read_chunk(data)
        except BadJsonError as problem:
            if kind not in _CHUNK_TYPES:
                return (Unknown(kind),)
            self.broken = True
            return (bad_json(problem, data),)
        text = None if replaced else self._plain_text(chunk)
        if text is not None:
            return (Delta("text", text),)
        error = None if chunk.choices else _error(chunk, data)
        if error is not None:
            events: Iterable[StreamEvent] = (error,)
        elif kind in _CHUNK_TYPES or chunk.choices or chunk.usage is not None:
            events = self._events(chunk)
        else:
            events = (Unknown(kind),)
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
            or chunk.base_resp is not None
            or (chunk.model and chunk.model != self._model)
            or (chunk.system_fingerprint and chunk.system_fingerprint != self._fingerprint)
        ):
            return None
        text = _only_text(choices[0])
        return text or None

    def _events(self, chunk: Chunk) -> Iterator[StreamEvent]:
        """Everything a chunk says, in the order identity, content, finish, usage, timings, error."""
        identity = self._identity(chunk)
        if identity is not None:
            yield identity
        for choice in chunk.choices or ():
            text = _only_text(choice)
            if text:
                yield Delta("text", text)
            else:
                yield from self._choice(choice)
        yield from usages_of(chunk)
        yield from billing_of(chunk.usage, chunk.service_tier)
        timings = timings_of(chunk.timings)
        if timings is not None:
            yield timings
        yield from _errors(chunk)

    def _choice(self, choice: Choice) -> Iterator[StreamEvent]:
        content = choice.delta or choice.message
        deltas = list(self._deltas(content, choice.index)) if content is not None else []
        yield from deltas
        reason = "refusal" if self._refused and choice.finish_reason else choice.finish_reason
        finish = finish_of(reason, choice.index) if reason else None
        if finish is not None:
            yield finish
        elif not deltas:
            yield Opening()

    def _identity(self, chunk: Chunk) -> Identity | None:
        """Who the server says that it is, where that is new; what a chunk leaves out still holds."""
        model = chunk.model or self._model
        fingerprint = chunk.system_fingerprint or self._fingerprint
        if self._told and model == self._model and fingerprint == self._fingerprint:
            return None
        if model is None and fingerprint is None and not chunk.id:
            return None
        self._told, self._model, self._fingerprint = True, model, fingerprint
        return Identity(model, fingerprint, chunk.id or None)

    def _deltas(self, content: Content, choice: int) -> Iterator[StreamEvent]:
        if content.refusal:
            self._refused = True
        reasoning, withheld = reasoning_of(content)
        if withheld and not self._withheld:
            self._withheld = True
            yield ReasoningWithheld()
        calls = [tool.function for tool in content.tool_calls or ()] + [content.function_call]
        parts: tuple[tuple[DeltaKind, str | None], ...] = (
            ("reasoning", reasoning),
            ("text", content.content),
            ("text", content.refusal),
            *(("tool", (call.name or "") + (call.arguments or "")) for call in calls if call),
        )
        for kind, text in parts:
            if text:
                yield Delta(kind, text, choice)


def _only_text(choice: Choice) -> str | None:
    """The text of a choice that says nothing else."""
    delta = choice.delta
    if (
        delta is None
        or choice.finish_reason
        or choice.index
        or choice.message is not None
        or choice.usage is not None
        or choice.error is not None
    ):
        return None
    # Compared in one step, however many names there are for what is rare.
    return delta.content if delta == Content(content=delta.content) else None


def _errors(chunk: Chunk) -> list[ServerError]:
    """What a chunk says of a failure beside the answer or within a choice."""
    places = [{"error": choice.error} for choice in chunk.choices or () if choice.error is not None]
    if chunk.error is not None or chunk.base_resp is not None or chunk.x_groq is not None:
        own = {"error": chunk.error, "base_resp": chunk.base_resp, "x_groq": chunk.x_groq}
        places.append(own)
    return [error for place in places if (error := explicit_error(place)) is not None]


def _error(chunk: Chunk, data: bytes) -> ServerError | None:
    """The error of an object without an answer in it."""
    value = read_any(data)
    if not isinstance(value, dict):
        return None
    return explicit_error(value) if chunk.usage is not None else error_in(value)
