"""What the checks look at, and the words they share.

The bias budget of a metric, b = max(0.5 ms, 1 % of its median), is what it bears without anybody's
noticing; beyond 5 b it is wrong.
"""

from collections.abc import Mapping

from msgspec import Struct

from llm_latency_lens.metrics.column import Column, bias_budget
from llm_latency_lens.metrics.definitions import METRICS
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.calibration import Calibration
from llm_latency_lens.model.result import Distribution, Verdict
from llm_latency_lens.model.vitals import MachineVitals, Vitals
from llm_latency_lens.stats.quantiles import minimum_samples

GAPS = ("icl", "itl")
LATENCIES = tuple(m.name for m in METRICS if m.group == "latency")
ANSWER = (*LATENCIES, *(m.name for m in METRICS if m.group == "speed"), *GAPS)
"""Everything that is measured of an answer: what entered the latencies entered all of it."""
FROM_INTENDED = tuple(m.name for m in METRICS if m.group == "latency" and "intended" in m.needs)
QUEUE = "queue"
THROUGHPUT = "throughput"
"""What a check touches that is about `throughput.output_tokens` and `throughput.requests`."""

SEVERITY: tuple[Verdict, ...] = ("VALID", "WARN", "INSUFFICIENT", "INVALID")


class Evidence(Struct, frozen=True, kw_only=True):
    """`planned_rate` is None in a closed loop; vitals, machine and calibration may be missing.

    `nonce`: prompts were made unlike each other, so that no cache could answer.
    """

    summary: Summary
    counts: Counts
    metrics: Mapping[str, Distribution]
    planned_rate: float | None
    vitals: tuple[Vitals, ...] = ()
    machine: MachineVitals | None = None
    calibration: Calibration | None = None
    nonce: bool = False

    @property
    def unbounded(self) -> bool:
        """Whether arrivals were stamped after the read and have no intervals that tell how late it was."""
        if set(self.summary.stamps) <= {"kernel", "packet", "none"}:
            return False
        return not any(width for m in self.metrics.values() for width in m.width.values())


def worst(verdicts: "list[Verdict] | tuple[Verdict, ...]") -> Verdict:
    """The most severe of them; VALID where there is none."""
    return max(verdicts, key=SEVERITY.index, default="VALID")


def budget(distribution: Distribution | None) -> float:
    """The bias a metric bears, in seconds: half a millisecond, or 1 % of its median."""
    median = distribution.p50 if distribution is not None else None
    return bias_budget("s", median or 0.0)


def highest_known(column: Column) -> tuple[float, float] | None:
    """The highest of p99, p95, p90 and p50 that the values support, and its value; None where none is."""
    known = (p for p in (0.99, 0.95, 0.9, 0.5) if len(column) >= minimum_samples(p))
    p = next(known, None)
    value = column.quantile(p) if p is not None else None
    return None if p is None or value is None else (p, value)


def graded(value: float, warn: float, invalid: float) -> Verdict:
    """VALID up to `warn`, INVALID above `invalid`."""
    if value > invalid:
        return "INVALID"
    return "WARN" if value > warn else "VALID"
