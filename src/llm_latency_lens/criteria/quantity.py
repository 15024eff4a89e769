"""The quantities of conditions: the statistics of every metric, and those of a whole run."""

import msgspec
from msgspec import Struct

from llm_latency_lens.criteria.estimate import SINGLE, QuantityEstimate, Shape, of_distribution
from llm_latency_lens.errors import UsageError, did_you_mean
from llm_latency_lens.metrics.column import PERCENTILES
from llm_latency_lens.metrics.definitions import GAP_METRICS, METRICS, Metric
from llm_latency_lens.metrics.quality import verdict_of
from llm_latency_lens.model.result import Result

STATISTICS = ("mean", "min", "max", *PERCENTILES)
METRIC_BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
_UNITS = {metric.name: metric.unit for metric in METRICS} | dict.fromkeys(GAP_METRICS, "s")
_SHAPES: dict[str, Shape] = {"max": "largest", "min": "smallest"}


class ResultQuantity(Struct, frozen=True, kw_only=True):
    """One number of a result.

    Attributes:
        name: as documents write it, such as `ttft.p99_9` or `success_rate`.
        unit: s, tokens/s, requests/s, USD, ratio or what its metric has.
        metric, statistic: where it is taken from; empty where it is of the whole run.
        shape: how it varies from run to run; the largest of many values is skewed.
        grows: whether a run of more requests has more of it.
    """

    name: str
    unit: str
    metric: str = ""
    statistic: str = ""
    shape: Shape = "symmetric"
    grows: bool = False


def find_quantity(name: str) -> ResultQuantity:
    """Return the quantity of this name; `p99.9` and `p99_9` are the same.

    Raises:
        UsageError: there is none, with the nearest name or the statistics that a metric has.
    """
    if name in SINGLE:
        return ResultQuantity(name=name, unit=SINGLE[name].unit, grows=SINGLE[name].grows)
    metric, _, statistic = name.partition(".")
    statistic = statistic.replace(".", "_")
    if metric not in _UNITS:
        ending = f".{statistic}" if statistic in STATISTICS else ".p95"
        known = [*SINGLE, *(metric + ending for metric in _UNITS)]
        raise UsageError(f"unknown quantity {name!r}; {did_you_mean(name, known)}")
    if statistic not in STATISTICS:
        listed = ", ".join(STATISTICS)
        raise UsageError(f"unknown quantity {name!r}; {metric} has {listed}, such as {metric}.p95")
    return ResultQuantity(
        name=f"{metric}.{statistic}",
        unit=_UNITS[metric],
        metric=metric,
        statistic=statistic,
        shape=_SHAPES.get(statistic, "symmetric"),
        grows=statistic in _SHAPES,
    )


def find_metric(name: str, known: dict[str, Metric]) -> Metric:
    """Return one of the known metrics.

    Raises:
        UsageError: there is none of that name, with the nearest.
    """
    if name in GAP_METRICS:
        raise UsageError(f"{name} is of single gaps, of which a request has many: use tpot")
    if name not in known:
        raise UsageError(f"unknown metric {name!r}; {did_you_mean(name, known)}")
    return known[name]


def estimate(quantity: ResultQuantity, result: Result) -> QuantityEstimate:
    """Return what a result says of a quantity, with the verdict of what it is taken from."""
    if quantity.metric:
        return of_distribution(result.metrics.get(quantity.metric), quantity.statistic)
    found = SINGLE[quantity.name].read(result)
    verdict, _ = verdict_of(quantity.name.partition(".")[0], result.quality.checks)
    return msgspec.structs.replace(found, verdict=verdict)
