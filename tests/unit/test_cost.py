"""Charges: golden figures worked out by hand from published rates, and nothing unknown is 0."""

from datetime import date
from decimal import Decimal

import pytest

from llm_latency_lens.cost.book import PriceBook
from llm_latency_lens.cost.catalogue import catalogue_price
from llm_latency_lens.cost.charge import charge
from llm_latency_lens.cost.price import Price, Rates
from llm_latency_lens.model.record import TokenCounts
from llm_latency_lens.model.request import Target
from llm_latency_lens.providers.target import resolve_target
from llm_latency_lens.providers.where import Where

DAY = date(2026, 11, 20)
EXACT = Decimal("1e-9")
COUNTS = TokenCounts(input=1000, cached=200, output=500, reasoning=100, source="usage")

GOLDEN = {
    # provider, model: dollars per million of fresh input, cached input, output (reasoning alike).
    ("openai", "gpt-4o"): ("2.5", "1.25", "10"),
    ("openai", "o3"): ("2", "0.5", "8"),
    ("azure", "gpt-4o-2024-08-06"): ("2.5", "1.25", "10"),
    ("anthropic", "claude-sonnet-4-5"): ("3", "0.3", "15"),
    ("gemini", "gemini-2.5-pro"): ("1.25", "0.125", "10"),
    ("vertex", "gemini-2.5-pro"): ("1.25", "0.125", "10"),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"): ("3.3", "0.33", "16.5"),
    ("cohere", "command-r-plus"): ("2.5", "2.5", "10"),
    ("groq", "llama-3.3-70b-versatile"): ("0.59", "0.59", "0.79"),
    ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"): ("0.88", "0.88", "0.88"),
    ("mistral", "mistral-large-latest"): ("2", "2", "6"),
    ("deepseek", "deepseek-chat"): ("0.27", "0.07", "1.1"),
    ("openrouter", "openai/gpt-4o"): ("2.5", "1.25", "10"),
}


def price_of(book: PriceBook, target: Target) -> Price | None:
    """A target's price by a book."""
    return book.price_of(target.provider, target.model, target.price_as)


def known(provider: str, model: str) -> Price:
    """The catalogue's price, which must be there."""
    price = catalogue_price(provider, model, DAY)
    assert price is not None
    return price


@pytest.mark.parametrize("which", GOLDEN)
def test_m7_golden_prices_by_hand(which: tuple[str, str]) -> None:
    """M7: 800 fresh and 200 cached input tokens, 400 visible and 100 reasoning output tokens, to 1e-9 dollars."""
    fresh, cached, output = (Decimal(rate) for rate in GOLDEN[which])
    found = charge(COUNTS, known(*which))
    assert found is not None
    assert abs(found.total - (800 * fresh + 200 * cached + 500 * output) / 1_000_000) < EXACT
    assert abs(found.input - 800 * fresh / 1_000_000) < EXACT
    assert abs(found.cached - 200 * cached / 1_000_000) < EXACT
    assert abs(found.reasoning - 100 * output / 1_000_000) < EXACT
    assert not found.estimated


def test_m7_a_long_context_has_another_price() -> None:
    """M7: above 200,000 input tokens all of the request costs the higher rates."""
    price = known("gemini", "gemini-2.5-pro")
    short = charge(TokenCounts(input=200_000, output=1000, source="usage"), price)
    long = charge(TokenCounts(input=200_001, output=1000, source="usage"), price)
    assert short is not None
    assert long is not None
    assert short.total == Decimal("0.25") + Decimal("0.01")
    assert abs(long.total - (Decimal(200001) * Decimal("2.5") + 15000) / 1_000_000) < EXACT


def test_m7_a_long_context_raises_every_rate() -> None:
    """M7: Claude Sonnet 4.5 above 200,000 input tokens: 6 fresh, 0.6 cached, 7.5 written, 22.5 output."""
    tokens = TokenCounts(
        input=300_000, cached=100_000, cache_write=50_000, output=2000, source="usage"
    )
    found = charge(tokens, known("anthropic", "claude-sonnet-4-5"))
    assert found is not None
    parts = (found.input, found.cached, found.cache_write, found.output)
    by_hand = (Decimal("0.9"), Decimal("0.06"), Decimal("0.375"), Decimal("0.045"))
    assert all(abs(ours - theirs) < EXACT for ours, theirs in zip(parts, by_hand, strict=True))
    assert abs(found.total - Decimal("1.38")) < EXACT


def test_m7_embeddings_cost_their_input() -> None:
    """M7: 2 cents a million, and no output to pay for."""
    tokens = TokenCounts(input=1500, output=0, source="usage")
    found = charge(tokens, known("openai", "text-embedding-3-small"))
    assert found is not None
    assert abs(found.total - Decimal("0.00003")) < EXACT


def test_m7_reasoning_may_have_a_rate_of_its_own() -> None:
    """M7: 400 visible tokens at $4, 100 reasoning ones at $6, a cent for the request."""
    rates = Rates(
        input=Decimal(3), output=Decimal(4), reasoning=Decimal(6), request=Decimal("0.01")
    )
    found = charge(COUNTS, Price(rates=rates, source="x"))
    assert found is not None
    assert (found.output, found.reasoning) == (Decimal("0.0016"), Decimal("0.0006"))
    assert found.total == Decimal("0.0152")


def test_m7_cache_writes_cost_their_own_rate() -> None:
    """M7: Anthropic's are dearer than input."""
    tokens = TokenCounts(input=1000, cached=100, cache_write=300, output=10, source="usage")
    found = charge(tokens, known("anthropic", "claude-sonnet-4-5"))
    assert found is not None
    assert found.cache_write == Decimal("3.75") * 300 / 1_000_000
    assert found.input == Decimal(3) * 600 / 1_000_000


def test_m2_unknown_models_have_no_price() -> None:
    """M2: None, not 0; neither do servers of one's own."""
    assert catalogue_price("openai", "no-such-model-x", DAY) is None
    book = PriceBook(DAY)
    local = resolve_target("vllm:gpt-4o", Where(), {})
    elsewhere = resolve_target("openai:gpt-4o", Where(base_url="http://127.0.0.1:1/v1"), {})
    hosted = resolve_target("openai:gpt-4o", Where(), {"OPENAI_API_KEY": "k" * 20})
    assert price_of(book, local) is None
    assert price_of(book, elsewhere) is None
    assert price_of(book, hosted) is not None
    responses = resolve_target("openai-responses:gpt-4o", Where(), {"OPENAI_API_KEY": "k" * 20})
    assert price_of(book, responses) == price_of(book, hosted)


def test_a_price_says_where_it_is_from() -> None:
    """Source and date are there; other tariffs are told."""
    price = known("openai", "gpt-4o")
    assert price.source.startswith("genai-prices ")
    assert price.as_of is not None
    assert date(2026, 1, 1) < date.fromisoformat(price.as_of) <= DAY
    assert any("batch" in note for note in price.notes)


def test_m5_unknown_counts_make_an_unknown_charge() -> None:
    """M5: never 0."""
    price = known("openai", "gpt-4o")
    assert charge(TokenCounts(output=5, source="usage"), price) is None
    assert charge(TokenCounts(input=5), price) is None
    counted = charge(TokenCounts(input=5, output=5, source="chunks"), price)
    assert counted is not None
    assert counted.estimated
    part = Price(rates=Rates(input=Decimal(1)), source="x")
    assert charge(COUNTS, part) is None
    assert charge(TokenCounts(input=5, output=0, source="usage"), part) is not None
