"""What a client asked the simulator for."""

from typing import Any

import msgspec
from msgspec import Struct


class _Body(Struct):
    model: str
    messages: list[dict[str, Any]]
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


class ChatRequest(Struct, frozen=True):
    """A chat request as far as the simulator cares. A prompt token is a word between blanks."""

    model: str
    stream: bool
    include_usage: bool
    limit: int | None
    prompt_tokens: int


class BadRequestError(ValueError):
    """What was asked can't be served; the message, the status and the header fields go to the client."""

    def __init__(self, message: str, status: int = 400, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.fields = fields


_decode = msgspec.json.Decoder(_Body).decode


def read_chat_request(body: bytes) -> ChatRequest:
    """Read a chat request's body.

    Raises:
        BadRequestError: not JSON, or not what the API takes.
    """
    try:
        asked = _decode(body)
    except msgspec.DecodeError as error:
        raise BadRequestError(str(error)) from None
    if not asked.messages:
        raise BadRequestError("messages: at least one message is needed")
    limit = asked.max_completion_tokens if asked.max_tokens is None else asked.max_tokens
    if limit is not None and limit < 1:
        raise BadRequestError("max_tokens: must be at least 1")
    return ChatRequest(
        model=asked.model,
        stream=asked.stream,
        include_usage=bool((asked.stream_options or {}).get("include_usage")),
        limit=limit,
        prompt_tokens=sum(_words(message.get("content")) for message in asked.messages),
    )


def _words(content: object) -> int:
    if isinstance(content, str):
        return len(content.split())
    if isinstance(content, list):
        return sum(_words(part.get("text")) for part in content if isinstance(part, dict))
    return 0
