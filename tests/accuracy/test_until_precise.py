"""`--until-precise` where quick requests end first: do its intervals hold? Virtual time."""

import math

import msgspec
import numpy as np
from tests.support.records import MS, answered

from llm_latency_lens.criteria.precision import parse_precision
from llm_latency_lens.criteria.until import PrecisionWatch
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import Precision
from llm_latency_lens.stats.quantiles import Floats

RATE = 40.0
MOST = 6000
GOAL = parse_precision("e2e.p95+-10%")


def service(rng: np.random.Generator, n: int) -> Floats:
    """Milliseconds: one request in ten takes about 20 s, the others about half a second."""
    slow = rng.random(n) < 0.1
    middle = np.where(slow, math.log(20_000.0), math.log(500.0))
    return np.exp(rng.normal(middle, 0.2))


def truth() -> float:
    """The p95 in seconds: the median of the slow ones, since half of that tenth lies beyond it."""
    return 20.0


class Ending:
    """One run in virtual time: records in the order of their ending, until the watch ends it."""

    def __init__(self, seed: int, *, by_number: bool = True, workers: int = 1) -> None:
        rng = np.random.Generator(np.random.PCG64(seed))
        sent = np.cumsum(rng.exponential(1000.0 / RATE, MOST))
        took = service(rng, MOST)
        self.watch, self.stopped, self.late = PrecisionWatch(GOAL), math.inf, 0
        order = np.argsort(sent + took)
        for place, number in enumerate(order.tolist()):
            if sent[number] > self.stopped:
                continue
            record = answered(number, float(sent[number]), float(took[number]), tokens=1)
            record = msgspec.structs.replace(record, worker=number % workers)
            self._add(record if by_number else msgspec.structs.replace(record, number=place))

    def _add(self, record: Record) -> None:
        was = self.watch.reached
        if self.watch.add(record) and not was:
            self.stopped = record.marks.ended / MS - 1000.0
        self.late += was

    @property
    def found(self) -> Precision:
        """What is reported after the drain."""
        return self.watch.precision()


def covered(found: Precision) -> bool:
    """Whether the interval holds the truth."""
    return found.interval is not None and found.interval[0] <= truth() <= found.interval[1]


def test_a_precise_p95_is_the_p95_of_slow_requests_too() -> None:
    """100 runs: at least 93 intervals hold the truth; what ended a run is still reached."""
    runs = [Ending(seed) for seed in range(100)]
    assert sum(run.watch.reached and run.late > 0 for run in runs) == 100
    assert sum(covered(run.found) for run in runs) >= 93
    assert sum(run.found.reached for run in runs) >= 98


def test_in_the_order_of_ending_it_would_be_that_of_the_quick_ones() -> None:
    """The oracle of the test above: numbered as they end, the watch stops on half a second."""
    runs = [Ending(seed, by_number=False) for seed in range(20)]
    looked = [run.watch._ending for run in runs]
    assert all(look is not None and look.value is not None and look.value < 5.0 for look in looked)
