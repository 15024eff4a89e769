"""Latency models: what a request's times are drawn from. Pure and seeded by request, so order is nothing.

Written as `200ms` (constant), `uniform:150ms..250ms`, `lognormal:200ms,0.3` (median, sigma of the log),
`gamma:20ms,4` (mean, shape).
"""

import hashlib
import math
import random
from collections.abc import Callable, Iterator

from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.units import parse_duration

_EXAMPLES = "200ms, uniform:150ms..250ms, lognormal:200ms,0.3 or gamma:20ms,4"


class Latency(Struct, frozen=True):
    """A distribution of durations (ns): its kind and two parameters whose meaning the kind knows."""

    kind: str
    first: float
    second: float = 0.0

    def draw(self, rng: random.Random) -> int:
        """One duration in ns, never negative."""
        return max(round(_DRAW[self.kind](self, rng)), 0)


def generator(seed: int, purpose: str, request: int) -> random.Random:
    """The generator of one purpose in one request, whatever came before it."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{request}".encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def token_instants(first: int, itl: Latency, rng: random.Random, tokens: int) -> Iterator[int]:
    """The instant (ns) of each of `tokens` tokens, the first at `first`; drawn only as they are asked for."""
    due = first
    for left in range(tokens, 0, -1):
        yield due
        if left > 1:
            due += itl.draw(rng)


def parse_latency(text: str) -> Latency:
    """Parse a latency model.

    Raises:
        UsageError: with the forms that can be written.
    """
    kind, colon, rest = text.strip().partition(":")
    if not colon:
        return Latency("constant", parse_duration(text))
    try:
        return _PARSE[kind](rest)
    except (KeyError, ValueError):
        raise UsageError(f"{text!r} is not a latency model; write {_EXAMPLES}") from None


def _parse_uniform(text: str) -> Latency:
    low, high = (parse_duration(part) for part in text.split(".."))
    if low > high:
        raise UsageError(f"uniform:{text}: the first duration must not be the larger one")
    return Latency("uniform", low, high)


def _parse_with_number(kind: str, largest: float) -> Callable[[str], Latency]:
    def parse(text: str) -> Latency:
        duration, number = text.split(",")
        shape = float(number)
        if not 0 < shape <= largest:
            raise UsageError(
                f"{kind}:{text}: the second parameter must be above 0 and at most {largest:g}"
            )
        return Latency(kind, parse_duration(duration), shape)

    return parse


_PARSE: dict[str, Callable[[str], Latency]] = {
    "constant": lambda text: Latency("constant", parse_duration(text)),
    "uniform": _parse_uniform,
    "lognormal": _parse_with_number("lognormal", 5),
    "gamma": _parse_with_number("gamma", 1e6),
}
_DRAW: dict[str, Callable[[Latency, random.Random], float]] = {
    "constant": lambda model, _: model.first,
    "uniform": lambda model, rng: rng.uniform(model.first, model.second),
    "lognormal": lambda model, rng: model.first * math.exp(rng.gauss(0.0, model.second)),
    "gamma": lambda model, rng: rng.gammavariate(model.second, model.first / model.second),
}
