"""What a plan would cost, for people."""

from llm_latency_lens.cost.estimate import Estimate
from llm_latency_lens.cost.price import Price, Rates
from llm_latency_lens.report.document import Block, Fact, Facts, Note, Report
from llm_latency_lens.units import format_money

_RATES = ("input", "cached", "cache_write", "output", "reasoning")


def estimate_report(target: str, found: Estimate | None, price: Price | None) -> Report:
    """The estimate and the prices it was made with."""
    title = f"{target} - cost of the plan"
    if price is None or found is None:
        words = "unknown: no price is known for this model there; give one with --prices FILE"
        return Report(title, (Note(words, "warn"),))
    facts = (
        Fact("low", format_money(found.low), "short answers"),
        Fact("expected", format_money(found.expected), "four characters a token, answers half as long as they may be"),
        Fact("high", format_money(found.high), "a token for each byte, the longest answers"),
        Fact("requests", f"{found.requests:,}", found.basis),
    )  # fmt: skip
    return Report(title, (Facts("Estimate", facts), prices(price, "Prices per million tokens")))


def prices(price: Price, title: str) -> Block:
    """A model's rates and who says so."""
    dated = f" of {price.as_of}" if price.as_of else ""
    rows = [Fact("source", f"{price.source}{dated}", "; ".join(price.notes))]
    rows += _rows(price.rates, "")
    for tier in price.tiers:
        rows += _rows(tier.rates, f" above {tier.above:,} input tokens")
    return Facts(title, tuple(rows))


def _rows(rates: Rates, where: str) -> list[Fact]:
    found = ((name, getattr(rates, name)) for name in _RATES)
    return [
        Fact(name.replace("_", " ") + where, format_money(rate))
        for name, rate in found
        if rate is not None
    ]
