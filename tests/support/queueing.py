"""Open-loop load on the simulator's batching engine in virtual time: seconds of queueing in milliseconds."""

import itertools
import random
from collections.abc import Iterator

from msgspec import Struct

from llm_latency_lens.simulator.batching import Batching, BatchingEngine, Sequence

MS = 1_000_000
PROMPT = 40


class Served(Struct, frozen=True):
    """One request: instants (ns) of its arrival, its first and its last token."""

    arrived: int
    first: int
    last: int

    @property
    def ttft(self) -> float:
        """In seconds."""
        return (self.first - self.arrived) / 1e9


def served(model: Batching, rate: float, tokens: int, seed: int) -> Iterator[Served]:
    """Poisson arrivals at `rate` per second, each asking for `tokens`, in the order of arrival; endless."""
    rng, engine = random.Random(seed), BatchingEngine(model)
    arrivals: list[int] = []
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    at, told = 0.0, 0
    for key in itertools.count():
        at += rng.expovariate(rate) * 1e9
        for emission in engine.run_until(int(at)):
            first.setdefault(emission.key, emission.at)
            if emission.last:
                last[emission.key] = emission.at
        engine.arrive(Sequence(key, PROMPT, tokens), int(at))
        arrivals.append(int(at))
        while told in last:
            yield Served(arrivals[told], first.pop(told), last.pop(told))
            told += 1
