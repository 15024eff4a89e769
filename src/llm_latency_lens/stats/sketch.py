"""A mergeable sketch of non-negative values: logarithmic buckets, each value known to a stated relative error.

For live views and long histories; finite runs keep their values. Averaging percentiles is a mistake
that this makes unnecessary: sketches merge exactly.
"""

import math
from collections import Counter
from collections.abc import Iterable

DEFAULT_ERROR = 0.005


class Sketch:
    """Counts of values by bucket; `error` is the largest relative error of any quantile's value.

    Bucket i of `buckets` holds the values in (g**(i-1), g**i], g = (1 + error) / (1 - error).

    Raises:
        ValueError: an error not between 0 and 1, a negative value, sketches of unlike errors merged.
    """

    def __init__(self, error: float = DEFAULT_ERROR) -> None:
        if not 0.0 < error < 1.0:
            raise ValueError(f"a relative error lies between 0 and 1, not at {error}")
        self.error = error
        self.count = 0
        self.zeros = 0
        self.buckets: Counter[int] = Counter()
        self._log_gamma = math.log((1.0 + error) / (1.0 - error))

    def add(self, value: float, weight: int = 1) -> None:
        """One value, `weight` times."""
        if not value >= 0.0 or math.isinf(value):
            raise ValueError(f"a sketch holds finite values from 0 on, not {value}")
        self.count += weight
        if value == 0.0:
            self.zeros += weight
        else:
            self.buckets[math.ceil(math.log(value) / self._log_gamma)] += weight

    def extend(self, values: Iterable[float]) -> None:
        """More values."""
        for value in values:
            self.add(value)

    def merge(self, other: "Sketch") -> None:
        """Add all that another sketch has seen: the same as if this one had seen it."""
        if other.error != self.error:
            raise ValueError(f"sketches of errors {self.error} and {other.error} do not merge")
        self.count += other.count
        self.zeros += other.zeros
        self.buckets.update(other.buckets)

    def quantile(self, p: float) -> float | None:
        """The value of rank ceil(p * count), within the relative error; None where nothing was seen."""
        if self.count == 0:
            return None
        rank = max(1, math.ceil(p * self.count))
        if rank <= self.zeros:
            return 0.0
        seen = self.zeros
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                break
        return 2.0 * math.exp(bucket * self._log_gamma) / (1.0 + math.exp(self._log_gamma))
