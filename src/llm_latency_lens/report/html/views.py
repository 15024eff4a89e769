"""The plots of a run: distributions, what happened when, where answers stalled, where the time went.

Large runs are thinned by rules that the captions state; failures are never left out.
"""

from collections.abc import Iterator

import numpy as np

from llm_latency_lens.model.result import Result
from llm_latency_lens.report.html.details import Details
from llm_latency_lens.report.html.element import Element
from llm_latency_lens.report.html.plot import (
    Axis,
    Frame,
    axis_over,
    count,
    seconds,
    share,
)
from llm_latency_lens.units import NS_PER_S, format_duration, format_number

_CURVE = 600
_POINTS = 3000
_ECDF: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("TTFT", (("ttft", "from send"), ("ttft_from_intended", "from intended start"))),
    ("TPOT", (("tpot", "per token"),)),
    ("End to end", (("e2e", "from send"),)),
)


_OVER_TIME = (
    ("ttft", "TTFT", "time to first token"),
    ("e2e", "end to end", "time to the end of the answer"),
)


def distributions(result: Result, details: Details) -> Element | None:
    """Empirical distributions, both origins, with the percentiles' intervals on them."""
    figures = [
        _ecdf(title, series, result, details)
        for title, series in _ECDF
        if len(details.values(series[0][0])) > 1
    ]
    if not figures:
        return None
    rule = f"Curves of more than {_CURVE} requests are drawn through {_CURVE} of their quantiles."
    words = "The share of requests that were as fast or faster. Bars: 95 % intervals of p50, p95 and p99."  # fmt: skip
    return Element(
        "section", Element("h2", "Distributions"), Element("p", f"{words} {rule}", class_="faint"),
        Element("div", *figures, class_="plots"),
    )  # fmt: skip


def _ecdf(
    title: str, series: tuple[tuple[str, str], ...], result: Result, details: Details
) -> Element:
    columns = [details.values(name) for name, _ in series]
    frame = Frame(
        axis_over(columns, seconds), Axis(low=0.0, high=1.0, form=share), width=420.0, height=250.0
    )
    for number, ((name, _), values) in enumerate(zip(series, columns, strict=True), 1):
        at = np.linspace(0.0, 1.0, min(len(values), _CURVE))
        frame.line(np.quantile(values, at), at, number, dashed=number > 1)
        found = result.metrics.get(name)
        for stat, p in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            ends = found.interval.get(stat) if found is not None else None
            if ends is not None:
                frame.interval(ends[0], ends[1], p, number)
    keys = _keys([label for _, label in series]) if len(series) > 1 else None
    return Element("figure", Element("h3", title), frame.svg(f"{title}: distribution"), keys)


def timeline(_: Result, details: Details) -> Element | None:
    """Every request's TTFT by its start, and below it tokens per second and requests under way.

    Unstreamed answers have no TTFT: theirs is the time to the end.
    """
    starts, ok = details.column("intended"), details.ok
    if not len(starts):
        return None
    name, label, meaning = next(
        (row for row in _OVER_TIME if len(details.values(row[0]))), _OVER_TIME[0]
    )
    latency = details.column(name)
    good = np.flatnonzero(ok & ~np.isnan(latency))
    step = max(1, -(-len(good) // _POINTS))
    shown = good[::step]
    over = axis_over([starts, details.column("ended")], seconds, "since the first start", from_zero=True)  # fmt: skip
    requests = Frame(over, axis_over([latency[good]], seconds))
    requests.dots(starts[shown], latency[shown], 1)
    failed = np.flatnonzero(~ok)
    requests.dots(starts[failed], np.full(len(failed), requests.y.high), 2, radius=3.5)
    words = f"A point a request: when it was to start, and its {meaning}." + (
        f" One in {step} is drawn." if step > 1 else ""
    )
    labels = ["succeeded"] + ([f"failed, at the upper edge ({len(failed):,})"] if len(failed) else [])  # fmt: skip
    return Element(
        "section", Element("h2", "Over time"),
        Element("figure", requests.svg(f"{label} over time"), Element("figcaption", words, _keys(labels))),
        _throughput(over, details),
    )  # fmt: skip


def _throughput(over: Axis, details: Details) -> Element:
    at, rate = details.token_rate()
    when, under_way = details.in_flight()
    tokens = Frame(over, axis_over([rate], count, from_zero=True), height=190.0)
    tokens.line(at, rate, 3)
    flight = Frame(over, axis_over([under_way], count, from_zero=True), height=150.0)
    keep = np.unique(np.linspace(0, max(len(when) - 1, 0), 1500).astype(np.int64))
    if len(when):
        xs, ys = np.repeat(when[keep], 2)[1:], np.repeat(under_way[keep], 2)[:-1]
        flight.line(xs, ys, 4)
    return Element(
        "div",
        Element("figure", Element("h3", "Token events per second"), tokens.svg("throughput over time")),
        Element("figure", Element("h3", "Requests in flight"), flight.svg("requests in flight over time")),
    )  # fmt: skip


def stalls(result: Result, details: Details) -> Element | None:
    """Where in their answers requests stalled: the longest gap by request and by time within it."""
    found = details.gap_map()
    if found is None:
        return None
    cells, span, each = found
    longest = float(cells.max())
    rows, columns = cells.shape
    frame = Frame(
        Axis(low=0.0, high=span, form=seconds, label="since the request was sent"),
        Axis(low=0.0, high=rows * each, form=count),
        height=240.0,
    )
    # A gap of a tenth of the longest is faint, the longest is full.
    for row, column in np.argwhere(cells > 0.1 * longest).tolist():
        gap = float(cells[row, column])
        xs = (column * span / columns, (column + 1) * span / columns)
        frame.box(xs, (row * each, (row + 1) * each), "f5", _time(gap), gap / longest)
    count_ = result.metrics.get("stall_count")
    stalled = "" if count_ is None or not count_.max else f" Up to {count_.max:.0f} stalls in a request."  # fmt: skip
    words = f"Rows: requests in the order of their start, {format_number(each)} in each; colour: the longest gap between arrivals, {_time(longest)} at its fullest.{stalled}"  # fmt: skip
    return Element(
        "section", Element("h2", "Gaps and stalls"),
        Element("figure", frame.svg("stall map"), Element("figcaption", words)),
    )  # fmt: skip


def phases(_: Result, details: Details) -> Element | None:
    """Where the time of a median request went, on new and on kept connections."""
    kinds = [
        (label, found)
        for label, reused in (("on a new connection", False), ("on a kept connection", True))
        if (found := details.phase_medians(reused=reused))
    ]
    if not kinds:
        return None
    longest = max(sum(found.values()) for __, found in kinds) or 1.0
    frame = Frame(
        Axis(low=0.0, high=longest * 1.02, form=seconds),
        Axis(low=0.0, high=float(len(kinds)), form=lambda _: ""),
        height=60.0 + 56.0 * len(kinds),
    )
    names = [name for name in kinds[0][1] if any(found[name] for __, found in kinds)]
    for row, (label, found) in enumerate(kinds):
        at, low = 0.0, len(kinds) - 1.0 - row
        for number, name in enumerate(names):
            length = found[name]
            if length > 0.0:
                frame.box((at, at + length), (low + 0.15, low + 0.6), f"f{number % 5 + 1}", f"{name}: {_time(length)}")  # fmt: skip
            at += length
        frame.text(0.0, low + 0.62, f"{label}: {_time(at)}")
    rows = [
        Element("tr", Element("td", name, class_="text"), *(Element("td", _time(found[name]) if found[name] else "-") for __, found in kinds))
        for name in names
    ]  # fmt: skip
    head = Element("tr", Element("th", "", class_="text"), *(Element("th", label) for label, __ in kinds))  # fmt: skip
    return Element(
        "section", Element("h2", "Where the time goes"),
        Element("p", "Medians of each phase; wait is from send to the first byte.", class_="faint"),
        Element("figure", frame.svg("phases of a request"), Element("figcaption", _keys(names))),
        Element("div", Element("table", Element("thead", head), Element("tbody", *rows)), class_="scroll", tabindex="0"),
    )  # fmt: skip


def _keys(labels: list[str]) -> Element:
    def parts() -> Iterator[Element]:
        for number, label in enumerate(labels):
            yield Element("span", class_=f"key k{number % 5 + 1}")
            yield Element("span", label)

    return Element("div", *parts(), class_="faint")


def _time(value: float) -> str:
    return format_duration(value * NS_PER_S)


VIEWS = (distributions, timeline, stalls, phases)
"""In the order of the page."""
