"""What it cost, as a part of a report."""

from collections.abc import Iterator
from decimal import Decimal

from llm_latency_lens.cost.price import STANDARD
from llm_latency_lens.model.result import Cost
from llm_latency_lens.report.document import Fact, Facts, Tone
from llm_latency_lens.units import format_money

_NAMES = {
    "input": "input",
    "cached": "cached input",
    "cache_write": "cache writes",
    "output": "output",
    "reasoning": "reasoning",
    "audio": "audio",
    "request": "per-request fee",
}


_PLAIN: Tone = "plain"
_SAME_BILL = Decimal("0.01")
"""Up to such a share the provider's bill and ours may differ."""


def spending(cost: Cost | None) -> Facts | None:
    """The section on cost; None where there is nothing to say."""
    if cost is None or not (cost.priced or cost.unknown):
        return None
    parts = (_totals, _bill, _tiers, _doubts, _cap)
    return Facts("Cost", tuple(fact for part in parts for fact in part(cost)))


def _totals(cost: Cost) -> Iterator[Fact]:
    if cost.total is None:
        words = cost.note or "token counts, or the price of a kind of token, are not known"
        yield Fact("total", "unknown", words, "warn")
        return
    parts = (f"{_NAMES[name]} {_money(part)}" for name, part in cost.parts.items() if Decimal(part))
    yield Fact("total", _money(cost.total), ", ".join(parts))
    each = f"{_money(cost.per_thousand_good)} per 1,000 good ones" if cost.per_thousand_good else ""
    yield Fact("per request", _money(cost.mean or "0"), each)
    if cost.price is not None:
        dated = f" of {cost.price['as_of']}" if cost.price["as_of"] else ""
        yield Fact("prices", f"{cost.price['source']}{dated}", "; ".join(cost.price["notes"]))


def _bill(cost: Cost) -> Iterator[Fact]:
    """What the server said that it charged, beside what the same requests cost by their counts."""
    bill = cost.bill
    if bill is None:
        return
    theirs, ours = Decimal(bill.compared_total), Decimal(bill.own_total)
    words, tone = f"for {bill.requests:,} requests, as the server says", _PLAIN
    if bill.compared and theirs != ours:
        apart = f" ({theirs / ours - 1:+.1%})" if ours else ""
        words += (
            f"; of {bill.compared:,} of them it says {format_money(theirs)}{apart}, their token"
            f" counts say {format_money(ours)}"
        )
        tone = "warn" if abs(theirs - ours) > _SAME_BILL * max(theirs, ours) else _PLAIN
    yield Fact("provider's bill", _money(bill.total), words, tone)


def _tiers(cost: Cost) -> Iterator[Fact]:
    """The service tier that was asked for and those that answered; models priced by their names."""
    asked, answered = cost.service_tier, cost.service_tiers
    if asked is not None or len(answered) > 1 or not set(answered) <= STANDARD:
        listed = _listed(answered) or "the server does not say"
        is_other = asked is not None and asked not in STANDARD and set(answered) != {asked.lower()}
        words = f"asked for {asked}" if asked is not None else "none was asked for"
        yield Fact("service tier", listed, words, "warn" if is_other else "plain")
    if cost.priced_as:
        words = "the model that the answers name, not the one asked for; settle it with --price-as"
        yield Fact("priced as", _listed(cost.priced_as), words, "warn")


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(
        f"{name} ({count:,} request{'s' * (count != 1)})" for name, count in counts.items()
    )


def _doubts(cost: Cost) -> Iterator[Fact]:
    if cost.unknown and cost.total is not None:
        words = "no counts, or no price for a kind of token: not in the total"
        yield Fact("unknown", f"{cost.unknown:,} requests", words, "warn")
    if cost.estimated:
        yield Fact(
            "estimated",
            f"{cost.estimated:,} requests",
            "token counts or rates are estimates: the bill may differ",
            "warn",
        )


def _cap(cost: Cost) -> Iterator[Fact]:
    if cost.cap is None:
        return
    spent = f"{_money(cost.cap['spent'])} of {_money(cost.cap['cap'])}"
    stopped = "the cap stopped the run" if cost.cap["broke"] else "kept"
    yield Fact("cap", spent, stopped, "warn" if cost.cap["broke"] else "plain")
    if Decimal(cost.cap["overrun"]):
        words = (
            "charged beyond the most that requests were to cost; later ones reserved that much more"
        )
        yield Fact("overrun", _money(cost.cap["overrun"]), words, "bad")
    if cost.cap["assumed"]:
        words = "no final token counts came: counted as their worst case"
        yield Fact("assumed", f"{cost.cap['assumed']:,} requests", words, "warn")


def _money(text: str) -> str:
    return format_money(Decimal(text))
