"""Pairs of requests that asked two targets the same at about the same time, as a fold over records.

What changes over the run meets both members of a pair, so it cancels in their ratio.
"""

from collections.abc import Callable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from llm_latency_lens.metrics.definitions import METRICS
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.schedule.interleave import round_of

Floats = NDArray[np.float64]


class Compared(Struct, frozen=True):
    """A quantity that is compared: its unit, and how it is read off a record."""

    unit: str
    of: Callable[[Record], float | None]


def _cost(record: Record) -> float | None:
    return float(record.cost.total) if record.cost is not None else None


def _output(record: Record) -> float | None:
    return float(record.tokens.output) if record.tokens.output else None


_BY_NAME = {metric.name: Compared(metric.unit, metric.of) for metric in METRICS}

COMPARED: dict[str, Compared] = {
    name: _BY_NAME[name] for name in ("ttft", "tpot", "e2e", "chars_per_second") if name in _BY_NAME
} | {"cost": Compared("USD", _cost), "output_tokens": Compared("tokens", _output)}
"""What is compared, request by request, by name."""


class Pairs:
    """Add every record; `between` gives the pairs of two arms in the order of their rounds."""

    def __init__(self, arms: int) -> None:
        self._arms = arms
        self._values: dict[str, list[dict[int, float]]] = {
            name: [{} for _ in range(arms)] for name in COMPARED
        }

    def add(self, record: Record) -> None:
        """Take one record; only what succeeded can be compared."""
        if (
            record.superseded
            or record.phase != "measure"
            or record.outcome.kind is not OutcomeKind.OK
        ):
            return
        turn = round_of(record.number, self._arms)
        for name, compared in COMPARED.items():
            value = compared.of(record)
            if value is not None and value > 0.0:
                self._values[name][record.arm][turn] = value

    def between(self, metric: str, first: int, second: int) -> tuple[Floats, Floats]:
        """Return the metric's values of two arms, of the rounds in which both have one."""
        one, other = self._values[metric][first], self._values[metric][second]
        turns = sorted(one.keys() & other.keys())
        return np.array([one[turn] for turn in turns]), np.array([other[turn] for turn in turns])

    def alone(self, metric: str, arm: int) -> Floats:
        """Return the metric's values of one arm, in the order of rounds."""
        values = self._values[metric][arm]
        return np.array([values[turn] for turn in sorted(values)])
