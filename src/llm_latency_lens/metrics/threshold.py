"""Thresholds on a result, such as `ttft.p95<800ms`, and whether it keeps them: PASS, FAIL or NO VERDICT.

A number alone proves nothing: the whole interval must lie on one side of the limit. Where it does not,
where the sample supports no interval, or where the metric itself is not to be trusted, nobody knows.
"""

import difflib
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.column import PERCENTILES
from llm_latency_lens.metrics.definitions import GAP_METRICS, METRICS
from llm_latency_lens.model.result import Distribution, Result, Verdict
from llm_latency_lens.stats.beta import share_interval, student_t_quantile
from llm_latency_lens.units import NS_PER_S, parse_duration, parse_money, parse_percent

State = Literal["PASS", "FAIL", "NO VERDICT"]

STATS = ("mean", "min", "max", *PERCENTILES)
_THRESHOLD = re.compile(r"\s*([a-z_0-9.]+)\s*(<=|<|>=|>)\s*(.+?)\s*")
_UNITS = {metric.name: metric.unit for metric in METRICS} | dict.fromkeys(GAP_METRICS, "s")


class Estimate(Struct, frozen=True, kw_only=True):
    """What a result says of a quantity: its value, the interval it lies in, and how far to trust it.

    `n` requests are behind it; `needs` would be, where it has no interval yet. `exact` quantities are
    counts and sums of the run itself: they have no interval because they have no error.
    """

    value: float | None
    interval: tuple[float, float] | None = None
    n: int = 0
    needs: int | None = None
    verdict: Verdict = "VALID"
    exact: bool = False


class Threshold(Struct, frozen=True, kw_only=True):
    """A quantity, the side it must be on, and the limit in base units."""

    text: str
    quantity: str
    below: bool
    limit: float


class ThresholdVerdict(Struct, frozen=True, kw_only=True):
    """What became of a threshold. `trusted` is false where the measurement itself is INVALID."""

    text: str
    state: State
    value: float | None
    interval: tuple[float, float] | None
    unit: str
    words: str
    trusted: bool = True


def parse_thresholds(text: str) -> tuple[Threshold, ...]:
    """Parse `ttft.p95<800ms,cost.mean<$0.01,success_rate>=99%`.

    Raises:
        UsageError: not a threshold, an unknown quantity (with the nearest name), a value without its unit.
    """
    found = tuple(_parse(part) for part in text.split(",") if part.strip())
    if not found:
        raise UsageError("no threshold: write it like ttft.p95<800ms")
    return found


def judge_threshold(threshold: Threshold, result: Result) -> ThresholdVerdict:
    """Hold a result to a threshold."""
    found, unit = estimate(threshold.quantity, result), unit_of(threshold.quantity)
    state, words = _judged(threshold, found)
    return ThresholdVerdict(
        text=threshold.text,
        state=state,
        value=found.value,
        interval=found.interval,
        unit=unit,
        words=words,
        trusted=found.verdict != "INVALID",
    )


def unit_of(quantity: str) -> str:
    """The base unit of a quantity: s, tokens/s, requests/s, USD, ratio or what its metric has."""
    name, _, _ = quantity.partition(".")
    return _UNITS.get(name) or _SINGLE[quantity][0]


def estimate(quantity: str, result: Result) -> Estimate:
    """What the result says of it."""
    name, _, stat = quantity.partition(".")
    if name in _UNITS:
        return _of_metric(result.metrics.get(name), stat)
    return _SINGLE[quantity][1](result)


def check_quantity(quantity: str, where: str) -> str:
    """The quantity as it is written in results (`p99.9` becomes `p99_9`).

    Raises:
        UsageError: there is none of that name.
    """
    name, _, stat = quantity.partition(".")
    stat = stat.replace(".", "_")
    if name in _UNITS:
        if stat in STATS:
            return f"{name}.{stat}"
        raise UsageError(f"{where!r}: {name} has {', '.join(STATS)}; write it like {name}.p95")
    if quantity in _SINGLE:
        return quantity
    known = [*_SINGLE, *(f"{metric}.p95" for metric in _UNITS)]
    near = difflib.get_close_matches(quantity, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    raise UsageError(f"unknown quantity {quantity!r} in {where!r}; {hint}")


def _parse(text: str) -> Threshold:
    match = _THRESHOLD.fullmatch(text)
    if match is None:
        raise UsageError(f"{text.strip()!r} is not a threshold; write it like ttft.p95<800ms")
    name, sign, limit = match.groups()
    quantity = check_quantity(name, text.strip())
    unit = unit_of(quantity)
    try:
        value = _LIMITS[unit](limit) if unit in _LIMITS else float(limit)
    except ValueError:
        raise UsageError(f"{limit!r} is not a number of {unit} in {text.strip()!r}") from None
    return Threshold(text=text.strip(), quantity=quantity, below=sign[0] == "<", limit=value)


_LIMITS: dict[str, Callable[[str], float]] = {
    "s": lambda text: parse_duration(text) / NS_PER_S,
    "USD": lambda text: float(parse_money(text)),
    "ratio": lambda text: parse_percent(text) if text.endswith("%") else float(text),
}


def _judged(threshold: Threshold, found: Estimate) -> tuple[State, str]:
    ends = ends_of(found)
    if found.verdict == "INVALID":
        return "NO VERDICT", "the measurement is invalid: see the report"
    if ends is None:
        what = "unknown" if found.value is None else "no interval yet"
        return "NO VERDICT", what + wanting(found)
    good = [end < threshold.limit if threshold.below else end >= threshold.limit for end in ends]
    if all(good):
        return "PASS", "" if found.verdict == "VALID" else f"though {found.verdict}"
    if not any(good):
        return (
            "FAIL",
            "beyond the limit" if found.exact else "the whole interval is beyond the limit",
        )
    return "NO VERDICT", f"the limit lies inside the interval{_more(threshold, found, ends)}"


def ends_of(found: Estimate) -> tuple[float, float] | None:
    """The interval a quantity lies in; an exact one is its own. None where nobody knows."""
    if found.exact and found.value is not None:
        return found.value, found.value
    return found.interval if found.value is not None else None


def wanting(found: Estimate) -> str:
    """How many requests are missing, where that is known."""
    return f": needs {found.needs - found.n:,} more requests" if found.needs else ""


def _more(threshold: Threshold, found: Estimate, ends: tuple[float, float]) -> str:
    """How many more requests would clear the limit, if the value stays: widths shrink with the root."""
    distance = abs((found.value or 0.0) - threshold.limit)
    half = (ends[1] - ends[0]) / 2.0
    if not distance or not found.n:
        return ""
    more = math.ceil(found.n * ((half / distance) ** 2 - 1.0) * 1.2)
    return f": about {more:,} more requests" if 0 < more < 1_000_000 else ""


def _of_metric(found: Distribution | None, stat: str) -> Estimate:
    if found is None or not found.n:
        return Estimate(value=None, needs=1)
    value: float | None = getattr(found, stat)
    return Estimate(
        value=value,
        interval=_mean_interval(found) if stat == "mean" else found.interval.get(stat),
        n=found.n,
        needs=found.needs.get(stat),
        verdict=found.verdict or "VALID",
        exact=stat in {"min", "max"},
    )


def _mean_interval(found: Distribution) -> tuple[float, float] | None:
    """Student's, widened where neighbouring requests depend on each other."""
    if found.mean is None or found.std is None:
        return None
    reach = student_t_quantile(0.975, found.n - 1) * found.std
    reach *= math.sqrt((found.tau or 1.0) / found.n)
    return found.mean - reach, found.mean + reach


def _share(outcomes: tuple[str, ...], *, of_all: bool = True) -> Callable[[Result], Estimate]:
    """The share of planned requests with one of these outcomes, with its exact binomial interval."""

    def of(result: Result) -> Estimate:
        total = sum(result.outcomes.values()) if of_all else result.offered.sent
        if not total:
            return Estimate(value=None, needs=1)
        count = sum(result.outcomes[name] for name in outcomes)
        return Estimate(value=count / total, interval=share_interval(count, total), n=total)

    return of


def _rate_limited(result: Result) -> Estimate:
    total = sum(result.outcomes.values())
    if not total:
        return Estimate(value=None, needs=1)
    count = sum(failure.count for failure in result.failures if failure.cause == "rate_limited")
    return Estimate(value=count / total, interval=share_interval(count, total), n=total)


def _good(result: Result) -> Estimate:
    goodput, total = result.goodput, result.offered.planned
    if goodput is None or not total:
        return Estimate(value=None)
    return Estimate(value=goodput.ratio, interval=share_interval(goodput.good, total), n=total)


def _exactly(of: Callable[[Result], float | str | None]) -> Callable[[Result], Estimate]:
    def found(result: Result) -> Estimate:
        value = of(result)
        number = float(Decimal(value)) if isinstance(value, str) else value
        return Estimate(value=number, n=result.outcomes["ok"], exact=True)

    return found


_FAILED = (
    "filtered",
    "error_connect",
    "error_http",
    "error_in_stream",
    "protocol_error",
    "truncated",
    "stalled",
    "cancelled",
)
_SINGLE: dict[str, tuple[str, Callable[[Result], Estimate]]] = {
    "success_rate": ("ratio", _share(("ok",))),
    "error_rate": ("ratio", _share(_FAILED)),
    "rate_limited_rate": ("ratio", _rate_limited),
    "goodput.ratio": ("ratio", _good),
    "goodput.rate": ("requests/s", _exactly(lambda r: r.goodput.rate if r.goodput else None)),
    "throughput.output_tokens": ("tokens/s", _exactly(lambda r: r.throughput.output_tokens)),
    "throughput.requests": ("requests/s", _exactly(lambda r: r.throughput.wall_requests)),
    "cost.total": ("USD", _exactly(lambda r: r.cost.total if r.cost else None)),
    "cost.mean": ("USD", _exactly(lambda r: r.cost.mean if r.cost else None)),
    "cost.per_thousand_good": (
        "USD",
        _exactly(lambda r: r.cost.per_thousand_good if r.cost else None),
    ),
}
"""Quantities that are no metric's: their unit, and how they are read off a result."""
