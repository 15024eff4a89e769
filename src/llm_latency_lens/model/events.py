"""What a dialect reads in a response: a closed set of events, each a frozen value.

An event has no instant: it gets the stamp of the read that completed it, by its byte offset.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

DeltaKind = Literal["text", "reasoning", "tool"]
FinishKind = Literal["success", "filtered", "failure", "unknown"]


class Delta(Struct, frozen=True, gc=False):
    """A non-empty piece of generated output."""

    kind: DeltaKind
    text: str
    choice: int = 0


class Deltas(Struct, frozen=True, gc=False):
    """Deltas in a row, of one kind and choice.

    Attributes:
        texts: what each says.
        ends: the byte offset where each ends.
        characters: the length of all texts together.
    """

    kind: DeltaKind
    texts: list[str]
    ends: list[int]
    characters: int
    choice: int = 0


class Opening(Struct, frozen=True, gc=False):
    """Belongs to the answer but holds no generated output: a role-only or empty delta."""


class ReasoningWithheld(Struct, frozen=True, gc=False):
    """The server reasons and does not stream all of it: what it streams is a summary, or nothing."""


class Vectors(Struct, frozen=True, gc=False):
    """Embeddings: how many, of how many numbers each."""

    count: int
    dimensions: int


class Identity(Struct, frozen=True, gc=False):
    """What the server says that it is: the model's echo, its fingerprint, the response's id."""

    model: str | None = None
    fingerprint: str | None = None
    id: str | None = None


class Usage(Struct, frozen=True, gc=False):
    """Token counts as the server reports them; None is unknown, never 0.

    Attributes:
        input: input tokens, those of the next three kinds included.
        output: output tokens, reasoning and audio included.
        reasoning: output tokens of reasoning.
        cached: input tokens read from the provider's prompt cache.
        cache_write: input tokens written to it.
        audio_input: input tokens of audio.
        audio_output: output tokens of audio.
        billed_input: input tokens that the server says it bills, where it counts more.
        final: false where the dialect says that `output` still grows.
    """

    input: int | None = None
    output: int | None = None
    reasoning: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    billed_input: int | None = None
    final: bool = True


class Billing(Struct, frozen=True, gc=False):
    """What the server says of the price: the service tier it used, and what it charged (USD)."""

    tier: str | None = None
    charged: Decimal | None = None


class Finish(Struct, frozen=True, gc=False):
    """The server's statement that a choice is finished, and why.

    Attributes:
        reason: stop, length, tool_calls, content_filter, refusal; else the server's own word.
        choice: which of the answers it is about.
        kind: what the reason means for the request.
        word: the server's own word, where `reason` is another.
    """

    reason: str
    choice: int = 0
    kind: FinishKind = "success"
    word: str = ""


class ServerTimings(Struct, frozen=True, gc=False):
    """The server's own account of its work, in seconds, where it gives one."""

    prompt: float | None = None
    generation: float | None = None
    prompt_tokens: int | None = None
    generated_tokens: int | None = None
    total: float | None = None


class ServerError(Struct, frozen=True, gc=False):
    """An error told inside the response body."""

    type: str
    message: str


class Ping(Struct, frozen=True, gc=False):
    """A comment or keep-alive: liveness, never a token."""


class Unknown(Struct, frozen=True, gc=False):
    """An event of a type this dialect does not know: counted, otherwise ignored."""

    type: str


class Malformed(Struct, frozen=True, gc=False):
    """Bytes that break the dialect's own rules; decoding stops here."""

    detail: str


class Document(Struct, frozen=True, gc=False):
    """The body is one document, not a stream: its events all arrived with its last byte."""


class Noted(Struct, frozen=True, gc=False):
    """A peculiarity of the body that the record is flagged with."""

    flag: str


class Unframed(Struct, frozen=True, gc=False):
    """Text that the server wrote outside of the dialect's framing."""

    text: str


class BadText(Struct, frozen=True, gc=False):
    """Bytes that are not UTF-8 were replaced by U+FFFD in the event that follows."""

    count: int


class Unterminated(Struct, frozen=True, gc=False):
    """The last event lacked its terminator; it was read all the same."""


class Done(Struct, frozen=True, gc=False):
    """The dialect's own end-of-stream marker."""


StreamEvent = (
    Delta
    | Deltas
    | Opening
    | ReasoningWithheld
    | Vectors
    | Identity
    | Usage
    | Billing
    | Finish
    | ServerTimings
    | ServerError
    | Ping
    | Unknown
    | Malformed
    | Document
    | Noted
    | Unframed
    | BadText
    | Unterminated
    | Done
)
