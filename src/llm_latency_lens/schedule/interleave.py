"""Which target gets which request: in every round each of them once, in an order drawn anew.

So whatever changes over the run meets all targets alike, and none is always the first. Pure and
seeded: every worker finds the same answer by itself.
"""

import functools

from llm_latency_lens.schedule.arrivals import derive, generator


def arm_of(seed: int, number: int, arms: int) -> int:
    """The target of request `number` among `arms`."""
    return 0 if arms == 1 else _order(seed, number // arms, arms)[number % arms]


def round_of(number: int, arms: int) -> int:
    """The round of request `number`: its requests ask the same."""
    return number // arms


@functools.lru_cache(maxsize=1024)
def _order(seed: int, turn: int, arms: int) -> tuple[int, ...]:
    order = list(range(arms))
    generator(derive(seed, "interleave", turn)).shuffle(order)
    return tuple(order)
