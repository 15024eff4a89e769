"""What it cost, as a part of a report."""

from collections.abc import Iterator
from decimal import Decimal

from llm_latency_lens.model.result import Cost
from llm_latency_lens.report.document import Fact, Facts
from llm_latency_lens.units import format_money

_NAMES = {
    "input": "input",
    "cached": "cached input",
    "cache_write": "cache writes",
    "output": "output",
    "reasoning": "reasoning",
    "request": "per-request fee",
}


def spending(cost: Cost | None) -> Facts | None:
    """The section on cost; None where there is nothing to say."""
    if cost is None or not (cost.priced or cost.unknown):
        return None
    return Facts("Cost", (*_totals(cost), *_doubts(cost), *_cap(cost)))


def _totals(cost: Cost) -> Iterator[Fact]:
    if cost.total is None:
        yield Fact("total", "unknown", cost.note or "the server told no token counts", "warn")
        return
    parts = (f"{_NAMES[name]} {_money(part)}" for name, part in cost.parts.items() if Decimal(part))
    yield Fact("total", _money(cost.total), ", ".join(parts))
    each = f"{_money(cost.per_thousand_good)} per 1,000 good ones" if cost.per_thousand_good else ""
    yield Fact("per request", _money(cost.mean or "0"), each)
    if cost.price is not None:
        dated = f" of {cost.price['as_of']}" if cost.price["as_of"] else ""
        yield Fact("prices", f"{cost.price['source']}{dated}", "; ".join(cost.price["notes"]))


def _doubts(cost: Cost) -> Iterator[Fact]:
    if cost.unknown and cost.total is not None:
        yield Fact("unknown", f"{cost.unknown:,} requests", "no counts: not in the total", "warn")
    if cost.estimated:
        yield Fact(
            "estimated",
            f"{cost.estimated:,} requests",
            "token counts are estimates: the bill may differ",
            "warn",
        )


def _cap(cost: Cost) -> Iterator[Fact]:
    if cost.cap is None:
        return
    spent = f"{_money(cost.cap['spent'])} of {_money(cost.cap['cap'])}"
    stopped = "the cap stopped the run" if cost.cap["broke"] else "kept"
    yield Fact("cap", spent, stopped, "warn" if cost.cap["broke"] else "plain")
    if Decimal(cost.cap["overrun"]):
        words = "the server generated more than it was allowed to"
        yield Fact("overrun", _money(cost.cap["overrun"]), words, "bad")
    if cost.cap["assumed"]:
        words = "nobody said what they cost: counted as their worst case"
        yield Fact("assumed", f"{cost.cap['assumed']:,} requests", words, "warn")


def _money(text: str) -> str:
    return format_money(Decimal(text))
