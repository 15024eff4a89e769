"""Values as people write them on the command line: each carries its unit, a bare number is refused."""

from collections.abc import Callable
from typing import Generic, TypeVar

import click

from llm_latency_lens.errors import UsageError
from llm_latency_lens.units import parse_duration, parse_money, parse_percent, parse_rate

T = TypeVar("T")


class Quantity(click.ParamType[T], Generic[T]):
    """A click type made of one of the parsers of `units`."""

    def __init__(self, name: str, parse: Callable[[str], T]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self, value: str | T, param: click.Parameter | None, ctx: click.Context | None
    ) -> T:
        """Parse what was written; values that are parsed already pass."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


DURATION = Quantity("duration", parse_duration)
RATE = Quantity("rate", parse_rate)
PERCENT = Quantity("percentage", parse_percent)
MONEY = Quantity("money", parse_money)
