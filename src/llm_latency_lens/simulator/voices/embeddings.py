"""OpenAI's embeddings: one document, a vector for each input."""

import base64
import struct

from msgspec import Struct

from llm_latency_lens.simulator.asked import Address, Asked, model_of, read_body, words_in
from llm_latency_lens.simulator.told import Piece, Told

STREAM_TYPE = "application/json"
NUMBERED = False
PING = b""
END = b""
_VECTOR = tuple(i / 16 for i in range(-8, 8))


class _Body(Struct):
    input: str | list[str]
    model: str | None = None
    encoding_format: str = "float"


def read(body: bytes, at: Address) -> Asked:
    """Read a request."""
    asked = read_body(body, _Body)
    return Asked(
        model=model_of(at.model or asked.model),
        stream=False,
        limit=1,
        prompt_tokens=words_in(asked.input),
        inputs=1 if isinstance(asked.input, str) else len(asked.input),
        as_base64=asked.encoding_format == "base64",
    )


def opening(told: Told) -> bytes:  # noqa: ARG001 - there is no stream
    """Nothing: there is no stream."""
    return b""


def piece(told: Told, token: Piece) -> bytes:  # noqa: ARG001 - there is no stream
    """Nothing: there is no stream."""
    return b""


def closing(told: Told, elapsed: int) -> bytes:  # noqa: ARG001 - there is no stream
    """Nothing: there is no stream."""
    return b""


def document(told: Told, elapsed: int) -> object:  # noqa: ARG001 - this language tells no times
    """The vectors."""
    packed = base64.b64encode(struct.pack(f"<{len(_VECTOR)}f", *_VECTOR)).decode()
    vector = packed if told.asked.as_base64 else _VECTOR
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index in range(told.asked.inputs)
    ]
    prompt = told.asked.prompt_tokens
    usage = {"prompt_tokens": prompt, "total_tokens": prompt}
    return {"object": "list", "data": data, "model": told.asked.model, "usage": usage}


def failure(status: int, message: str) -> object:  # noqa: ARG001 - no status in it
    """The body of an error status."""
    return {"error": {"message": message, "type": "invalid_request_error", "code": None}}


def trouble(message: str) -> bytes:  # noqa: ARG001 - there is no stream
    """Nothing: there is no stream."""
    return b""
