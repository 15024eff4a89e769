"""What a plan would cost, before it is run: low, expected and high."""

from decimal import Decimal

from msgspec import Struct

from llm_latency_lens.cost.bound import input_bound
from llm_latency_lens.cost.charge import charge
from llm_latency_lens.cost.price import Price
from llm_latency_lens.cost.service import asked_tier
from llm_latency_lens.model.record import TokenCounts
from llm_latency_lens.model.request import Request

_CHARACTERS_A_TOKEN = 4
_LOW_CHARACTERS_A_TOKEN = 6
_EXPECTED_SHARE = 0.5
"""Without better knowledge an answer is taken to be half as long as it may be."""
_UNLIMITED = (16, 500, 4096)
"""Output tokens where nothing limits them: low, expected, high."""


class Estimate(Struct, frozen=True, kw_only=True):
    """US dollars for a plan; `basis` says in words what was assumed."""

    low: Decimal
    expected: Decimal
    high: Decimal
    requests: int
    basis: str


def estimate(
    wishes: tuple[Request, ...], requests: int, price: Price, *, generates: bool = True
) -> Estimate | None:
    """The cost of `requests` requests that ask `wishes` in turn; None where a rate is unknown.

    Low: short tokens' text and one output token; expected: four characters a token and half the output
    limit (with `min_tokens` at least that, with `ignore_eos` all of it); high: a token for each byte and
    the whole limit. Nothing is taken to come from a cache.
    """
    totals = [Decimal(0)] * 3
    for wish in wishes:
        inputs, outputs = _inputs(wish), _outputs(wish) if generates else (0, 0, 0)
        for i, (tokens, output) in enumerate(zip(inputs, outputs, strict=True)):
            counted = TokenCounts(input=tokens, output=output, source="estimate")
            found = charge(counted, price, (asked_tier(wish.extra) or "").lower())
            if found is None:
                return None
            totals[i] += found.total
    low, expected, high = (total * requests / len(wishes) for total in totals)
    limit = max((wish.max_tokens or 0 for wish in wishes), default=0)
    basis = f"output up to {limit:,} tokens" if limit else "output of no set limit (--max-tokens)"
    return Estimate(low=low, expected=expected, high=high, requests=requests, basis=basis)


def _inputs(wish: Request) -> tuple[int, int, int]:
    characters = sum(len(message.content) for message in wish.messages)
    plain = Request(
        messages=tuple(type(m)(m.role, m.content) for m in wish.messages), tools=wish.tools
    )
    return (
        characters // _LOW_CHARACTERS_A_TOKEN,
        characters // _CHARACTERS_A_TOKEN + 1,
        input_bound(plain),
    )


def _outputs(wish: Request) -> tuple[int, int, int]:
    low, expected, high = _UNLIMITED
    if wish.max_tokens is not None:
        low, expected, high = 1, round(wish.max_tokens * _EXPECTED_SHARE), wish.max_tokens
    if wish.ignore_eos:
        return high, high, high
    least = wish.min_tokens or 0
    return max(low, least), max(expected, least), max(high, least)
