"""The most that a request can cost, known before it is sent: what a cap reserves.

A tokenizer that works on bytes makes at most one token of a byte, and one that normalizes first (NFKC)
at most one of a byte of what it made. Chat templates add a few tokens to each message and some to the
request, and tools bring a prompt of the provider's own; for these there are allowances. So the
request's own text bounds its input. Output is bounded by the limit that was asked for, which includes
reasoning; a server that ignores the limit is outside this bound, and is told of.
"""

import unicodedata
from collections.abc import Iterator
from decimal import Decimal

from llm_latency_lens.cost.price import PER, Price, Rates
from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import Request

_AROUND_A_REQUEST = 128
"""Some templates write a system message, with a date, where none was asked for."""
_AROUND_A_MESSAGE = 16
_AROUND_TOOLS = 1024
"""The prompt that a provider puts before the first tool has some hundred tokens."""

_BYTES_AROUND, _BYTES_A_TOKEN, _BYTES_WITH_LOGPROBS = 1 << 16, 1 << 12, 1 << 14
"""An event of one token has some hundred bytes; providers pad some, and list likely tokens on demand."""

_UNBOUNDED: dict[str, tuple[str, ...]] = {
    "is another limit than the one that is reserved for; say it with --max-tokens": (
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens"),
        *("maxTokens", "max_new_tokens", "max_tokens_to_sample", "num_predict"),
    ),
    "asks for more than one answer": (
        *("n", "best_of", "candidateCount", "candidate_count", "num_generations", "prediction"),
    ),
    "asks for another price": (
        *("model", "models", "provider", "service_tier", "serviceTier", "speed"),
        *("inference_geo", "cache_control", "cachePoint"),
    ),
    "has the provider do what it charges for apart": (
        *("tools", "plugins", "mcp_servers", "web_search_options", "search_parameters"),
    ),
    "brings input that is not in the request": (
        *("previous_response_id", "conversation", "prompt", "cachedContent", "cached_content"),
        *("file_id", "file", "fileData", "file_data", "source", "document"),
    ),
    "is not text": (
        *("image", "image_url", "video", "inlineData", "inline_data", "audio", "input_audio"),
        *("modalities", "responseModalities"),
    ),
}
"""Why no rule here bounds what a request with such a key in its body can cost."""
_WHY = {key: why for why, keys in _UNBOUNDED.items() for key in keys}
_OPAQUE = frozenset(
    {"response_format", "format", "schema", "json_schema", "metadata"}
    | {"responseSchema", "responseJsonSchema"}
)
"""Keys whose objects have names of the user's own in them."""


def input_bound(request: Request) -> int:
    """No request with this text and these tools has more input tokens.

    Raises:
        UsageError: images, whose tokens no rule bounds.
    """
    if any(message.images for message in request.messages):
        raise UsageError("what an image costs can't be bounded beforehand; leave --max-cost out")
    texts = [message.content for message in request.messages]
    tools = [f"{tool.name}{tool.description}{tool.parameters}" for tool in request.tools]
    return (
        sum(_size(text) for text in (*texts, *tools, str(request.extra or "")))
        + _AROUND_A_MESSAGE * (len(texts) + len(tools))
        + _AROUND_A_REQUEST
        + (_AROUND_TOOLS if tools else 0)
    )


def body_bound(request: Request) -> int:
    """No answer that keeps the request's output limit has a longer body, in bytes."""
    each = _BYTES_WITH_LOGPROBS if "logprobs" in set(_keys(request.extra)) else _BYTES_A_TOKEN
    return _BYTES_AROUND + each * (request.max_tokens or 0)


def worst_case(request: Request, price: Price, *, generates: bool = True) -> Decimal:
    """The most that the request can cost, in dollars; `generates`: it may have output.

    Raises:
        UsageError: nothing limits its output, its extra body changes what it costs, or a rate that
            matters is unknown.
    """
    if generates and request.max_tokens is None:
        raise UsageError("a cap needs to know the most a request can cost: give --max-tokens")
    _check_extra(request)
    tokens = input_bound(request)
    output = request.max_tokens or 0 if generates else 0
    return max(
        _most(rates, tokens, output)
        for rates in (price.rates, *(tier.rates for tier in price.tiers if tokens > tier.above))
    )


def _size(text: str) -> int:
    if text.isascii():
        return len(text)
    # One sign may become a whole phrase: U+FDFA is 3 bytes, and 33 when normalized.
    return max(len(text.encode()), len(unicodedata.normalize("NFKC", text).encode()))


def _check_extra(request: Request) -> None:
    for key in _keys(request.extra):
        if key in _WHY:
            raise UsageError(
                f"--extra-body: {key!r} {_WHY[key]}, so no cap can be kept; leave it or --max-cost out"
            )


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in _OPAQUE:
                yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def _most(rates: Rates, tokens: int, output: int) -> Decimal:
    if rates.input is None or (output and rates.output is None):
        raise UsageError(
            "the model's price is known in part only; give it whole with --prices FILE"
        )
    inputs = (rates.input, rates.cached, rates.cache_write)
    outputs = (rates.output, rates.reasoning)
    return _dearest(inputs) * tokens / PER + _dearest(outputs) * output / PER + rates.request


def _dearest(rates: tuple[Decimal | None, ...]) -> Decimal:
    return max((rate for rate in rates if rate is not None), default=Decimal(0))
