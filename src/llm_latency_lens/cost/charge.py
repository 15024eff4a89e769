"""What one request cost, by kind of token. A count or a rate that is unknown makes the charge unknown.

Input and output must be counted. Most providers leave out the counts of cached, written and reasoning
tokens where there are none, so tokens that nobody counts apart cost what the rest of them do.
"""

from decimal import Decimal

from llm_latency_lens.cost.price import PER, Price
from llm_latency_lens.model.record import Charge, TokenCounts

_COUNTED = frozenset({"usage", "usage_minus_hidden"})
"""Sources of a count that the provider will bill by; any other makes the charge an estimate."""


def charge(tokens: TokenCounts, price: Price) -> Charge | None:
    """The charge for these tokens; None where a count or a rate that matters is unknown."""
    if tokens.input is None or tokens.output is None:
        return None
    rates = price.rates_for(tokens.input)
    cached, written = tokens.cached or 0, tokens.cache_write or 0
    reasoning = tokens.reasoning or 0
    parts = (
        _cost(tokens.input - cached - written, rates.input),
        _cost(cached, rates.cached if rates.cached is not None else rates.input),
        _cost(written, rates.cache_write if rates.cache_write is not None else rates.input),
        _cost(tokens.output - reasoning, rates.output),
        _cost(reasoning, rates.reasoning if rates.reasoning is not None else rates.output),
    )
    if any(part is None for part in parts):
        return None
    known = tuple(part for part in parts if part is not None)
    return Charge(
        total=sum(known, rates.request),
        request=rates.request,
        input=known[0],
        cached=known[1],
        cache_write=known[2],
        output=known[3],
        reasoning=known[4],
        estimated=tokens.source not in _COUNTED,
    )


def _cost(tokens: int, rate: Decimal | None) -> Decimal | None:
    """Dollars for so many tokens; counts that contradict each other never earn money."""
    if tokens <= 0:
        return Decimal(0)
    return None if rate is None else rate * tokens / PER
