"""The writes of one answer, made as far as can be before they are due."""

from collections.abc import Callable
from typing import cast

import msgspec
from msgspec import Struct

from llm_latency_lens.simulator.framing import Chunked, Framing, head, json_response
from llm_latency_lens.simulator.told import Piece, Told
from llm_latency_lens.simulator.voice import Voice

_CYCLE = 8
"""Tokens of one kind repeat their words, and with them their bytes, after so many."""
_NS_PER_MS = 1_000_000


class Making(Struct, frozen=True, kw_only=True):
    """How an answer is made, faults included; by default as a well-behaved server would.

    `before` goes out as soon as the request is there, `fields` are further header fields, `pings` come
    before the first token, `tokens` is another number of token writes, `spoil` changes their bodies
    (index, bytes), `troubled` ends the stream with an error, `strip_end` leaves the end marker out.
    """

    framing: Callable[[], Framing] = cast("Callable[[], Framing]", Chunked)
    before: bytes = b""
    fields: tuple[str, ...] = ()
    pings: int = 0
    tokens: int | None = None
    spoil: Callable[[int, bytes], bytes] | None = None
    troubled: bool = False
    strip_end: bool = False


AS_IT_SHOULD = Making()


class Answer:
    """`opening`, then `token(i)` for each token, then `closing`; or `document` where no stream was asked for.

    `opening` is the response head and what the language says before the first token; `closing` is the
    finish reason, usage, end marker and the end of the body. Where they tell times, `elapsed` is ns
    since the request was complete.
    """

    __slots__ = (
        "_cached",
        "_framing",
        "_head",
        "_keep_alive",
        "_making",
        "_opening",
        "_voice",
        "told",
    )

    def __init__(
        self, voice: Voice, told: Told, making: Making = AS_IT_SHOULD, *, keep_alive: bool
    ) -> None:
        self.told = msgspec.structs.replace(told, silent=True) if making.tokens == 0 else told
        self._voice = voice
        self._making = making
        self._keep_alive = keep_alive
        self._framing: Framing = making.framing()
        self._cached: dict[tuple[str, int], bytes] = {}
        self._head = self._opening = b""
        if self.streamed:
            self._prepare()

    @property
    def streamed(self) -> bool:
        """Whether the answer is a stream."""
        return self.told.asked.stream

    @property
    def output_tokens(self) -> int:
        """How many token writes there are."""
        making, told = self._making, self.told
        if making.tokens is None:
            return told.output_tokens
        return making.tokens if making.spoil else min(making.tokens, told.output_tokens)

    def opening(self, elapsed: int) -> bytes:
        """The first write."""
        return self._head.replace(b"@", str(elapsed // _NS_PER_MS).encode(), 1) + self._opening

    def token(self, index: int) -> bytes:
        """The write of token `index`."""
        making, told = self._making, self.told
        if self._voice.NUMBERED or making.spoil or not self._framing.stateless:
            return self._framing.piece(self._token(index))
        if index in {0, told.thinking} or told.calls_tool:
            return self._framing.piece(self._token(index))
        key = told.kind(index), index % _CYCLE
        data = self._cached.get(key)
        if data is None:
            data = self._cached[key] = self._framing.piece(self._token(index))
        return data

    def closing(self, elapsed: int) -> bytes:
        """The last write."""
        making, voice = self._making, self._voice
        if making.troubled:
            body = voice.trouble("the simulated server is overloaded")
        else:
            body = voice.closing(self.told, elapsed)
            if making.strip_end:
                body = body.removesuffix(voice.END) if voice.END else b""
        return self._framing.piece(body) + self._framing.end()

    def document(self, elapsed: int) -> bytes:
        """The whole answer as one response."""
        times = (f"openai-processing-ms: {elapsed // _NS_PER_MS}",)
        document = self._voice.document(self.told, elapsed)
        fields = (*self._identity(), *times, *self._making.fields)
        return json_response(200, document, keep_alive=self._keep_alive, fields=fields)

    def _identity(self) -> tuple[str, ...]:
        return (f"x-request-id: {self.told.id}",)

    def _prepare(self) -> None:
        making, voice = self._making, self._voice
        kind = "application/json" if self.told.asked.as_array else voice.STREAM_TYPE
        fields = (
            f"Content-Type: {kind}",
            "openai-processing-ms: @",
            "Cache-Control: no-cache",
            *self._identity(),
            *self._framing.fields,
            *making.fields,
        )
        self._head = head(200, fields, keep_alive=self._keep_alive)
        self._opening = self._framing.piece(voice.opening(self.told) + voice.PING * making.pings)

    def _token(self, index: int) -> bytes:
        told = self.told
        kind = told.kind(index)
        begins = index in {0, told.thinking}
        data = self._voice.piece(told, Piece(index, kind, told.word(index), begins))
        return data if self._making.spoil is None else self._making.spoil(index, data)
