"""The instrument's own error, measured against a known schedule on this machine, and what its work costs."""

import msgspec
from msgspec import Struct

from llm_latency_lens.model.recording import StampSource

CALIBRATION_SCHEMA = "llm-latency-lens/calibration/2"

TYPICAL_EVENT = 250
"""Bytes of a token's event where nothing better is known: a chunk of OpenAI's chat completions."""


class InstrumentError(Struct, frozen=True, kw_only=True):
    """Ours minus the truth, absolute, in seconds: half of the values are within p50, 99 % within p99."""

    p50: float
    p99: float
    n: int


class CostModel(Struct, frozen=True, kw_only=True):
    """CPU seconds of a measuring process, fitted to runs that differ in each of these.

    A forecast: real servers write other events in other pieces than the simulator does.

    Attributes:
        request: of a request: making it, sending it, shipping what came.
        read: of a network read.
        event: of a token event within a read.
        byte: of a byte of a response's body.
    """

    request: float
    read: float
    event: float
    byte: float

    def seconds(self, requests: float, reads: float, events: float, body_bytes: float) -> float:
        """CPU seconds that so much work takes."""
        return (
            self.request * requests
            + self.read * reads
            + self.event * events
            + self.byte * body_bytes
        )

    def measurable_rate(self, events_per_read: float = 1.0, event: float = TYPICAL_EVENT) -> float:
        """Token events per second that fill the CPU of one process; `event` is their size in bytes."""
        return 1.0 / max(self.seconds(0.0, 1.0 / events_per_read, 1.0, event), 1e-9)


class Calibration(Struct, frozen=True, kw_only=True):
    """What `calibrate` found.

    `errors` by kind: ttft, e2e, tpot, gap, slip; measured at `event_rate` with `concurrency` streams in
    `workers` measuring processes, with arrivals stamped by `stamps`. `cost` is of each process. `machine` identifies where it holds.
    """

    errors: dict[str, InstrumentError]
    cost: CostModel
    workers: int
    concurrency: int
    event_rate: float
    at: str
    machine: dict[str, str]
    stamps: StampSource = "auto"
    schema: str = CALIBRATION_SCHEMA

    def for_workers(self, workers: int) -> "Calibration":
        """The same for another number of processes."""
        return msgspec.structs.replace(self, workers=workers)


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
