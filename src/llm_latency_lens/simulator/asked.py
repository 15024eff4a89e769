"""What a client asked the simulator for, whatever language it asked in."""

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")


class Address(Struct, frozen=True):
    """What a path says beside the body: the model, whether to stream (None: it doesn't), the query.

    `vendor` names one that speaks a language with a habit of its own.
    """

    model: str | None = None
    stream: bool | None = None
    query: str = ""
    vendor: str | None = None


class Asked(Struct, frozen=True, kw_only=True):
    """A request as far as the simulator cares. A prompt token is a word between blanks.

    `as_array`: Gemini's JSON array rather than SSE. `inputs` and `as_base64` are of embeddings.
    """

    model: str
    stream: bool
    limit: int | None
    prompt_tokens: int
    include_usage: bool = True
    offers_tools: bool = False
    as_array: bool = False
    inputs: int = 1
    as_base64: bool = False


class BadRequestError(ValueError):
    """What was asked can't be served; the message, the status and the header fields go to the client."""

    def __init__(self, message: str, status: int = 400, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.fields = fields


def read_body(body: bytes, kind: type[T]) -> T:
    """The body as a value of `kind`.

    Raises:
        BadRequestError: not JSON, or not what the API takes.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadRequestError(str(error)) from None


def model_of(name: str | None) -> str:
    """The model's name, which must be there."""
    if not name:
        raise BadRequestError("model: a model is needed")
    return name


def limit_of(limit: int | None) -> int | None:
    """The output limit, which must be above 0 where there is one."""
    if limit is not None and limit < 1:
        raise BadRequestError("the output limit must be at least 1")
    return limit


def words_in(value: object) -> int:
    """Words of all the text in messages of any of the languages; there must be a message."""
    if not value:
        raise BadRequestError("messages: at least one message is needed")
    return _words(value)


_NESTED = ("content", "parts", "text", "input")


def _words(value: object) -> int:
    if isinstance(value, str):
        return len(value.split())
    if isinstance(value, list):
        return sum(_words(item) for item in value)
    if isinstance(value, dict):
        return sum(_words(value[key]) for key in _NESTED if key in value)
    return 0


Messages = list[dict[str, Any]]
