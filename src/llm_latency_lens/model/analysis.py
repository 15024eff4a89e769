"""The analysis document: stored runs read again, filtered, grouped, in time, and over a history."""

from msgspec import Struct

from llm_latency_lens.model.result import Distribution

ANALYSIS_SCHEMA = "llm-latency-lens/analysis/1"


class Group(Struct, frozen=True, kw_only=True):
    """Requests that have a field's value in common; `metrics` are of the successful ones."""

    key: str
    requests: int
    outcomes: dict[str, int]
    metrics: dict[str, Distribution]


class Bucket(Struct, frozen=True, kw_only=True):
    """A stretch of time: seconds from the first intended start; medians in seconds, tokens by usage per second."""

    begin: float
    requests: int
    success_rate: float
    ttft_p50: float | None
    ttft_p95: float | None
    tpot_p50: float | None
    output_tokens: float


class Change(Struct, frozen=True, kw_only=True):
    """A step in a history: the first run after it, the medians about it."""

    run: str
    before: float
    after: float


class History(Struct, frozen=True, kw_only=True):
    """One quantity over runs in the order of their start. `needs` runs would allow to look for steps."""

    quantity: str
    runs: tuple[tuple[str, str, float], ...]
    changes: tuple[Change, ...]
    trend: float | None
    trend_interval: tuple[float, float] | None
    needs: int | None


class Analysis(Struct, frozen=True, kw_only=True):
    """The whole document. `steady_from` is the share of requests that MSER-5 would cut as warm-up."""

    runs: tuple[str, ...]
    where: str
    by: str
    requests: int
    groups: tuple[Group, ...]
    buckets: tuple[Bucket, ...]
    trend: float | None
    trend_interval: tuple[float, float] | None
    steady_from: float | None
    history: History | None
    schema: str = ANALYSIS_SCHEMA
