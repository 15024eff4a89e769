"""A user's own prices, in TOML; the latest entry in force that matches wins over the catalogue.

[[price]]
provider = "openai"          # as in provider:model
model = "gpt-4o*"            # * and ? are wildcards
from = "2026-01-01"          # in force from then on (optional), until = ... before then (optional)
input = "$2.50"              # per million tokens
output = "$10"
cached = "$1.25"             # optional, as are cache_write, reasoning, audio_input, audio_output
                             # and request (dollars for each request)

[[price.above]]              # optional: other rates of all tokens where the input is longer
tokens = 200000
input = "$5"
output = "$15"

A further entry with `service_tier = "flex"` has the prices of that service tier. What is free costs
"$0"; what is left out is unknown.
"""

import pathlib
import tomllib
from collections.abc import Collection
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

import msgspec
from msgspec import Struct

from llm_latency_lens.cost.place import Place, places
from llm_latency_lens.cost.price import STANDARD, Price, Rates, ServiceRates, Tier
from llm_latency_lens.errors import ConfigError, UsageError, did_you_mean
from llm_latency_lens.units import parse_money

_RATES = (
    *("input", "output", "cached", "cache_write", "reasoning"),
    *("audio_input", "audio_output", "request"),
)
_KEYS = ("provider", "model", "service_tier", "from", "until", *_RATES, "above")
_TIER_KEYS = ("tokens", *_RATES)


class PriceEntry(Struct, frozen=True, kw_only=True):
    """One entry: which models and service tier it is for, when it is in force, and the price."""

    provider: str
    model: str
    service: str
    begins: date | None
    ends: date | None
    price: Price

    def holds(self, provider: str, model: str, at: date) -> bool:
        """Whether it is for this model on that day."""
        return (
            self.provider == provider
            and fnmatchcase(model, self.model)
            and (self.begins is None or self.begins <= at)
            and (self.ends is None or at < self.ends)
        )


def read_price_file(path: pathlib.Path, providers: Collection[str]) -> tuple[PriceEntry, ...]:
    """The entries of a price file, which may name these providers.

    Raises:
        ConfigError: it can't be read, or says something wrong: on which line, what, and what is meant.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"can't read price file {str(path)!r}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    place = places(str(path), text)
    _check_keys(place, document, ("price",))
    entries = _tables(place, document, "price")
    if not entries:
        raise place.wrong("no prices in it; write [[price]] entries")
    for inner, entry in entries:
        _check_known(inner, "provider", entry.get("provider"), providers)
    return tuple(_entry(inner, entry, path.name) for inner, entry in entries)


def own_price(entries: tuple[PriceEntry, ...], provider: str, model: str, at: date) -> Price | None:
    """The price of a model on a day: the entry that came into force last, of equals the later one."""
    found = [entry for entry in entries if entry.holds(provider, model, at)]
    # The last of each tier wins; the sort keeps the order of equals.
    in_force = {entry.service: entry.price for entry in sorted(found, key=_beginning)}
    standard = in_force.pop("", None)
    if standard is None:
        return None
    services = tuple(
        ServiceRates(service=name, rates=price.rates, tiers=price.tiers)
        for name, price in in_force.items()
    )
    return msgspec.structs.replace(standard, services=services)


def _beginning(entry: PriceEntry) -> date:
    return entry.begins or date.min


def _tables(place: Place, table: dict[str, Any], key: str) -> list[tuple[Place, dict[str, Any]]]:
    """The tables under `key`, each with its place."""
    listed = table.get(key, [])
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        name = ".".join(str(k) for k in (*place.keys, key) if isinstance(k, str))
        raise place.wrong(f"{key} must be written as [[{name}]] tables", key)
    return [(place.inside(key, number), item) for number, item in enumerate(listed, 1)]


def _entry(place: Place, entry: dict[str, Any], source: str) -> PriceEntry:
    _check_keys(place, entry, _KEYS)
    for key in ("provider", "model"):
        if not isinstance(entry.get(key), str) or not entry[key]:
            raise place.wrong(f'needs {key} = "..."', key)
    begins, ends = _day(place, entry, "from"), _day(place, entry, "until")
    if begins and ends and begins >= ends:
        raise place.wrong("from must be before until", "until")
    rates = _rates(place, entry)
    if rates.input is None:
        raise place.wrong(
            'needs input and output, such as "$2.50" per million tokens (output only where there is some)'
        )
    return PriceEntry(
        provider=entry["provider"],
        model=entry["model"],
        service=_service(place, entry),
        begins=begins,
        ends=ends,
        price=Price(
            rates=rates,
            tiers=_tiers(place, entry, rates),
            source=source,
            as_of=begins.isoformat() if begins else None,
        ),
    )


def _service(place: Place, entry: dict[str, Any]) -> str:
    name = entry.get("service_tier", "")
    if not isinstance(name, str):
        raise place.wrong('service_tier must be a name in quotes, such as "flex"', "service_tier")
    return "" if name.lower() in STANDARD else name.lower()


def _tiers(place: Place, entry: dict[str, Any], base: Rates) -> tuple[Tier, ...]:
    tiers: dict[int, Tier] = {}
    for inner, tier in _tables(place, entry, "above"):
        _check_keys(inner, tier, _TIER_KEYS)
        tokens = tier.get("tokens")
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
            raise inner.wrong("needs tokens = a number of input tokens", "tokens")
        if tokens in tiers:
            raise inner.wrong(f"there are other rates above {tokens:,} tokens already", "tokens")
        rates = _rates(inner, tier)
        for key in ("input", "output"):
            if getattr(rates, key) is None and getattr(base, key) is not None:
                raise inner.wrong(f"needs {key} too: a tier has all of its rates")
        tiers[tokens] = Tier(tokens, rates)
    return tuple(tiers[tokens] for tokens in sorted(tiers))


def _rates(place: Place, table: dict[str, Any]) -> Rates:
    found: dict[str, Decimal] = {}
    for key in _RATES:
        if key not in table:
            continue
        if not isinstance(table[key], str):
            raise place.wrong(f'{key} must be money in quotes, such as "$2.50"', key)
        try:
            found[key] = parse_money(table[key])
        except UsageError as error:
            raise place.wrong(f"{key}: {error}", key) from None
    return Rates(**found)


def _day(place: Place, entry: dict[str, Any], key: str) -> date | None:
    value = entry.get(key)
    if value is None or type(value) is date:
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise place.wrong(f'{key} must be a date, such as "2026-01-31"', key) from None


def _check_keys(place: Place, table: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise place.wrong(f"unknown key {key!r}; {did_you_mean(key, known)}", key)


def _check_known(place: Place, key: str, value: object, known: Collection[str]) -> None:
    if isinstance(value, str) and value and value not in known:
        raise place.wrong(f"unknown {key} {value!r}; {did_you_mean(value, known)}", key)
