"""Stored records read again: grouped by a field, cut into stretches of time; and results over a history."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from llm_latency_lens.metrics.columns import BY_NAME
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.analysis import Bucket, Change, Group, History
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import Result
from llm_latency_lens.stats.series import Trend, change_points, steady_from, trend
from llm_latency_lens.units import NS_PER_S

FEWEST_RUNS = 20
"""A step has at least ten runs on either side."""


def grouped(records: Iterable[Record], by: str) -> tuple[Group, ...]:
    """The measured records by the value of a field, in the order in which values first came."""
    field = BY_NAME[by]
    found: dict[str, Summary] = {}
    for record in records:
        key = str(field.of(record))
        found.setdefault(key, Summary()).add(record)
    return tuple(
        Group(
            key=key,
            requests=summary.measured,
            outcomes=summary.books(Counts(planned=summary.measured, not_sent=0)),
            metrics=summary.distributions(),
        )
        for key, summary in found.items()
    )


def in_time(records: Sequence[Record], every: int) -> tuple[Bucket, ...]:
    """Stretches of `every` ns from the first intended start; records of one run, or of runs on one clock."""
    if not records:
        return ()
    origin = min(record.intended for record in records)
    cut: dict[int, Summary] = {}
    for record in records:
        cut.setdefault((record.intended - origin) // every, Summary()).add(record)
    return tuple(_bucket(number * every / NS_PER_S, every / NS_PER_S, cut[number]) for number in sorted(cut))  # fmt: skip


def _bucket(begin: float, length: float, summary: Summary) -> Bucket:
    metrics = summary.distributions()

    def of(metric: str, stat: str) -> float | None:
        found = metrics.get(metric)
        value: float | None = getattr(found, stat) if found is not None else None
        return value

    return Bucket(
        begin=begin,
        requests=summary.measured,
        success_rate=summary.outcomes["ok"] / summary.measured if summary.measured else 0.0,
        ttft_p50=of("ttft", "p50"),
        ttft_p95=of("ttft", "p95"),
        tpot_p50=of("tpot", "p50"),
        output_tokens=(summary.tokens().output or 0) / length,
    )


def ttft_trend(records: Iterable[Record]) -> tuple[Trend | None, float | None]:
    """The trend of TTFT over the records, and the share that MSER-5 cuts (None: never steady)."""
    summary = Summary()
    for record in records:
        summary.add(record)
    series = summary.columns["ttft"].series(summary.order)
    cut = steady_from(series)
    return trend(series), None if cut is None else cut / max(len(series), 1)


def history(
    results: Sequence[Result], quantity: str, read: Callable[[Result], float | None]
) -> History:
    """A quantity over results in the order of their start: steps, where there are enough, and the trend.

    `read` gives the quantity of a result.
    """
    ordered = sorted(results, key=lambda result: str(result.run["started"]))
    known = [
        (str(result.run["id"]), str(result.run["started"]), value)
        for result in ordered
        if (value := read(result)) is not None
    ]
    series = np.array([value for _, _, value in known])
    enough = len(series) >= FEWEST_RUNS
    found = trend(series) if len(series) else None
    return History(
        quantity=quantity,
        runs=tuple(known),
        changes=tuple(
            Change(run=known[step.index][0], before=step.before, after=step.after)
            for step in (change_points(series) if enough else ())
        ),
        trend=found.change if found else None,
        trend_interval=found.interval if found else None,
        needs=None if enough else FEWEST_RUNS,
    )
