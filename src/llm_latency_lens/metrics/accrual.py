"""An amount that is delivered over time, kept in bins: how much of it lies in any window.

Memory is bounded: where the run outgrows the bins, neighbouring bins are merged, so that a bin is
never more than a thirty-thousandth of a long run.
"""

from array import array

import numpy as np
from numpy.typing import NDArray

_FIRST_BIN = 1 << 12
"""Width of a bin at first, ns."""
_MOST_BINS = 65_536
_BUFFERED = 65_536

Floats = NDArray[np.float64]
Instants = NDArray[np.int64]


class Accrual:
    """Amounts, each spread evenly over the interval in which it was delivered (ns)."""

    __slots__ = ("_amounts", "_begins", "_bins", "_ends", "_origin", "_width", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self._begins = array("q")
        self._ends = array("q")
        self._amounts = array("d")
        self._bins: Floats = np.zeros(0)
        self._origin = 0
        self._width = _FIRST_BIN

    def add(self, begins: Instants, ends: Instants, amounts: Floats) -> None:
        """Deliver `amounts[i]` evenly between `begins[i]` and `ends[i]`."""
        self.total += float(amounts.sum())
        self._begins.frombytes(begins.tobytes())
        self._ends.frombytes(ends.tobytes())
        self._amounts.frombytes(amounts.tobytes())
        if len(self._amounts) >= _BUFFERED:
            self._settle()

    def between(self, begin: int, end: int) -> float:
        """How much was delivered from `begin` to `end`."""
        self._settle()
        if not len(self._bins):
            return 0.0
        edges = self._origin + self._width * np.arange(len(self._bins) + 1, dtype=np.int64)
        sums = np.concatenate([[0.0], np.cumsum(self._bins)])
        first = float(edges[0])
        before, after = np.interp([begin - first, end - first], edges - edges[0], sums)
        return float(after - before)

    def _settle(self) -> None:
        """Move what is buffered into the bins."""
        if not self._amounts:
            return
        begins = np.frombuffer(self._begins, np.int64)
        ends = np.maximum(np.frombuffer(self._ends, np.int64), begins + 1)
        amounts = np.frombuffer(self._amounts, np.float64)
        self._cover(int(begins.min()), int(ends.max()))
        self._bins += self._binned(begins - self._origin, ends - self._origin, amounts)
        del begins, ends, amounts
        self._begins, self._ends, self._amounts = array("q"), array("q"), array("d")

    def _cover(self, begin: int, end: int) -> None:
        """Extend the bins to the instants from `begin` to `end`, wider where they become too many."""
        if not len(self._bins):
            self._origin = begin
        before = max(0, -((begin - self._origin) // self._width))
        after = max(0, (end - self._origin) // self._width + 1 - len(self._bins))
        self._origin -= before * self._width
        if before + len(self._bins) + after <= _MOST_BINS:
            self._bins = np.pad(self._bins, (before, after))
            return
        # Merge before padding, so that a gap of hours never takes memory.
        self._origin += before * self._width
        self._bins = np.pad(self._bins, (0, len(self._bins) % 2)).reshape(-1, 2).sum(axis=1)
        self._width *= 2
        self._cover(begin, end)

    def _binned(self, begins: Instants, ends: Instants, amounts: Floats) -> Floats:
        """The share of each amount in each bin; instants count from the origin."""
        width, size = self._width, len(self._bins)
        density = amounts / (ends - begins)
        first, last = begins // width, ends // width
        alone = first == last
        head = np.where(alone, amounts, density * ((first + 1) * width - begins))
        tail = np.where(alone, 0.0, density * (ends - last * width))
        full = np.where(alone, 0.0, density * width)
        # Bins that lie wholly inside an interval: a step up after its first, one down at its last.
        steps = np.bincount(first + 1, full, size + 1) - np.bincount(last, full, size + 1)
        partial = np.bincount(first, head, size) + np.bincount(last, tail, size)
        found: Floats = (partial + np.cumsum(steps)[:size]).astype(np.float64)
        return found
