"""The result document: what `--json` prints and the run directory keeps.

Base units: seconds, tokens/s, USD as a decimal string. Unknown is null, never 0. Within one schema
version a key never changes its meaning; keys may be added.
"""

from typing import Any, Literal

from msgspec import Struct

from llm_latency_lens.model.calibration import Calibration
from llm_latency_lens.model.vitals import MachineVitals, Vitals

RESULT_SCHEMA = "llm-latency-lens/result/1"

HEADLINE = ("ttft", "tpot", "e2e")
"""The metrics whose worst verdict is the run's, where nobody asks for others."""

Verdict = Literal["VALID", "WARN", "INSUFFICIENT", "INVALID"]


class Distribution(Struct, frozen=True, kw_only=True):
    """A metric over the successful requests (or over their gaps, weighted).

    A percentile that the sample can't support is null, and `needs` has the number of samples it
    takes. `interval` holds 95 % intervals of the supported percentiles and of the `mean`: order statistics,
    widened where neighbouring requests depend on each other (`tau` of them carry the information of one),
    and absent where the run is too short to know how much; for pooled gaps they hold over requests.
    `unknown` names percentiles that failed requests make unknown. `instrument` is what 99 % of the
    instrument's own errors stay below (s), by calibration; null where this machine has not been
    calibrated. Where values are only known within intervals (late reads, tokens that nobody counted),
    `bounds` has the percentile of all low ends and that of all high ends, and `width` their distance.
    """

    unit: str
    n: int
    mean: float | None = None
    std: float | None = None
    min: float | None = None
    max: float | None = None
    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    needs: dict[str, int] = {}
    interval: dict[str, tuple[float, float]] = {}
    width: dict[str, float] = {}
    bounds: dict[str, tuple[float, float]] = {}
    tau: float | None = None
    unknown: tuple[str, ...] = ()
    instrument: float | None = None
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()

    def room(self, percentile: str) -> tuple[float, float]:
        """How far the true percentile may lie below and above its value, by `bounds`."""
        value = getattr(self, percentile, None)
        if value is None or percentile not in self.bounds:
            return self.width.get(percentile, 0.0), 0.0
        low, high = self.bounds[percentile]
        return max(value - low, 0.0), max(high - value, 0.0)


class Offered(Struct, frozen=True, kw_only=True):
    """The load: what was planned, what was really started, and how late.

    `rate` is the planned rate of starts (requests/s, open loop). `achieved` is what became of it: in an
    open loop starts per second from the first to the last one, as the schedule counts them; in a closed
    loop requests per second, failed ones too, over the steady window (without one over the whole run),
    so it is `throughput.requests` where none failed. `slip` is
    begun minus intended in seconds: how late we set about a request, dialling or sending. What a new
    connection takes is in `connect`, and with it in `queue` and in every `*_from_intended`. `retries`
    counts attempts that another one followed; they are in no other number. `withheld` of the planned
    requests were not sent because the run was ended: by the user, by a precision, or by a cap.
    """

    mode: Literal["closed", "open"]
    planned: int
    sent: int
    warmup: int
    retries: int = 0
    withheld: int = 0
    rate: float | None
    achieved: float | None
    concurrency: int | None
    slip: Distribution | None


class Failure(Struct, frozen=True, kw_only=True):
    """One kind of ending other than ok: how often, and the first of its kind in words."""

    outcome: str
    cause: str
    count: int
    status: int | None
    example: str
    advice: str = ""


class Abort(Struct, frozen=True, kw_only=True):
    """Why a run was ended before its time.

    Attributes:
        condition: the condition that was met, as it was written.
        words: what was seen.
        failure: the most frequent failure then.
    """

    condition: str
    words: str
    failure: Failure | None = None


class Tokens(Struct, frozen=True, kw_only=True):
    """Token totals over successful requests; null where no request said. `sources` counts requests."""

    input: int | None
    output: int | None
    reasoning: int | None
    cached: int | None
    events: int
    sources: dict[str, int]


class Throughput(Struct, frozen=True, kw_only=True):
    """System rates. The steady window leaves out ramp-up and drain; `wall` is the whole run.

    Attributes:
        window: the steady window, [begin, end] in seconds from the first start; null where none of the
            run was steady, and then `output_tokens` and `requests` are null too.
        window_requests: successful requests in it: each by the share of its service time (sent to its
            end) that lies in the window, or those that ended in it if these are fewer.
        output_tokens: generated tokens per second of the window, also those that did not stream
            (hidden reasoning); those of a network read are spread over the time since the read
            before it, or count at their arrival if these are fewer; null where answers have none.
        requests: successful requests per second of the window, counted as in `window_requests`.
        wall_output_tokens, wall_requests: the same over the whole run, ramp-up and drain included.
        wall: from the first start to the last end, s.
        mean_in_flight, max_in_flight: requests in flight over the whole run.
        verdict: of `output_tokens` and `requests`, with its `reasons` in words.
    """

    window: tuple[float, float] | None
    window_requests: float | None = None
    output_tokens: float | None
    requests: float | None
    wall_output_tokens: float | None
    wall_requests: float | None
    wall: float
    mean_in_flight: float | None
    max_in_flight: int
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()


class LimitCount(Struct, frozen=True, kw_only=True):
    """What became of one limit.

    Attributes:
        text: the limit.
        met: requests that have the metric and keep the limit.
        missed: requests that do not keep it, those that failed or were not sent among them.
        without: successful requests that do not have the metric: neither met nor missed.
    """

    text: str
    met: int
    missed: int
    without: int


class Goodput(Struct, frozen=True, kw_only=True):
    """Requests that met every limit whose metric they have, against all that were offered.

    Attributes:
        limits: the limits, as they were written.
        good: requests that succeeded and met all of them.
        ratio: good of those offered less those `without`; failed and unsent count as missed, but
            not what was withheld because the run was ended.
        rate: good requests per second of the whole run.
        without: successful requests that have none of the limits' metrics; in no ratio.
        by_limit: what became of each limit.
        verdict: of the metrics that the limits are on, as far as it is about single requests; with
            its `reasons` in words.
    """

    limits: tuple[str, ...]
    good: int
    ratio: float | None
    rate: float | None
    without: int = 0
    by_limit: tuple[LimitCount, ...] = ()
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()


class Bill(Struct, frozen=True, kw_only=True):
    """What the server said that it charged, in US dollars as decimal strings.

    Attributes:
        total: over all requests of which it said so.
        requests: how many those are.
        compared: how many of them have a cost by their token counts too.
        compared_total, own_total: what those cost by the server's word, and by token counts.
    """

    total: str
    requests: int
    compared: int
    compared_total: str
    own_total: str


class Cost(Struct, frozen=True, kw_only=True):
    """What the run cost, in US dollars as decimal strings, by its requests' own counts.

    Attributes:
        total: of all requests, warm-up and failed ones included.
        parts: the same by kind of token.
        warmup: of the warm-up alone.
        mean, mean_interval: of the priced requests, and its 95 % interval.
        per_thousand_good: for those that succeeded, or with limits those that met them.
        priced: requests that have a cost.
        estimated: those among them whose token counts or rates are estimates.
        unknown: requests that may cost something, and nobody knows how much.
        price: of the model that was asked for.
        note: why there is none.
        cap: with a cap, what it was and what became of it.
        bill: what the server said that it charged.
        service_tier: the service tier that was asked for.
        service_tiers: how many requests the server says that each tier answered.
        priced_as: how many requests were charged as another model, by the name in the answer.
    """

    total: str | None
    parts: dict[str, str]
    warmup: str
    mean: str | None
    mean_interval: tuple[str, str] | None = None
    per_thousand_good: str | None
    priced: int
    unknown: int
    estimated: int
    price: dict[str, Any] | None
    note: str = ""
    cap: dict[str, Any] | None = None
    bill: Bill | None = None
    service_tier: str | None = None
    service_tiers: dict[str, int] = {}
    priced_as: dict[str, int] = {}


class Check(Struct, frozen=True, kw_only=True):
    """One thing the run found about itself: what was measured, and which metrics it touches.

    `id` is its row in docs/reference/checks.md. `bound` is the most by which what was found can move
    the metrics it touches, in their unit (seconds, or tokens/s); null where nothing bounds it. `size`
    says how a comparison takes it: by `bound`; not at all, because the metrics' own bounds hold it
    already (`in_bounds`); or as of unknown size, so that nothing can be compared (`unknown`).
    """

    id: str = ""
    name: str
    verdict: Verdict
    value: float | None
    unit: str
    words: str
    remedy: str = ""
    metrics: tuple[str, ...] = ()
    bound: float | None = None
    size: Literal["bound", "in_bounds", "unknown"] = "bound"


class Precision(Struct, frozen=True, kw_only=True):
    """How well one percentile is known where that was to decide the run's length.

    `interval` (base unit) holds at all times at once, so it may be looked at while the run goes on; `width`
    is its half relative to the value. `tau`: n requests carry the information of n / tau independent
    ones; null where that is not known.
    """

    goal: str
    reached: bool
    n: int
    value: float | None = None
    interval: tuple[float, float] | None = None
    width: float | None = None
    tau: float | None = None


class Quality(Struct, frozen=True, kw_only=True):
    """The run's judgement of itself, and what it looked at: the client's vitals, the machine's, the calibration.

    `remotes` are the addresses that connections were made to, with their requests; `addresses` is how
    many the name has.
    """

    checks: tuple[Check, ...]
    stamps: dict[str, int]
    lateness: Distribution | None
    coalesced: float | None
    tokens_per_event: float | None
    new_connections: int
    reused_connections: int
    remotes: dict[str, int] = {}
    addresses: int = 1
    client: dict[str, Any]
    vitals: tuple[Vitals, ...] = ()
    machine: MachineVitals | None = None
    calibration: Calibration | None = None


class Result(Struct, frozen=True, kw_only=True):
    """The whole document."""

    run: dict[str, Any]
    verdict: Verdict
    offered: Offered
    outcomes: dict[str, int]
    failures: tuple[Failure, ...]
    metrics: dict[str, Distribution]
    tokens: Tokens
    throughput: Throughput
    goodput: Goodput | None
    cost: Cost | None
    precision: Precision | None = None
    abort: Abort | None = None
    quality: Quality
    targets: dict[str, dict[str, Any]]
    schema: str = RESULT_SCHEMA
