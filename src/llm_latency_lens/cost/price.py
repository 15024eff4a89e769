"""A model's price: dollars per million tokens of each kind, by the length of the input."""

from decimal import Decimal

from msgspec import Struct

PER = 1_000_000


class Rates(Struct, frozen=True, kw_only=True):
    """US dollars per million tokens.

    Cached input without a rate of its own costs what input does, cache writes likewise, reasoning what
    output does. `request` is dollars for each request.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    request: Decimal = Decimal(0)


class Tier(Struct, frozen=True):
    """Rates of all tokens of a request whose input has more than `above` tokens."""

    above: int
    rates: Rates


class Price(Struct, frozen=True, kw_only=True):
    """What one model costs. `source` says who says so, `as_of` of which date, `notes` what else there is.

    `tiers` ascend by their input length.
    """

    rates: Rates
    tiers: tuple[Tier, ...] = ()
    source: str
    as_of: str | None = None
    notes: tuple[str, ...] = ()

    def rates_for(self, input_tokens: int) -> Rates:
        """The rates of a request with so many input tokens."""
        found = self.rates
        for tier in self.tiers:
            if input_tokens > tier.above:
                found = tier.rates
        return found
