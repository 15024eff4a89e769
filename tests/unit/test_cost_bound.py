"""What a cap reserves is above anything that a request can cost; and what a plan would cost."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.cost.bound import body_bound, input_bound, worst_case
from llm_latency_lens.cost.charge import charge
from llm_latency_lens.cost.estimate import estimate
from llm_latency_lens.cost.price import Price, Rates, Tier
from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.record import TokenCounts
from llm_latency_lens.model.request import Image, Message, Request, Tool

ASK = Request(messages=(Message("user", "häuser " * 10),), max_tokens=100)
PLAIN = Price(
    rates=Rates(input=Decimal(1), output=Decimal(2), cached=Decimal("0.1")),
    tiers=(Tier(50, Rates(input=Decimal(10), output=Decimal(20))),),
    source="x",
)


def test_m1_the_worst_case_is_above_anything_a_request_can_cost() -> None:
    """M1: a token for each byte, the whole limit, the dearest rates that its input can reach."""
    assert input_bound(ASK) >= len("häuser ".encode()) * 10
    bound = worst_case(ASK, PLAIN)
    for tokens in (0, 50, 51, input_bound(ASK)):
        found = charge(TokenCounts(input=tokens, output=100, source="usage"), PLAIN)
        assert found is not None
        assert found.total <= bound


def test_m4_a_cap_needs_a_limit_and_a_bound() -> None:
    """M4: without --max-tokens, or with images, nobody knows the worst case."""
    with pytest.raises(UsageError, match="--max-tokens"):
        worst_case(Request(messages=ASK.messages), PLAIN)
    pictured = Request(messages=(Message("user", "x", (Image(url="http://x"),)),), max_tokens=5)
    with pytest.raises(UsageError, match="image"):
        worst_case(pictured, PLAIN)
    with pytest.raises(UsageError, match="in part only"):
        worst_case(ASK, Price(rates=Rates(input=Decimal(1)), source="x"))
    assert worst_case(Request(messages=ASK.messages), PLAIN, generates=False) > 0


MONEY = st.decimals(0, 1000, places=4, allow_nan=False)
MAYBE = st.none() | MONEY
RATES = st.builds(
    Rates,
    input=MONEY,
    output=MONEY,
    cached=MAYBE,
    cache_write=MAYBE,
    reasoning=MAYBE,
    request=MONEY,
)
PRICES = st.builds(
    lambda rates, tiers: Price(
        rates=rates,
        tiers=tuple(Tier(above, tiers[above]) for above in sorted(tiers)),
        source="x",
    ),
    RATES,
    st.dictionaries(st.integers(1, 2000), RATES, max_size=3),
)


@given(PRICES, st.text(max_size=300), st.integers(1, 5000), st.data())
def test_m1_no_counts_within_the_bounds_cost_more(
    price: Price, text: str, limit: int, data: st.DataObject
) -> None:
    """M1: any rates and tiers, any split into cached, written and reasoning tokens."""
    request = Request(messages=(Message("user", text),), max_tokens=limit)
    total = data.draw(st.integers(0, input_bound(request)))
    cached = data.draw(st.integers(0, total))
    written = data.draw(st.integers(0, total - cached))
    output = data.draw(st.integers(0, limit))
    counts = TokenCounts(
        input=total,
        cached=cached,
        cache_write=written,
        output=output,
        reasoning=data.draw(st.integers(0, output)),
        source="usage",
    )
    found = charge(counts, price)
    assert found is not None
    assert found.total <= worst_case(request, price)


@pytest.mark.parametrize(
    ("text", "least"),
    [("", 0), ("plain", 5), ("häuser", 7), ("\ufdfa", 33), ("日本語", 9), ("\U0001f600", 4)],
)
def test_m1_a_token_for_every_byte_before_and_after_normalizing(text: str, least: int) -> None:
    """M1: U+FDFA is three bytes, but 33 for a tokenizer that normalizes."""
    empty = input_bound(Request(messages=(Message("user", ""),)))
    assert input_bound(Request(messages=(Message("user", text),))) == empty + least


def test_m1_templates_and_tools_have_their_allowances() -> None:
    """M1: a system message that nobody asked for, some tokens a turn, the provider's own tool prompt."""
    bare = Request(messages=(Message("user", "hi"),))
    longer = Request(messages=(*bare.messages, Message("user", "")))
    tooled = Request(messages=bare.messages, tools=(Tool("look", "looks"),))
    assert input_bound(bare) >= 2 + 100
    assert input_bound(longer) >= input_bound(bare) + 10
    assert input_bound(tooled) >= input_bound(bare) + 1000


@pytest.mark.parametrize(
    ("extra", "key"),
    [
        ({"n": 4}, "n"),
        ({"max_completion_tokens": 99_999}, "max_completion_tokens"),
        ({"generationConfig": {"maxOutputTokens": 9}}, "maxOutputTokens"),
        ({"generationConfig": {"candidateCount": 3}}, "candidateCount"),
        ({"inferenceConfig": {"maxTokens": 9}}, "maxTokens"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"model": "dearer"}, "model"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"previous_response_id": "r"}, "previous_response_id"),
        ({"messages": [{"content": [{"image_url": {"url": "http://x"}}]}]}, "image_url"),
    ],
)
def test_m4_a_body_that_undoes_the_bound_is_refused(extra: dict[str, Any], key: str) -> None:
    """M4: under a cap nothing may change the limit, the number of answers, the price or the input."""
    request = Request(messages=ASK.messages, max_tokens=100, extra=extra)
    with pytest.raises(UsageError, match=f"--extra-body: {key!r}"):
        worst_case(request, PLAIN)
    assert estimate((request,), 1, PLAIN) is not None


def test_m4_a_body_that_changes_no_cost_is_let_through() -> None:
    """M4: sampling, and a schema whose own names look like ours; its bytes count as input."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "tools": {}}}
    extra = {"top_k": 5, "response_format": {"json_schema": {"schema": schema}}}
    request = Request(messages=ASK.messages, max_tokens=100, extra=extra)
    assert worst_case(request, PLAIN) > worst_case(ASK, PLAIN)


def test_m4_no_answer_that_keeps_its_limit_has_a_longer_body() -> None:
    """M4: four kilobytes a token, and more where likely tokens are listed with each."""
    plain = Request(messages=ASK.messages, max_tokens=100)
    listed = Request(messages=ASK.messages, max_tokens=100, extra={"logprobs": True})
    assert 100 * 4096 <= body_bound(plain) < body_bound(listed)


def test_m2_a_price_known_in_part_bounds_nothing() -> None:
    """M2: without a rate for fresh input, or for visible output, there is no worst case."""
    one = Decimal(1)
    for rates in (Rates(cached=one, output=one), Rates(input=one, reasoning=one)):
        with pytest.raises(UsageError, match="in part only"):
            worst_case(ASK, Price(rates=rates, source="x"))


def test_an_estimate_has_a_range() -> None:
    """Low, expected and high; fixed lengths narrow it; unknown rates give none."""
    found = estimate((ASK,), 10, PLAIN)
    assert found is not None
    assert found.low < found.expected < found.high
    assert found.high == worst_case(ASK, PLAIN) * 10
    fixed = Request(messages=ASK.messages, max_tokens=100, ignore_eos=True)
    exact = estimate((fixed,), 10, PLAIN)
    assert exact is not None
    assert exact.low > found.low
    assert estimate((ASK,), 10, Price(rates=Rates(), source="x")) is None
