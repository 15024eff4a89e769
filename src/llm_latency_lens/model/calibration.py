"""The instrument's own error, measured against a known schedule on this machine, and its capacity."""

import msgspec
from msgspec import Struct

CALIBRATION_SCHEMA = "llm-latency-lens/calibration/1"


class InstrumentError(Struct, frozen=True, kw_only=True):
    """Ours minus the truth, absolute, in seconds: half of the values are within p50, 99 % within p99."""

    p50: float
    p99: float
    n: int


class Calibration(Struct, frozen=True, kw_only=True):
    """What `calibrate` found.

    `errors` by kind: ttft, e2e, tpot, gap, slip. `roofline` is the rate of token events (per second) that
    fills the CPUs of `workers` measuring processes, when every event arrives by itself; measured at
    `event_rate` with `concurrency` streams. `machine` identifies where it holds.
    """

    errors: dict[str, InstrumentError]
    roofline: float
    workers: int
    concurrency: int
    event_rate: float
    at: str
    machine: dict[str, str]
    schema: str = CALIBRATION_SCHEMA

    def for_workers(self, workers: int) -> "Calibration":
        """The same with the roofline of another number of processes."""
        roofline = self.roofline * workers / self.workers
        return msgspec.structs.replace(self, roofline=roofline, workers=workers)


KINDS: dict[str, str] = {
    "ttft": "ttft",
    "ttfvt": "ttft",
    "ttfb": "ttft",
    "ttfe": "ttft",
    "ttft_from_intended": "ttft",
    "e2e": "e2e",
    "e2e_stream": "e2e",
    "e2e_from_intended": "e2e",
    "tpot": "tpot",
    "icl": "gap",
    "itl": "gap",
    "queue": "slip",
}
"""Which error belongs to which metric."""
