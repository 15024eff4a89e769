"""Where prices are looked up: the user's own file first, the catalogue after it."""

import pathlib
from collections.abc import Collection
from datetime import date

from msgspec import Struct

from llm_latency_lens.cost.catalogue import catalogue_price
from llm_latency_lens.cost.price import Price
from llm_latency_lens.cost.price_file import PriceEntry, own_price, read_price_file
from llm_latency_lens.errors import UsageError


class PriceBook(Struct, frozen=True):
    """Prices on a day; `entries` are the user's own."""

    at: date
    entries: tuple[PriceEntry, ...] = ()

    def price_of(self, provider: str, model: str, price_as: str | None) -> Price | None:
        """The price of a model.

        The user's own prices hold wherever the model is; the catalogue's for `price_as`, which is None
        away from the provider's own address. None where neither knows one.
        """
        own = own_price(self.entries, provider, model, self.at)
        if own is not None or price_as is None:
            return own
        return catalogue_price(price_as, model, self.at)


def price_named(book: PriceBook, name: str) -> Price:
    """The price of `provider:model`, wherever that is reached.

    Raises:
        UsageError: it is not such a name, or no price is known for it.
    """
    provider, colon, model = name.partition(":")
    if not colon or not provider or not model:
        raise UsageError(f"--price-as {name!r}: write provider:model, such as openai:gpt-4o")
    found = book.price_of(provider, model, provider)
    if found is None:
        raise UsageError(
            f"--price-as {name}: no price is known for it; give one with --prices FILE"
        )
    return found


def open_price_book(at: date, path: str | None, providers: Collection[str]) -> PriceBook:
    """The book of a day, with the user's price file where there is one; `providers`: which names there are.

    Raises:
        ConfigError: the file is wrong.
    """
    return PriceBook(at, read_price_file(pathlib.Path(path), providers) if path else ())
