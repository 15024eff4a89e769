"""What one attempt cost, by its counts; where they are missing, by the length of what was said."""

import functools
from collections.abc import Callable

import msgspec
from msgspec import Struct

from llm_latency_lens.cost.book import PriceBook
from llm_latency_lens.cost.charge import Lengths, charge_or_estimate
from llm_latency_lens.cost.price import Price
from llm_latency_lens.interpret.reading import Reading
from llm_latency_lens.model.record import Charge, TokenCounts
from llm_latency_lens.model.recording import Attempt
from llm_latency_lens.model.request import Target

_REMEMBERED = 64

PriceOf = Callable[[str], Price | None]
"""The price of a model by the name that an answer gives it."""


class Prices(Struct, frozen=True):
    """The price of the model that was asked for, and of those that answers may name."""

    asked: Price | None
    named: PriceOf | None = None


def charge_of(
    attempt: Attempt, prices: Prices, reading: Reading, tokens: TokenCounts
) -> Charge | None:
    """The charge of an attempt; None where nothing has answered, or a rate is unknown."""
    price, model = _price(prices, reading.identity.model)
    if price is None:
        return None
    lengths = Lengths(attempt.prompt_characters, sum(reading.tally.characters.values()))
    found = charge_or_estimate(tokens, price, lengths, reading.billing.tier)
    if found is None or model is None:
        return found
    # A deployment or a gateway may have a tariff of its own.
    is_estimate = found.estimated or prices.asked is None
    return msgspec.structs.replace(found, model=model, estimated=is_estimate)


def named_prices(book: PriceBook, target: Target) -> PriceOf:
    """The prices of models by the names that answers give them, wherever they come from."""

    def price_of(name: str) -> Price | None:
        return book.price_of(target.provider, name, target.catalogue)

    return functools.lru_cache(maxsize=_REMEMBERED)(price_of)


def _price(prices: Prices, answered: str | None) -> tuple[Price | None, str | None]:
    """The price, and the name of the model that answered where it is the price of that one."""
    if prices.named is None or not answered:
        return prices.asked, None
    other = prices.named(answered)
    if other is None or (prices.asked is not None and _is_same(other, prices.asked)):
        return prices.asked, None
    return other, answered


def _is_same(one: Price, other: Price) -> bool:
    return (one.rates, one.tiers, one.services) == (other.rates, other.tiers, other.services)
