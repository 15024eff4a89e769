"""A user's own prices, in TOML; the latest entry in force that matches wins over the catalogue.

[[price]]
provider = "openai"          # as in provider:model
model = "gpt-4o*"            # * and ? are wildcards
from = "2026-01-01"          # in force from then on (optional), until = ... before then (optional)
input = "$2.50"              # per million tokens
output = "$10"
cached = "$1.25"             # optional, as are cache_write, reasoning and request (per request)

[[price.above]]              # optional: other rates where the input is longer
tokens = 200000
input = "$5"
output = "$15"
"""

import difflib
import pathlib
import tomllib
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from llm_latency_lens.cost.price import Price, Rates, Tier
from llm_latency_lens.errors import ConfigError, UsageError
from llm_latency_lens.units import parse_money

_RATES = ("input", "output", "cached", "cache_write", "reasoning", "request")
_KEYS = ("provider", "model", "from", "until", *_RATES, "above")
_TIER_KEYS = ("tokens", *_RATES)


class PriceEntry(Struct, frozen=True, kw_only=True):
    """One entry: which models it is for, when it is in force, and the price."""

    provider: str
    model: str
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


def read_price_file(path: pathlib.Path) -> tuple[PriceEntry, ...]:
    """The entries of a price file.

    Raises:
        ConfigError: it can't be read, or says something wrong: which entry, what, and what is meant.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"can't read price file {str(path)!r}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    listed = document.get("price")
    _check_keys(f"{path}", document, ("price",))
    if not isinstance(listed, list) or not listed:
        raise ConfigError(f"{path}: no prices in it; write [[price]] entries")
    return tuple(
        _entry(f"{path}: [[price]] number {n}", entry, path) for n, entry in enumerate(listed, 1)
    )


def own_price(entries: tuple[PriceEntry, ...], provider: str, model: str, at: date) -> Price | None:
    """The price of a model on a day: the entry that came into force last, of equals the later one."""
    found = [entry for entry in entries if entry.holds(provider, model, at)]
    return max(found, key=lambda entry: entry.begins or date.min).price if found else None


def _entry(where: str, entry: dict[str, Any], path: pathlib.Path) -> PriceEntry:
    _check_keys(where, entry, _KEYS)
    for key in ("provider", "model"):
        if not isinstance(entry.get(key), str) or not entry[key]:
            raise ConfigError(f'{where}: needs {key} = "..."')
    begins, ends = _day(where, entry, "from"), _day(where, entry, "until")
    if begins and ends and begins >= ends:
        raise ConfigError(f"{where}: from must be before until")
    rates = _rates(where, entry)
    if rates.input is None and rates.output is None and not rates.request:
        raise ConfigError(f'{where}: needs input and output, such as "$2.50" per million tokens')
    return PriceEntry(
        provider=entry["provider"],
        model=entry["model"],
        begins=begins,
        ends=ends,
        price=Price(
            rates=rates,
            tiers=_tiers(where, entry),
            source=path.name,
            as_of=begins.isoformat() if begins else None,
        ),
    )


def _tiers(where: str, entry: dict[str, Any]) -> tuple[Tier, ...]:
    tiers = []
    for tier in entry.get("above", ()):
        _check_keys(f"{where}: above", tier, _TIER_KEYS)
        tokens = tier.get("tokens")
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
            raise ConfigError(f"{where}: above needs tokens = a number of input tokens")
        tiers.append(Tier(tokens, _rates(f"{where}: above", tier)))
    return tuple(sorted(tiers, key=lambda tier: tier.above))


def _rates(where: str, table: dict[str, Any]) -> Rates:
    found: dict[str, Decimal] = {}
    for key in _RATES:
        if key not in table:
            continue
        if not isinstance(table[key], str):
            raise ConfigError(f'{where}: {key} must be money in quotes, such as "$2.50"')
        try:
            found[key] = parse_money(table[key])
        except UsageError as error:
            raise ConfigError(f"{where}: {key}: {error}") from None
    return Rates(**found)


def _day(where: str, entry: dict[str, Any], key: str) -> date | None:
    value = entry.get(key)
    if value is None or type(value) is date:
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ConfigError(f'{where}: {key} must be a date, such as "2026-01-31"') from None


def _check_keys(where: str, table: object, known: tuple[str, ...]) -> None:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: must be a table")
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise ConfigError(f"{where}: unknown key {key!r}; {hint}")
