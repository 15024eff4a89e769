"""What one request cost, by kind of token. A count or a rate that is unknown makes the charge unknown.

Input and output must be counted. Most providers leave out the counts of cached, written and
reasoning tokens where there are none, so tokens that nobody counts apart cost what the rest of them
do. Counts that contradict each other never earn money.
"""

from decimal import Decimal

import msgspec
from msgspec import Struct

from llm_latency_lens.cost.price import PER, Price, Rates
from llm_latency_lens.model.record import Charge, TokenCounts

_COUNTED = frozenset({"usage", "usage_minus_hidden"})
"""Sources of a count that the provider will bill by; any other makes the charge an estimate."""
_NOTHING = Decimal(0)
_CHARACTERS_A_TOKEN = 4
_MOST_CHARACTERS = 32
"""A prompt with more characters a token has more tokens than were counted."""


class Lengths(Struct, frozen=True):
    """Characters of what was asked (0: unknown), and of what was answered."""

    asked: int
    answered: int


def charge(tokens: TokenCounts, price: Price, service: str | None = None) -> Charge | None:
    """The charge for these tokens; None where a count or a rate that matters is unknown.

    `service` is the service tier that answered. A charge is an estimate where the counts are, or
    where the tier's rates are not known and the standard ones are used.
    """
    if tokens.input is None or tokens.output is None:
        return None
    tier = service or ""
    amounts = _amounts(tokens, price.rates_for(tokens.input, tier))
    if amounts is None:
        return None
    is_known = tokens.source in _COUNTED and tokens.final and price.has_service(tier)
    total = sum(amounts.values(), _NOTHING)
    return Charge(total=total, estimated=not is_known, model=None, **amounts)


def charge_or_estimate(
    tokens: TokenCounts, price: Price, lengths: Lengths, service: str | None = None
) -> Charge | None:
    """The charge for these tokens, or an estimate where they are not the final counts.

    None where nothing has answered, the prompt's length is unknown, or a rate that matters is.
    """
    counted = (tokens.input if tokens.billed_input is None else tokens.billed_input) or 0
    if lengths.asked > _MOST_CHARACTERS * counted:
        counted = _tokens(lengths.asked)
        tokens = msgspec.structs.replace(tokens, billed_input=None, final=False)
    found = charge(tokens, price, service)
    if tokens.final or not tokens.events or not counted:
        return found
    least = max(tokens.output or 0, tokens.events)
    guessed = msgspec.structs.replace(
        tokens,
        input=counted,
        output=max(least, _tokens(lengths.answered)),
        source="estimate",
    )
    return charge(guessed, price, service) or found


def _tokens(characters: int) -> int:
    return -(-characters // _CHARACTERS_A_TOKEN)


def _amounts(tokens: TokenCounts, rates: Rates) -> dict[str, Decimal] | None:
    """Dollars for each kind of token; what is counted under two kinds is charged once.

    None where a rate that matters is unknown.
    """
    asked = (tokens.input if tokens.billed_input is None else tokens.billed_input) or 0
    answered = tokens.output or 0
    cached = min(tokens.cached or 0, asked)
    written = min(tokens.cache_write or 0, asked - cached)
    spoken = min(tokens.audio_output or 0, answered)
    reasoning = min(tokens.reasoning or 0, answered - spoken)
    # Cached audio is among the cached tokens already.
    heard = min(tokens.audio_input or 0, asked - cached - written)
    kinds = (
        ("input", asked - cached - written - heard, rates.input),
        ("cached", cached, rates.input if rates.cached is None else rates.cached),
        ("cache_write", written, rates.input if rates.cache_write is None else rates.cache_write),
        ("output", answered - reasoning - spoken, rates.output),
        ("reasoning", reasoning, rates.output if rates.reasoning is None else rates.reasoning),
        ("audio_input", heard, rates.audio_input),
        ("audio_output", spoken, rates.audio_output),
    )
    amounts = {"request": rates.request}
    for name, count, rate in kinds:
        if count > 0 and rate is None:
            return None
        amounts[name] = _NOTHING if count <= 0 or rate is None else rate * count / PER
    amounts["audio"] = amounts.pop("audio_input") + amounts.pop("audio_output")
    return amounts
