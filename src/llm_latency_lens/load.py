"""How much load, for how long: a user's wishes, and the plan that they mean."""

import math
import re
from decimal import Decimal

from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.recording import StampSource
from llm_latency_lens.schedule.plan import Arrival, ArrivalKind, Phase, Plan, Stop
from llm_latency_lens.schedule.share import open_items
from llm_latency_lens.units import NS_PER_S, format_duration, parse_duration, parse_rate

_DEFAULT_REQUESTS = 20
_LONGEST = 600 * NS_PER_S
_MOST_WARMUP = 64
"""Of an open loop by default: as many as arrive in a second, and at most so many."""


class Load(Struct, frozen=True, kw_only=True):
    """How much load, for how long.

    Open loop: `rate` (requests per second, or text such as "20/s") with `arrival` poisson or constant.
    Closed loop: `concurrency` slots. Without either, one slot. Stops after `requests` or `duration`
    (ns, or text such as "30s"), whichever comes first; without either, after 20 requests.

    Args:
        warmup: requests before the measurement, which open its connections; they cost what others cost
            and are in no latency. None: one for each slot, in an open loop as many as arrive in a second
            (64 at most), and never more than are measured. 0: none.
        workers: measuring processes; 0 takes one for each CPU but one.
        seed: of everything random; drawn where None, and stored with the run.
        nonce_salt: what makes the tags of a run's prompts its own; drawn where None, stored with
            the run. The same seed and salt ask the same prompts again.
        goodput: limits on single requests, such as "ttft<500ms,tpot<50ms".
        until_precise: end the run once a percentile is known so well, such as "ttft.p95+-5%"; without other
            bounds after ten minutes at the latest.
        retries: how often a request that failed for a passing reason is tried again (in all for at most
            a tenth of the requests); each attempt is a record of its own.
        max_cost: a cap on what the run may cost, in dollars or as text such as "$2"; every send first
            reserves the most that it can cost.
        stamps: whose clock stamps arrivals.
        abort_on: conditions that end the run early, such as "error_rate>50%". A target whose first
            five requests fail alike for a permanent reason, or that fails a hundred times in a row,
            ends it in any case, unless this is "never".
    """

    rate: float | str | None = None
    arrival: ArrivalKind | None = None
    concurrency: int | None = None
    requests: int | None = None
    duration: int | str | None = None
    warmup: int | None = None
    workers: int = 0
    seed: int | None = None
    nonce_salt: str | None = None
    goodput: str = ""
    until_precise: str = ""
    retries: int = 0
    max_cost: Decimal | str | None = None
    stamps: StampSource = "auto"
    abort_on: str = ""


def plan_of(load: Load, seed: int) -> Plan:
    """The plan that a load means: a warm-up in a closed loop, then the measurement.

    Raises:
        UsageError: the load contradicts itself.
    """
    measure = Phase(name="measure", arrival=_arrival(load), stop=_stop(load))
    count = _default_warmup(measure) if load.warmup is None else load.warmup
    if not count:
        return Plan(phases=(measure,), seed=seed)
    slots = min(count, measure.arrival.concurrency or count)
    warmup = Phase(
        name="warmup",
        arrival=Arrival(kind="closed", concurrency=slots),
        stop=Stop(requests=count),
    )
    return Plan(phases=(warmup, measure), seed=seed)


_SALT = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def check_salt(salt: str) -> str:
    """The salt, where it is one that reports can show.

    Raises:
        UsageError: it has other characters, or is too long.
    """
    if _SALT.fullmatch(salt) is None:
        raise UsageError("--nonce-salt takes 1 to 64 letters, digits, dots, dashes or underscores")
    return salt


def check_arrivals(plan: Plan) -> None:
    """Refuse a schedule that sends nothing.

    Raises:
        UsageError: with what to change.
    """
    index = len(plan.phases) - 1
    phase = plan.phases[index]
    if phase.arrival.kind == "closed" or next(open_items(plan, index), None) is not None:
        return
    rate, duration = phase.arrival.rate or 0.0, phase.stop.duration or 0
    raise UsageError(
        f"no request would be sent: {phase.arrival.kind} arrivals at {rate:g}/s have none within"
        f" {format_duration(duration)} (seed {plan.seed}); raise --rate or --duration"
    )


def _arrival(load: Load) -> Arrival:
    rate = parse_rate(load.rate) if isinstance(load.rate, str) else load.rate
    if rate is not None and load.concurrency is not None:
        raise UsageError("a rate and a concurrency contradict each other: open loop or closed loop")
    if rate is None and load.arrival not in {None, "closed"}:
        raise UsageError(f"{load.arrival} arrivals need a rate, such as 20/s")
    if rate is not None:
        return Arrival(kind=load.arrival or "poisson", rate=rate)
    return Arrival(kind="closed", concurrency=1 if load.concurrency is None else load.concurrency)


def _stop(load: Load) -> Stop:
    duration = parse_duration(load.duration) if isinstance(load.duration, str) else load.duration
    requests = load.requests
    if requests is None and duration is None:
        if load.until_precise:
            duration = _LONGEST
        else:
            requests = _DEFAULT_REQUESTS
    return Stop(requests=requests, duration=duration)


def _default_warmup(measure: Phase) -> int:
    """A connection for each request that may be in flight, as far as that is known before the run."""
    arrival, stop = measure.arrival, measure.stop
    # A rate that makes no sense is refused with the plan.
    rate = max(arrival.rate, 0.0) if arrival.rate and math.isfinite(arrival.rate) else 0.0
    count = arrival.concurrency or math.ceil(min(rate, _MOST_WARMUP))
    if arrival.concurrency is None and stop.duration is not None:
        count = math.ceil(min(count, rate * stop.duration / NS_PER_S))
    return max(count if stop.requests is None else min(count, stop.requests), 0)
