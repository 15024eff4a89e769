"""The plots of a comparison and of a search for capacity."""

import numpy as np

from llm_latency_lens.model.capacity import Capacity
from llm_latency_lens.model.comparison import Comparison
from llm_latency_lens.report.html.element import Element
from llm_latency_lens.report.html.plot import Axis, Frame, axis_over, count, seconds

_FINDING_SERIES = {"more": 2, "less": 3, "equivalent": 1, "inconclusive": 5}
_JUDGED_SERIES = {"pass": 3, "fail": 2, "undecided": 5}


def forest(comparison: Comparison) -> Element | None:
    """Each question's ratio with its interval, and the band of differences that do not matter."""
    known = [
        (one, one.ratio, one.interval)
        for one in comparison.contrasts
        if one.ratio is not None and one.interval is not None
    ]
    if not known:
        return None
    ends = [end - 1.0 for _, _, interval in known for end in interval]
    farthest = max(1.5 * comparison.margin, *(abs(ratio - 1.0) for _, ratio, _ in known))
    # A bias can leave an interval all but unbounded; it ends at the edge of the plot.
    reach = 1.1 * min(max(farthest, *map(abs, ends)), 4.0 * farthest)
    x = Axis(low=-reach, high=reach, form=lambda v: f"{v:+.0%}", label="change against A")
    y = Axis(low=0.0, high=float(len(known)), form=lambda _: "")
    frame = Frame(x, y, height=60.0 + 34.0 * len(known))
    frame.box((-comparison.margin, comparison.margin), (0.0, y.high), "band")
    for row, (one, ratio, interval) in enumerate(known):
        at, series = len(known) - row - 0.65, _FINDING_SERIES[one.finding]
        low, high = (min(max(end - 1.0, -reach), reach) for end in interval)
        frame.interval(low, high, at, series)
        frame.dots(np.array([ratio - 1.0]), np.array([at]), series, radius=5.0)
        stat = "" if one.stat == "location" else f" {one.stat}"
        frame.text(-reach, at, f"{one.arm}: {one.metric}{stat}")
    words = (
        "Points: the change; bars: its interval, at a level that holds for all questions together;"
        " band: the margin."
    )
    figure = frame.svg("changes with intervals"), Element("figcaption", words)
    return Element("section", Element("h2", "Changes"), Element("figure", *figure))


def steps(capacity: Capacity) -> Element | None:
    """The rates that were tried with the TTFT that was seen, and the bracket between them."""
    rates = np.array([step.rate for step in capacity.steps])
    seen = np.array([step.ttft_p95 if step.ttft_p95 is not None else step.ttft_p50 or np.nan for step in capacity.steps])  # fmt: skip
    known = ~np.isnan(seen)
    if not known.any():
        return None
    frame = Frame(axis_over([rates], count, "requests per second"), axis_over([seen[known]], seconds))  # fmt: skip
    if capacity.passed is not None:
        high = capacity.failed if capacity.failed is not None else frame.x.high
        frame.box((capacity.passed, high), (frame.y.low, frame.y.high), "band")
    for judgement, series in _JUDGED_SERIES.items():
        chosen = known & np.array([step.judgement == judgement for step in capacity.steps])
        frame.dots(rates[chosen], seen[chosen], series, radius=5.0)
    keys = Element("div", *(e for name, n in _JUDGED_SERIES.items() for e in (Element("span", class_=f"key k{n}"), Element("span", name))), class_="faint")  # fmt: skip
    words = "Points: a step's rate and the TTFT p95 it saw (p50 where too few support a p95); band: the capacity lies here."  # fmt: skip
    return Element(
        "section", Element("h2", "Steps of the search"),
        Element("figure", frame.svg("steps of the search"), Element("figcaption", words, keys)),
    )  # fmt: skip
