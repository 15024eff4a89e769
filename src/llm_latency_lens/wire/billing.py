"""What a server says of a request's price: the service tier it used, and what it charged.

Charges as gateways and providers report them: OpenRouter and LiteLLM (`usage.cost`), Perplexity
(`usage.cost.total_cost`), DeepInfra (`usage.estimated_cost`), xAI (`usage.cost_in_usd_ticks`).
"""

from decimal import Decimal, InvalidOperation
from typing import Any

from llm_latency_lens.model.events import Billing
from llm_latency_lens.wire.json_object import object_of, text_of

_CHARGES = (
    ("cost", Decimal(1)),
    ("cost_usd", Decimal(1)),
    ("total_cost", Decimal(1)),
    ("estimated_cost", Decimal(1)),
    ("cost_in_usd_ticks", Decimal("1e-10")),
)
"""Fields of a usage object, and their unit in US dollars."""
_TIERS = ("service_tier", "serviceTier", "trafficType")
_NAMES = frozenset((*_TIERS, *(name for name, _ in _CHARGES)))
_MOST = Decimal(10) ** 9


def billing_of(usage: object, tier: str | None = None) -> tuple[Billing, ...]:
    """What a usage object says of the price, if anything; `tier` is what was said beside it."""
    charged = None
    if isinstance(usage, dict) and not _NAMES.isdisjoint(usage):
        named = (text_of(usage, name) for name in _TIERS)
        tier = tier or next((name for name in named if name), None)
        charged = _charged(usage)
    if tier is None and charged is None:
        return ()
    return (Billing(_service(tier) if tier else None, charged),)


def dollars_of(value: object) -> Decimal | None:
    """An amount of money as a number or as text; None where it is no amount from 0 on."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < _MOST else None


def _service(name: str) -> str:
    """Gemini's ON_DEMAND_FLEX is what others call flex."""
    return name.lower().removeprefix("on_demand_")


def _charged(usage: dict[str, Any]) -> Decimal | None:
    for name, unit in _CHARGES:
        value = usage.get(name)
        parts = value.get("total_cost") if isinstance(value, dict) else value
        amount = dollars_of(parts)
        if amount is not None:
            return amount * unit + _upstream(usage)
    return None


def _upstream(usage: dict[str, Any]) -> Decimal:
    """With a key of one's own, OpenRouter's cost is its fee: the provider charges the rest."""
    if usage.get("is_byok") is not True:
        return Decimal(0)
    details = object_of(usage, "cost_details")
    return dollars_of(details.get("upstream_inference_cost")) or Decimal(0)
