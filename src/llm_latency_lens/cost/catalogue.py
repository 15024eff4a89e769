"""Prices from genai-prices' embedded data: no network, and nothing loaded until a price is asked for."""

import functools
import importlib.metadata
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from llm_latency_lens.cost.price import STANDARD, Price, Rates, ServiceRates, Tier

_IDS = {"gemini": "google", "vertex": "google", "bedrock": "aws"}
"""Providers that the catalogue calls otherwise than we do."""
_KINDS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "reasoning": "output_reasoning_mtok",
    "audio_input": "input_audio_mtok",
    "audio_output": "output_audio_mtok",
}
_SERVICES = ("service_tier", "speed")
"""Conditions of the catalogue that the answer itself tells."""
_REQUESTS = "requests_kcount"


def catalogue_price(provider: str, model: str, at: date) -> Price | None:
    """The catalogue's price of a model on a day (UTC), at the dearest hour; None where it knows none.

    `as_of` is the newest date, up to that day, on which any price of the catalogue begins.
    """
    snapshot, source, starts_known = _catalogue()
    try:
        _, found = snapshot.find_provider_model(model, None, _IDS.get(provider, provider), None)
    except LookupError:
        return None
    listed, hours_differ = _dearest(found, at, {})
    rates, tiers = _rates_and_tiers(listed)
    return Price(
        rates=rates,
        tiers=tiers,
        services=tuple(_services(found, at)),
        source=source,
        as_of=max((begin for begin in starts_known if begin <= at), default=at).isoformat(),
        notes=tuple(_notes(found, model, hours_differ=hours_differ)),
    )


def _services(found: Any, at: date) -> Iterator[ServiceRates]:  # noqa: ANN401 - the library's type
    """The rates of service tiers other than the standard one."""
    named = {
        value: key
        for variant in found.price_variants or ()
        for key, value in variant.when.items()
        if len(variant.when) == 1 and key in _SERVICES and value not in STANDARD
    }
    for service, key in named.items():
        rates, tiers = _rates_and_tiers(_dearest(found, at, {key: service})[0])
        yield ServiceRates(service=service, rates=rates, tiers=tiers)


def _rates_and_tiers(
    listed: Any,  # noqa: ANN401 - the library's type
) -> tuple[Rates, tuple[Tier, ...]]:
    starts = sorted({tier.start for value in _values(listed) for tier in _tiers(value)})
    rates = _rates(listed, lambda value: value.base if _tiers(value) else value)
    return rates, tuple(
        Tier(start, _rates(listed, functools.partial(_above, start))) for start in starts
    )


@functools.cache
def _catalogue() -> tuple[Any, str, tuple[date, ...]]:
    """The embedded data, its version, and the dates on which prices in it begin."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - takes most of a second

    snapshot = get_snapshot()
    models = (model for provider in snapshot.providers for model in provider.models)
    starts = {begin for model in models for begin in _starts(model)}
    version = importlib.metadata.version("genai-prices")
    return snapshot, f"genai-prices {version}", tuple(sorted(starts))


def _starts(model: Any) -> list[date]:  # noqa: ANN401 - the library's type
    listed = model.prices if isinstance(model.prices, list) else []
    conditions = [
        getattr(entry, "constraint", None) for entry in (*listed, *(model.price_variants or ()))
    ]
    return [begin for c in conditions if (begin := getattr(c, "start_date", None)) is not None]


def _tiers(value: Any) -> list[Any]:  # noqa: ANN401 - a Decimal, or tiers of them
    return getattr(value, "tiers", [])


def _values(listed: Any) -> list[Any]:  # noqa: ANN401 - the library's type
    found = (getattr(listed, key, None) for key in _KINDS.values())
    return [value for value in found if value is not None]


def _above(start: int, value: Any) -> Decimal:  # noqa: ANN401 - a Decimal, or tiers of them
    rate: Decimal = getattr(value, "base", value)
    for tier in _tiers(value):
        if tier.start <= start:
            rate = tier.price
    return rate


def _rates(listed: Any, pick: Callable[[Any], Decimal]) -> Rates:  # noqa: ANN401 - the library's type
    found = {name: getattr(listed, key, None) for name, key in _KINDS.items()}
    per_thousand = getattr(listed, _REQUESTS, None)
    return Rates(
        **{name: pick(value) for name, value in found.items() if value is not None},
        request=pick(per_thousand) / 1000 if per_thousand is not None else Decimal(0),
    )


def _dearest(
    found: Any,  # noqa: ANN401 - the library's types
    at: date,
    context: dict[str, str],
) -> tuple[Any, bool]:
    """The prices at the day's dearest hour, and whether there are cheaper ones.

    A cap that was reserved at a cheaper hour's price would not hold.
    """
    quarters = [time(hour, minute) for hour in range(24) for minute in range(0, 60, 15)]
    instants = quarters if isinstance(found.prices, list) else quarters[:1]
    listed = [found.get_prices(datetime.combine(at, instant, UTC), context) for instant in instants]
    dearest = max(listed, key=_sum)
    return dearest, any(other != dearest for other in listed)


def _sum(listed: Any) -> Decimal:  # noqa: ANN401 - the library's type
    rates = (getattr(value, "base", value) for value in _values(listed))
    return sum(rates, Decimal(0))


def _notes(found: Any, model: str, *, hours_differ: bool) -> Iterator[str]:  # noqa: ANN401 - the library's type
    """What could make the bill another one than these rates say."""
    variants = sorted(
        {
            f"{key}={value}"
            for variant in found.price_variants or ()
            for key, value in variant.when.items()
            if value != "default"
        }
    )
    if found.id != model:
        yield f"listed as {found.id}"
    if variants:
        yield f"other prices hold for {', '.join(variants)}"
    if hours_differ:
        yield "the price depends on the time of day; this is that of the dearest hour (UTC)"
