"""What a result says of one quantity: its value, and the interval in which it lies."""

from collections.abc import Callable
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from llm_latency_lens.model.result import Distribution, Result, Verdict
from llm_latency_lens.stats.beta import share_interval

Shape = Literal["symmetric", "largest", "smallest"]


class QuantityEstimate(Struct, frozen=True, kw_only=True):
    """A quantity of one run.

    Attributes:
        value: in the base unit; None where it is unknown.
        interval: the 95 % interval that the run itself supports; None where it supports none.
        n: the requests it rests on.
        needs: the requests that an interval takes, where that is known.
        verdict: of the metric it is taken from.
    """

    value: float | None
    interval: tuple[float, float] | None = None
    n: int = 0
    needs: int | None = None
    verdict: Verdict = "VALID"


class Single(Struct, frozen=True, kw_only=True):
    """A quantity of a whole run: its unit, how it is read, whether it grows with the requests."""

    unit: str
    read: Callable[[Result], QuantityEstimate]
    grows: bool = False


def of_distribution(found: Distribution | None, statistic: str) -> QuantityEstimate:
    """Return a statistic of a metric; the largest and the smallest value have no interval."""
    if found is None or not found.n:
        return QuantityEstimate(value=None, needs=1)
    value: float | None = getattr(found, statistic)
    interval = found.interval.get(statistic)
    return QuantityEstimate(
        value=value,
        interval=_widened(interval, found.room(statistic)),
        n=found.n,
        needs=found.needs.get(statistic),
        verdict=found.verdict or "VALID",
    )


def _widened(
    interval: tuple[float, float] | None, room: tuple[float, float]
) -> tuple[float, float] | None:
    """The interval where the percentile may lie so far below and above its value."""
    return None if interval is None else (interval[0] - room[0], interval[1] + room[1])


def _share(outcomes: tuple[str, ...]) -> Callable[[Result], QuantityEstimate]:
    """The share of offered requests that ended in one of these outcomes."""
    return lambda result: _share_of(
        sum(result.outcomes[name] for name in outcomes), _offered(result)
    )


def _offered(result: Result) -> int:
    """The planned requests less those that were withheld because the run was ended."""
    return sum(result.outcomes.values()) - result.offered.withheld


def _share_of(count: int, total: int) -> QuantityEstimate:
    if total <= 0:
        return QuantityEstimate(value=None, needs=1)
    return QuantityEstimate(value=count / total, interval=share_interval(count, total), n=total)


def _rate_limited(result: Result) -> QuantityEstimate:
    causes = (failure.count for failure in result.failures if failure.cause == "rate_limited")
    return _share_of(sum(causes), _offered(result))


def _good_share(result: Result) -> QuantityEstimate:
    goodput = result.goodput
    if goodput is None:
        return QuantityEstimate(value=None)
    return _share_of(goodput.good, _offered(result) - goodput.without)


def _rate(read: Callable[[Result], float | None]) -> Callable[[Result], QuantityEstimate]:
    """What a run delivers per second; that of a run in which nothing succeeded is surely 0."""

    def estimate(result: Result) -> QuantityEstimate:
        value, succeeded = read(result), result.outcomes["ok"]
        if not succeeded and result.offered.sent:
            return QuantityEstimate(value=0.0, interval=(0.0, 0.0), n=result.offered.sent)
        return QuantityEstimate(value=value, n=succeeded)

    return estimate


def _dollars(read: Callable[[Result], str | None]) -> Callable[[Result], QuantityEstimate]:
    def estimate(result: Result) -> QuantityEstimate:
        value = read(result)
        return QuantityEstimate(
            value=None if value is None else float(Decimal(value)), n=_priced(result)
        )

    return estimate


def _mean_cost(result: Result) -> QuantityEstimate:
    cost = result.cost
    if cost is None or cost.mean is None:
        return QuantityEstimate(value=None)
    ends = cost.mean_interval
    return QuantityEstimate(
        value=float(Decimal(cost.mean)),
        interval=(float(Decimal(ends[0])), float(Decimal(ends[1]))) if ends else None,
        n=cost.priced,
    )


def _priced(result: Result) -> int:
    return result.cost.priced if result.cost else 0


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
SINGLE: dict[str, Single] = {
    "success_rate": Single(unit="ratio", read=_share(("ok",))),
    "error_rate": Single(unit="ratio", read=_share(_FAILED)),
    "rate_limited_rate": Single(unit="ratio", read=_rate_limited),
    "goodput.ratio": Single(unit="ratio", read=_good_share),
    "goodput.rate": Single(
        unit="requests/s", read=_rate(lambda r: r.goodput.rate if r.goodput else None)
    ),
    "throughput.output_tokens": Single(
        unit="tokens/s", read=_rate(lambda r: r.throughput.output_tokens)
    ),
    "throughput.requests": Single(
        unit="requests/s", read=_rate(lambda r: r.throughput.wall_requests)
    ),
    "cost.total": Single(
        unit="USD", read=_dollars(lambda r: r.cost.total if r.cost else None), grows=True
    ),
    "cost.mean": Single(unit="USD", read=_mean_cost),
    "cost.per_thousand_good": Single(
        unit="USD", read=_dollars(lambda r: r.cost.per_thousand_good if r.cost else None)
    ),
}
"""Quantities of a whole run, by name."""
