"""The most that a request can cost, known before it is sent: what a cap reserves.

Every tokenizer in use makes at most one token of a byte, and puts a few around each message; so the
request's own bytes bound its input. Output is bounded by the limit that was asked for, which includes
reasoning; a server that ignores the limit is outside this bound, and is told of.
"""

from decimal import Decimal

from llm_latency_lens.cost.price import PER, Price, Rates
from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import Request

_AROUND_A_MESSAGE = 16


def input_bound(request: Request) -> int:
    """No request with this text and these tools has more input tokens.

    Raises:
        UsageError: images, whose tokens no rule bounds.
    """
    if any(message.images for message in request.messages):
        raise UsageError("what an image costs can't be bounded beforehand; leave --max-cost out")
    texts = [message.content for message in request.messages]
    tools = [f"{tool.name}{tool.description}{tool.parameters}" for tool in request.tools]
    size = sum(len(text.encode()) for text in (*texts, *tools, str(request.extra or "")))
    return size + _AROUND_A_MESSAGE * (len(texts) + len(tools) + 1)


def worst_case(request: Request, price: Price, *, generates: bool = True) -> Decimal:
    """The most that the request can cost, in dollars; `generates`: it may have output.

    Raises:
        UsageError: nothing limits its output, or a rate that matters is unknown.
    """
    if generates and request.max_tokens is None:
        raise UsageError("a cap needs to know the most a request can cost: give --max-tokens")
    tokens = input_bound(request)
    return max(
        _most(rates, tokens, request.max_tokens or 0 if generates else 0)
        for rates in (price.rates, *(tier.rates for tier in price.tiers if tokens > tier.above))
    )


def _most(rates: Rates, tokens: int, output: int) -> Decimal:
    inputs = [rate for rate in (rates.input, rates.cached, rates.cache_write) if rate is not None]
    outputs = [rate for rate in (rates.output, rates.reasoning) if rate is not None]
    if not inputs or (output and not outputs):
        raise UsageError(
            "the model's price is known in part only; give it whole with --prices FILE"
        )
    return (
        max(inputs) * tokens / PER + max(outputs, default=Decimal(0)) * output / PER + rates.request
    )
