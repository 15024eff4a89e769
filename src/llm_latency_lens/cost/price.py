"""A model's price: dollars per million tokens of each kind, by service tier and length of input."""

from decimal import Decimal

from msgspec import Struct

PER = 1_000_000


class Rates(Struct, frozen=True, kw_only=True):
    """US dollars per million tokens.

    Cached input without a rate of its own costs what input does, cache writes likewise, reasoning
    what output does. Audio without a rate of its own has no known price. `request` is dollars for
    each request.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None
    request: Decimal = Decimal(0)


class Tier(Struct, frozen=True):
    """Rates of all tokens of a request whose input has more than `above` tokens."""

    above: int
    rates: Rates


STANDARD = frozenset({"", "default", "standard", "auto", "standard_only", "on_demand"})
"""What providers call the service tier that their list prices are for."""


class ServiceRates(Struct, frozen=True, kw_only=True):
    """The rates of a service tier other than the standard one, such as flex or priority."""

    service: str
    rates: Rates
    tiers: tuple[Tier, ...] = ()


class Price(Struct, frozen=True, kw_only=True):
    """What one model costs.

    Attributes:
        rates: of the standard service tier.
        tiers: other rates of longer inputs, in ascending order.
        services: the rates of other service tiers.
        source: who says so.
        as_of: of which date.
        notes: what else could change the bill.
    """

    rates: Rates
    tiers: tuple[Tier, ...] = ()
    services: tuple[ServiceRates, ...] = ()
    source: str
    as_of: str | None = None
    notes: tuple[str, ...] = ()

    def has_service(self, service: str) -> bool:
        """Whether the rates of this service tier are known."""
        return service in STANDARD or any(one.service == service for one in self.services)

    def rates_for(self, input_tokens: int, service: str = "") -> Rates:
        """The rates of a request with so many input tokens; the standard ones for other tiers."""
        named = (one for one in self.services if one.service == service)
        of_service = next(named, None) if service not in STANDARD else None
        whole = of_service or self
        found = whole.rates
        for tier in whole.tiers:
            if input_tokens > tier.above:
                found = tier.rates
        return found
