"""One attempt, interpreted: marks, tokens, outcome. Every number in a report is a fold over these."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from llm_latency_lens.model.recording import ConnectionFacts, Marks

UNKNOWN_FINISH = "unknown_finish_reason"
"""Flag of a record: what the server's reason for ending the answer means is not known."""


class OutcomeKind(StrEnum):
    """The closed set of outcomes; `planned` is their sum. Only OK enters speed metrics."""

    NOT_SENT = "not_sent"
    OK = "ok"
    FILTERED = "filtered"
    ERROR_CONNECT = "error_connect"
    ERROR_HTTP = "error_http"
    ERROR_IN_STREAM = "error_in_stream"
    PROTOCOL_ERROR = "protocol_error"
    TRUNCATED = "truncated"
    STALLED = "stalled"
    CANCELLED = "cancelled"


class Outcome(Struct, frozen=True):
    """How the attempt ended: kind, a finer cause within it, the HTTP status, the words for a person.

    `cause` examples: `refused`, `certificate`, `auth`, `rate_limited`, `bad_request`, `server`,
    `no_tokens`, `idle_timeout`, `worker_lost`. `detail` holds the peer's words, shortened.
    """

    kind: OutcomeKind
    cause: str = ""
    status: int | None = None
    detail: str = ""


class TokenCounts(Struct, frozen=True, kw_only=True):
    """Token counts of one attempt; None is unknown, never 0.

    Attributes:
        input: input tokens, cached and newly cached ones included.
        output: all generated tokens, hidden reasoning included.
        reasoning: output tokens of reasoning, streamed or not.
        cached: input tokens served from the provider's prompt cache.
        cache_write: input tokens written to it.
        audio_input, audio_output: tokens of audio among the input and the output.
        billed_input: input tokens that are billed, where the server counts more than it bills.
        final: whether these are the server's last counts of the whole answer, and believable: a
            bill can be expected to say the same.
        source: who counted `output`: usage, usage_minus_hidden (usage, and reasoning was hidden),
            tokenizer, estimate or chunks (counted stream events).
        events: token events of the stream.
        hidden: output tokens that did not stream; None where that is unknown.
        first: tokens that came with the first read that carried tokens.
        rest: the fewest and the most tokens that can have streamed after that read; None where
            `output - hidden - first` is exact.
        streamed: the fewest and the most tokens that can have streamed; None where
            `output - hidden` is exact.
        after: output tokens that were counted after the last token event.
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
    source: str = "none"
    events: int = 0
    hidden: int | None = 0
    first: float = 1.0
    rest: tuple[float, float] | None = None
    streamed: tuple[float, float] | None = None
    after: int = 0


class Charge(Struct, frozen=True, kw_only=True):
    """What one request cost, in US dollars, and its parts. `estimated`: counts or rates are.

    `model`: the answer names this other model, and its price is used.
    """

    total: Decimal
    input: Decimal
    cached: Decimal
    cache_write: Decimal
    output: Decimal
    reasoning: Decimal
    audio: Decimal = Decimal(0)
    request: Decimal = Decimal(0)
    estimated: bool = False
    model: str | None = None


class RateLimit(Struct, frozen=True, kw_only=True):
    """What the server says of its limits: counts, and seconds until they are whole again."""

    requests_limit: int | None = None
    requests_remaining: int | None = None
    requests_reset: float | None = None
    tokens_limit: int | None = None
    tokens_remaining: int | None = None
    tokens_reset: float | None = None


class Widths(Struct, frozen=True, kw_only=True):
    """How far back an instant of the record may lie before its stamp, in ns; 0 is exact.

    Attributes:
        sent: from `marks.sent` to the end of the call that took the whole request; it left between.
        first_byte, first_event, first_token, first_visible, last_token: from the earliest instant at
            which the event's bytes can have arrived to the stamp of its read.
    """

    sent: int = 0
    first_byte: int = 0
    first_event: int = 0
    first_token: int = 0
    first_visible: int = 0
    last_token: int = 0


class Record(Struct, frozen=True, kw_only=True):
    """One attempt: instants in monotonic ns of the measuring process, as taken or None.

    Attributes:
        arm: the number of the target among the run's.
        retry: attempts at the same request before this one.
        superseded: whether another attempt came after it.
        streamed: whether the answer was asked for, or came, as a stream; else there is no instant of
            a token, and `first_token` and `last_token` are those of the whole document.
        arrivals: instants, in ns after `marks.sent`, of the network reads that carried tokens.
        arrival_events: how many token events each of them carried.
        arrival_widths: by how much a token event of each may have arrived before its stamp, in ns;
            () where every one is exact.
        widths: the same of single marks.
        characters: characters of all generated output.
        asked_tokens: the fewest and the most output tokens that were asked for.
        stamps: whose clock stamped the reads: kernel, user, packet, or mixed where some have no
            kernel stamp.
        late: the largest user-minus-kernel delay seen, in ns.
        service_tier: the service tier that the server says it used, in lower case.
        charged: what the server says that it charged, in US dollars.
        response_id: the answer's own id, else the one in a header.
        server_prompt, server_generation, server_total: the server's own account, in seconds.
        server_until_response: the same by a header of a stream: it was written before the first token.
        retry_after: seconds that the server asks to wait.
        via: the intermediary that a response header names, with the header: "nginx (server header)".
    """

    number: int
    phase: str
    worker: int
    target: str
    arm: int = 0
    intended: int
    dequeued: int
    retry: int = 0
    superseded: bool = False
    streamed: bool = True
    marks: Marks
    outcome: Outcome
    first_byte: int | None = None
    first_event: int | None = None
    first_token: int | None = None
    first_visible: int | None = None
    last_token: int | None = None
    first_kind: str | None = None
    arrivals: tuple[int, ...] = ()
    arrival_events: tuple[int, ...] = ()
    arrival_widths: tuple[int, ...] = ()
    widths: Widths = Widths()
    characters: int = 0
    asked_tokens: tuple[int, int | None] = (0, None)
    stamps: str = "none"
    late: int | None = None
    tokens: TokenCounts = TokenCounts()
    cost: Charge | None = None
    service_tier: str | None = None
    charged: Decimal | None = None
    finish_reason: str | None = None
    model: str | None = None
    fingerprint: str | None = None
    response_id: str | None = None
    server_prompt: float | None = None
    server_generation: float | None = None
    server_total: float | None = None
    server_until_response: float | None = None
    retry_after: float | None = None
    rate_limit: RateLimit | None = None
    via: str | None = None
    connection: ConnectionFacts | None = None
    request_bytes: int = 0
    body_bytes: int = 0
    pings: int = 0
    flags: tuple[str, ...] = ()
