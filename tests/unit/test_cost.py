"""Charges, catalogue and price file: golden figures by hand, the library as oracle, nothing unknown is 0."""

import pathlib
from datetime import UTC, date, datetime
from decimal import Decimal

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.cost.book import PriceBook, open_price_book
from llm_latency_lens.cost.bound import input_bound, worst_case
from llm_latency_lens.cost.catalogue import catalogue_price
from llm_latency_lens.cost.charge import charge
from llm_latency_lens.cost.estimate import estimate
from llm_latency_lens.cost.price import Price, Rates, Tier
from llm_latency_lens.errors import ConfigError, UsageError
from llm_latency_lens.model.record import TokenCounts
from llm_latency_lens.model.request import Image, Message, Request, Target
from llm_latency_lens.providers.target import resolve_target
from llm_latency_lens.providers.where import Where

DAY = date(2026, 11, 20)
EXACT = Decimal("1e-9")
COUNTS = TokenCounts(input=1000, cached=200, output=500, reasoning=100, source="usage")

GOLDEN = {
    # provider, model: dollars per million of fresh input, cached input, output (reasoning alike).
    ("openai", "gpt-4o"): ("2.5", "1.25", "10"),
    ("azure", "gpt-4o-2024-08-06"): ("2.5", "1.25", "10"),
    ("anthropic", "claude-sonnet-4-5"): ("3", "0.3", "15"),
    ("gemini", "gemini-2.5-pro"): ("1.25", "0.125", "10"),
    ("vertex", "gemini-2.5-pro"): ("1.25", "0.125", "10"),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"): ("3.3", "0.33", "16.5"),
    ("cohere", "command-r-plus"): ("2.5", "2.5", "10"),
    ("groq", "llama-3.3-70b-versatile"): ("0.59", "0.59", "0.79"),
    ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"): ("0.88", "0.88", "0.88"),
    ("mistral", "mistral-large-latest"): ("2", "2", "6"),
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


def test_m7_cache_writes_cost_their_own_rate() -> None:
    """M7: Anthropic's are dearer than input."""
    tokens = TokenCounts(input=1000, cached=100, cache_write=300, output=10, source="usage")
    found = charge(tokens, known("anthropic", "claude-sonnet-4-5"))
    assert found is not None
    assert found.cache_write == Decimal("3.75") * 300 / 1_000_000
    assert found.input == Decimal(3) * 600 / 1_000_000


MODELS = [
    ("openai", "openai", "gpt-4o"),
    ("openai", "openai", "gpt-5"),
    ("openai", "openai", "o3"),
    ("openai", "openai", "gpt-4o-mini"),
    ("anthropic", "anthropic", "claude-sonnet-4-5"),
    ("anthropic", "anthropic", "claude-3-5-haiku-latest"),
    ("gemini", "google", "gemini-2.5-pro"),
    ("gemini", "google", "gemini-2.5-flash"),
    ("bedrock", "aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("deepseek", "deepseek", "deepseek-chat"),
    ("mistral", "mistral", "mistral-large-latest"),
]


@given(
    st.sampled_from(MODELS),
    st.integers(0, 400_000),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(0, 50_000),
)
def test_m7_the_library_charges_the_same(
    which: tuple[str, str, str], fresh: int, cached: int, written: int, output: int
) -> None:
    """M7: genai-prices' own arithmetic as the oracle."""
    ours, theirs, model = which
    total = fresh + cached + written
    usage = genai_prices.Usage(
        input_tokens=total,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        output_tokens=output,
    )
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    expected = genai_prices.calc_price(
        usage, model, provider_id=theirs, genai_request_timestamp=at
    ).total_price
    tokens = TokenCounts(
        input=total, cached=cached, cache_write=written, output=output, source="usage"
    )
    found = charge(tokens, known(ours, model))
    assert found is not None
    assert abs(found.total - expected) < EXACT


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


FILE = """
[[price]]
provider = "openai"
model = "gpt-4o*"
input = "$1"
output = "$2"

[[price]]
provider = "openai"
model = "gpt-4o*"
from = "2026-06-01"
until = 2027-01-01
input = "$3"
output = "$4"
cached = "$0.50"
cache_write = "$5"
reasoning = "$6"
request = "$0.01"

[[price.above]]
tokens = 1000
input = "$30"
output = "$40"

[[price]]
provider = "vllm"
model = "own"
input = "$0.10"
output = "$0.20"
"""


def test_a_price_file_wins_and_has_dates(tmp_path: pathlib.Path) -> None:
    """The entry in force that began last; all kinds of token, a price for the request, a tier."""
    path = tmp_path / "prices.toml"
    path.write_text(FILE)
    target = resolve_target("openai:gpt-4o-mini", Where(), {"OPENAI_API_KEY": "k" * 20})
    rates = {}
    for day in ("2026-05-31", "2026-06-01", "2026-12-31", "2027-01-01"):
        price = price_of(open_price_book(date.fromisoformat(day), str(path)), target)
        assert price is not None
        rates[day] = str(price.rates.input)
    assert rates == {"2026-05-31": "1", "2026-06-01": "3", "2026-12-31": "3", "2027-01-01": "1"}
    price = price_of(open_price_book(DAY, str(path)), target)
    assert price is not None
    found = charge(COUNTS, price)
    assert found is not None
    million = (800 * 3 + 200 * Decimal("0.5") + 400 * 4 + 100 * 6) / Decimal(1_000_000)
    assert found.total == million + Decimal("0.01")
    assert price.rates_for(1001).input == 30
    own = price_of(open_price_book(DAY, str(path)), resolve_target("vllm:own", Where(), {}))
    assert own is not None
    assert own.source == "prices.toml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no prices in it"),
        ("[[price]", "not valid TOML"),
        ("[[prise]]\n", "did you mean 'price'"),
        ('[[price]]\nmodel = "m"\ninput = "$1"\n', "needs provider"),
        ('[[price]]\nprovider = "openai"\nmodel = "m"\n', "needs input and output"),
        ('[[price]]\nprovider = "o"\nmodel = "m"\ninpt = "$1"\n', "did you mean 'input'"),
        ('[[price]]\nprovider = "o"\nmodel = "m"\ninput = 1\n', "in quotes"),
        ('[[price]]\nprovider = "o"\nmodel = "m"\ninput = "1"\n', "money"),
        ('[[price]]\nprovider = "o"\nmodel = "m"\ninput = "$-1"\n', "input"),
        ('[[price]]\nprovider = "o"\nmodel = "m"\ninput = "$1"\nfrom = "soon"\n', "a date"),
        (
            '[[price]]\nprovider = "o"\nmodel = "m"\ninput = "$1"\nfrom = "2026-02-01"\nuntil = "2026-01-01"\n',
            "before until",
        ),
        (
            '[[price]]\nprovider = "o"\nmodel = "m"\ninput = "$1"\n[[price.above]]\ninput = "$2"\n',
            "tokens =",
        ),
    ],
)
def test_f1_f2_wrong_price_files_are_refused(tmp_path: pathlib.Path, text: str, words: str) -> None:
    """F1, F2: the file, the entry, what is wrong and what is meant."""
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        open_price_book(DAY, str(path))
    assert "prices.toml" in str(caught.value)


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
