"""A voice is one of the languages that the simulator speaks: a module of pure functions from a tale to bytes."""

from typing import Protocol, cast

from llm_latency_lens.simulator.asked import Address, Asked
from llm_latency_lens.simulator.told import Piece, Told
from llm_latency_lens.simulator.voices import (
    anthropic,
    bedrock,
    cohere,
    embeddings,
    gemini,
    ollama,
    openai_chat,
    openai_responses,
)


class Voice(Protocol):
    """One language. All bytes are of the body; HTTP is put around them elsewhere.

    `STREAM_TYPE` is a stream's media type, `NUMBERED` says that no two tokens have the same bytes,
    `PING` is a keep-alive, `END` the end marker with which `closing` ends ("" where there is none).
    """

    STREAM_TYPE: str
    NUMBERED: bool
    PING: bytes
    END: bytes

    def read(self, body: bytes, at: Address) -> Asked:
        """What was asked. Raises BadRequestError."""
        ...

    def opening(self, told: Told) -> bytes:
        """What comes before the first token."""
        ...

    def piece(self, told: Told, token: Piece) -> bytes:
        """One token."""
        ...

    def closing(self, told: Told, elapsed: int) -> bytes:
        """What comes after the last token; `elapsed` ns after the request."""
        ...

    def document(self, told: Told, elapsed: int) -> object:
        """The whole answer where no stream was asked for, as JSON values."""
        ...

    def failure(self, status: int, message: str) -> object:
        """The body of an error status, as JSON values."""
        ...

    def trouble(self, message: str) -> bytes:
        """An error told inside a stream."""
        ...


VOICES: dict[str, Voice] = {
    "openai_chat": cast("Voice", openai_chat),
    "openai_responses": cast("Voice", openai_responses),
    "anthropic": cast("Voice", anthropic),
    "gemini": cast("Voice", gemini),
    "bedrock": cast("Voice", bedrock),
    "cohere": cast("Voice", cohere),
    "ollama": cast("Voice", ollama),
    "embeddings": cast("Voice", embeddings),
}
