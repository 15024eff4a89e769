"""Where prices are looked up: the user's own file first, the catalogue after it."""

import pathlib
from collections.abc import Collection
from datetime import date

from msgspec import Struct

from llm_latency_lens.cost.catalogue import catalogue_price
from llm_latency_lens.cost.price import Price
from llm_latency_lens.cost.price_file import PriceEntry, own_price, read_price_file


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


def open_price_book(at: date, path: str | None, providers: Collection[str]) -> PriceBook:
    """The book of a day, with the user's price file where there is one; `providers`: which names there are.

    Raises:
        ConfigError: the file is wrong.
    """
    return PriceBook(at, read_price_file(pathlib.Path(path), providers) if path else ())
