"""Load shapes: seeded iterators of offsets in ns from a phase's start. Pure; the same on every machine."""

import hashlib
import itertools
import math
import random
from collections.abc import Callable, Iterator

from llm_latency_lens.schedule.plan import Arrival
from llm_latency_lens.units import NS_PER_S

Offsets = Iterator[int]


def offsets(arrival: Arrival, seed: str) -> Offsets:
    """The endless offsets of an open-loop arrival; a closed loop has none.

    Raises:
        KeyError: the arrival is closed: its requests start when a slot becomes free.
    """
    return _SHAPES[arrival.kind](arrival.rate or 0.0, seed)


def derive(*parts: object) -> str:
    """A seed for one purpose, made of the plan's seed and the purpose's name and number."""
    return "/".join(map(str, parts))


def generator(seed: str) -> random.Random:
    """A generator that is the same on every Python: seeded by a hash, not by Python's own."""
    return random.Random(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))


def _constant(rate: float, _: str) -> Offsets:
    """Evenly spaced. Each offset comes from its index, so hours add up no rounding."""
    for index in itertools.count():
        yield round(index * NS_PER_S / rate)


def _poisson(rate: float, seed: str) -> Offsets:
    """Exponential gaps: arrivals that know nothing of each other. The first comes after a gap too."""
    rng = generator(seed)
    at = 0.0
    while True:
        at -= math.log(1.0 - rng.random()) / rate
        yield round(at * NS_PER_S)


_SHAPES: dict[str, Callable[[float, str], Offsets]] = {"constant": _constant, "poisson": _poisson}
