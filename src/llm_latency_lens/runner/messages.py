"""What travels between the parent and a measuring process: frozen values in length-prefixed frames.

The order holds the API key (in the target's headers), so it goes through the private socket pair only,
never through an argument or the environment.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec
from msgspec import Struct

from llm_latency_lens.cost.book import PriceBook
from llm_latency_lens.cost.price import Price
from llm_latency_lens.model.recording import Attempt, StampSource
from llm_latency_lens.model.request import Limits, Target
from llm_latency_lens.model.vitals import Vitals
from llm_latency_lens.schedule.plan import Plan
from llm_latency_lens.workload.workload import Workload

_PREFIX = 4


class Arm(Struct, frozen=True, kw_only=True):
    """One of the targets of a run, and the price of its model, where known."""

    target: Target
    price: Price | None = None


class Order(Struct, frozen=True, kw_only=True, tag=True):
    """Everything a worker needs: the whole plan, and which of how many workers it is.

    With several `arms` requests are dealt among them, see `schedule.interleave`. `book` has the
    prices of models that answers may name instead of the one that was asked for.

    With `pause_if_dead` a worker whose requests have all failed alike sends one a second, so that
    the parent can end the run before a dead target is hammered. `reuse` keeps connections between
    requests, `retries` is how often a failed one may be tried again.
    `stamps` says whose clock stamps arrivals. With a `cap` (US dollars, for all workers together) every send reserves its worst case.
    """

    plan: Plan
    workload: Workload
    arms: tuple[Arm, ...]
    limits: Limits
    worker: int = 0
    workers: int = 1
    reuse: bool = True
    retries: int = 0
    pause_if_dead: bool = True
    cap: Decimal | None = None
    book: PriceBook | None = None
    stamps: StampSource = "auto"


class Begin(Struct, frozen=True, tag=True):
    """Parent to worker: run phase number `phase`; its offsets count from `start` (monotonic ns)."""

    phase: int
    start: int


class Stop(Struct, frozen=True, tag=True):
    """Parent to worker: start nothing more, finish what is under way."""


class Abort(Struct, frozen=True, tag=True):
    """Parent to worker: end what is under way at once, as cancelled."""


class Finish(Struct, frozen=True, tag=True):
    """Parent to worker: that was all; say what it took."""


class Grant(Struct, frozen=True, tag=True):
    """Parent to worker: credit to send with, in dollars; None: the money is gone."""

    amount: Decimal | None


class Want(Struct, frozen=True, tag=True):
    """Worker to parent: credit is lacking for a send of at most `amount`; `returned` is given back."""

    amount: Decimal
    returned: Decimal


class Ready(Struct, frozen=True, tag=True):
    """Worker to parent: the order is understood; phases may begin."""

    pid: int
    loop: str
    kernel_stamps: bool


class Batch(Struct, frozen=True, tag=True):
    """Worker to parent: attempts that have ended."""

    attempts: list[Attempt]


class Progress(Struct, frozen=True, tag=True):
    """Worker to parent, ten times a second: how many of this phase were started, how many are under way."""

    started: int
    in_flight: int


class PhaseDone(Struct, frozen=True, tag=True):
    """Worker to parent: the phase has drained. `planned` were to be started, `started` were."""

    planned: int
    started: int


class Resources(Struct, frozen=True, tag=True):
    """Worker to parent, at its end: what measuring took.

    CPU in seconds, start-up left out; peak memory of the process in bytes; what it noticed in the last phase.
    """

    cpu_user: float
    cpu_system: float
    peak_memory: int
    vitals: Vitals | None = None


class Failed(Struct, frozen=True, tag=True):
    """Worker to parent: it can't go on, and why."""

    words: str


ToWorker = Order | Begin | Stop | Abort | Finish | Grant
ToParent = Ready | Batch | Progress | PhaseDone | Resources | Failed | Want

_encode = msgspec.msgpack.Encoder().encode
decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_to_parent = msgspec.msgpack.Decoder(ToParent).decode


def frame(message: ToWorker | ToParent) -> bytes:
    """The bytes of one message: four of length, then msgpack."""
    body = _encode(message)
    return len(body).to_bytes(_PREFIX, "little") + body


class Frames:
    """Cuts a byte stream back into message bodies."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take more bytes; yield each body that is now whole."""
        buffer = self._buffer
        buffer += data
        position = 0
        while len(buffer) - position >= _PREFIX:
            size = int.from_bytes(buffer[position : position + _PREFIX], "little")
            end = position + _PREFIX + size
            if len(buffer) < end:
                break
            yield bytes(memoryview(buffer)[position + _PREFIX : end])
            position = end
        del buffer[:position]
