"""The catalogue against its own library's arithmetic: every model of every provider that has prices."""

import itertools
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot

from llm_latency_lens.cost.catalogue import catalogue_price
from llm_latency_lens.cost.charge import charge
from llm_latency_lens.model.record import TokenCounts

DAY = date(2026, 11, 20)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
EXACT = Decimal("1e-9")
THEIRS = {
    "openai": "openai",
    "azure": "azure",
    "anthropic": "anthropic",
    "gemini": "google",
    "vertex": "google",
    "bedrock": "aws",
    "cohere": "cohere",
    "groq": "groq",
    "together": "together",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "openrouter": "openrouter",
}
USAGES = (
    # input, of it cached, of it written to the cache, output
    (1000, 0, 0, 500),
    (150_000, 40_000, 30_000, 2000),
    (200_001, 0, 100, 1),
    (450_000, 449_000, 0, 0),
)
DAYTIME = "time of day"


def models_of(provider: str) -> list[str]:
    """Ids of all models that the library lists for a provider."""
    return [
        model.id for p in get_snapshot().providers if p.id == THEIRS[provider] for model in p.models
    ]


def library(
    provider: str, model: str, usage: tuple[int, int, int, int], at: datetime = MIDNIGHT
) -> Decimal:
    """The library's total."""
    total, cached, written, output = usage
    counted = genai_prices.Usage(
        input_tokens=total,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        output_tokens=output,
    )
    found: Decimal = genai_prices.calc_price(
        counted, model, provider_id=THEIRS[provider], genai_request_timestamp=at
    ).total_price
    return found


def ours(provider: str, model: str, usage: tuple[int, int, int, int]) -> Decimal | None:
    """Our total; None is unknown."""
    price = catalogue_price(provider, model, DAY)
    assert price is not None, (provider, model)
    total, cached, written, output = usage
    counts = TokenCounts(
        input=total, cached=cached, cache_write=written, output=output, source="usage"
    )
    found = charge(counts, price)
    return None if found is None else found.total


@pytest.mark.parametrize("provider", THEIRS)
def test_m7_every_listed_model_costs_what_the_library_says(provider: str) -> None:
    """M7: each model with each usage, to 1e-9 dollars; what it can't find by its own id we can't either.

    Few have no rates for text: those are unknown.
    """
    known = unknown = 0
    for model, usage in itertools.product(models_of(provider), USAGES):
        price = catalogue_price(provider, model, DAY)
        if price is None:
            with pytest.raises(LookupError):
                library(provider, model, usage)
            continue
        found = ours(provider, model, usage)
        if found is None:
            unknown += 1
        elif not any(DAYTIME in note for note in price.notes):
            known += 1
            assert abs(found - library(provider, model, usage)) < EXACT, (model, usage)
    assert known > 2 * unknown


def test_m1_a_price_that_changes_in_the_day_is_that_of_its_dearest_hour() -> None:
    """M1: DeepSeek's: no instant of the day costs more, one costs just that, and it is said."""
    changing = 0
    for model in models_of("deepseek"):
        price = catalogue_price("deepseek", model, DAY)
        assert price is not None
        if not any(DAYTIME in note for note in price.notes):
            continue
        changing += 1
        instants = [MIDNIGHT + timedelta(minutes=5 * n) for n in range(288)]
        for usage in USAGES:
            day = [library("deepseek", model, usage, instant) for instant in instants]
            found = ours("deepseek", model, usage)
            assert found is not None
            assert abs(found - max(day)) < EXACT
            assert min(day) < max(day)
    assert changing >= 3
    peak = catalogue_price("deepseek", "deepseek-v4-pro", DAY)
    assert peak is not None
    assert peak.rates.input == Decimal("1.32")


def test_m2_an_alias_says_what_it_is_listed_as() -> None:
    """M2: a dated name is priced as its model, a regional one at its region's rates; both are told."""
    dated = catalogue_price("openai", "gpt-4o-2024-08-06", DAY)
    regional = catalogue_price("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", DAY)
    plain = catalogue_price("openai", "gpt-4o", DAY)
    assert dated is not None
    assert "listed as gpt-4o" in dated.notes
    assert regional is not None
    assert any(note.startswith("listed as ") for note in regional.notes)
    assert plain is not None
    assert not any(note.startswith("listed as ") for note in plain.notes)
