"""Goodput, to be read: the share of good requests, and what became of each limit."""

from collections.abc import Iterator

from llm_latency_lens.model.result import Goodput, LimitCount
from llm_latency_lens.report.document import Fact
from llm_latency_lens.units import format_rate


def goodput_facts(goodput: Goodput | None) -> Iterator[Fact]:
    """Give the share and the rate, then one line a limit."""
    if goodput is None:
        return
    share = "-" if goodput.ratio is None else f"{goodput.ratio:.1%}"
    rate = "-" if goodput.rate is None else format_rate(goodput.rate, "requests")
    note, base = ", ".join(goodput.limits), "what was offered"
    if goodput.without:
        note = f"without {goodput.without:,} requests that have no limited metric"
        base = "the requests that have one"
    if goodput.verdict not in {None, "VALID"}:
        note = f"{goodput.verdict}: {'; '.join(goodput.reasons)}"
    yield Fact("goodput", f"{share} of {base}, {rate}", note)
    for count in goodput.by_limit:
        yield Fact(
            f"  {count.text}", f"{count.met:,} met, {count.missed:,} missed", _left_out(count)
        )


def _left_out(count: LimitCount) -> str:
    if not count.without:
        return ""
    return f"{count.without:,} requests do not have the metric: neither met nor missed"
