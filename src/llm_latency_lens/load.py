"""How much load, for how long: a user's wishes, and the plan that they mean."""

from decimal import Decimal

from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.recording import StampSource
from llm_latency_lens.schedule.plan import Arrival, ArrivalKind, Phase, Plan, Stop
from llm_latency_lens.units import NS_PER_S, parse_duration, parse_rate

_DEFAULT_REQUESTS = 20
_LONGEST = 600 * NS_PER_S


class Load(Struct, frozen=True, kw_only=True):
    """How much load, for how long.

    Open loop: `rate` (requests per second, or text such as "20/s") with `arrival` poisson or constant.
    Closed loop: `concurrency` slots. Without either, one slot. Stops after `requests` or `duration`
    (ns, or text such as "30s"), whichever comes first; without either, after 20 requests.

    Args:
        warmup: requests before the measurement, one after the other in the same number of slots.
        workers: measuring processes; 0 takes one for each CPU but one.
        seed: of everything random; drawn where None, and stored with the run.
        goodput: limits on single requests, such as "ttft<500ms,tpot<50ms".
        until_precise: end the run once a percentile is known so well, such as "ttft.p95+-5%"; without other
            bounds after ten minutes at the latest.
        retries: how often a request that failed for a passing reason is tried again (in all for at most
            a tenth of the requests); each attempt is a record of its own.
        max_cost: a cap on what the run may cost, in dollars or as text such as "$2"; every send first
            reserves the most that it can cost.
        stamps: whose clock stamps arrivals.
    """

    rate: float | str | None = None
    arrival: ArrivalKind | None = None
    concurrency: int | None = None
    requests: int | None = None
    duration: int | str | None = None
    warmup: int = 0
    workers: int = 0
    seed: int | None = None
    goodput: str = ""
    until_precise: str = ""
    retries: int = 0
    max_cost: Decimal | str | None = None
    stamps: StampSource = "auto"


def plan_of(load: Load, seed: int) -> Plan:
    """The plan that a load means: an optional warm-up in a closed loop, then the measurement."""
    rate = parse_rate(load.rate) if isinstance(load.rate, str) else load.rate
    duration = parse_duration(load.duration) if isinstance(load.duration, str) else load.duration
    if rate is not None and load.concurrency is not None:
        raise UsageError("a rate and a concurrency contradict each other: open loop or closed loop")
    if rate is None and load.arrival not in {None, "closed"}:
        raise UsageError(f"{load.arrival} arrivals need a rate, such as 20/s")
    requests = load.requests
    if requests is None and duration is None:
        if load.until_precise:
            duration = _LONGEST
        else:
            requests = _DEFAULT_REQUESTS
    if rate is not None:
        arrival = Arrival(kind=load.arrival or "poisson", rate=rate)
    else:
        arrival = Arrival(
            kind="closed", concurrency=1 if load.concurrency is None else load.concurrency
        )
    measure = Phase(
        name="measure", arrival=arrival, stop=Stop(requests=requests, duration=duration)
    )
    if not load.warmup:
        return Plan(phases=(measure,), seed=seed)
    slots = min(load.warmup, arrival.concurrency or load.warmup)
    warmup = Phase(
        name="warmup",
        arrival=Arrival(kind="closed", concurrency=slots),
        stop=Stop(requests=load.warmup),
    )
    return Plan(phases=(warmup, measure), seed=seed)
