"""A user's price file: which entry holds when, and every wrong one is refused with its line."""

import pathlib
from datetime import date
from decimal import Decimal

import pytest

from llm_latency_lens.cost.book import PriceBook, open_price_book
from llm_latency_lens.cost.charge import charge
from llm_latency_lens.cost.price import Price
from llm_latency_lens.cost.price_file import own_price, read_price_file
from llm_latency_lens.errors import ConfigError
from llm_latency_lens.model.record import TokenCounts
from llm_latency_lens.model.request import Target
from llm_latency_lens.providers.provider import PROVIDERS
from llm_latency_lens.providers.target import resolve_target
from llm_latency_lens.providers.where import Where

KNOWN = frozenset({*PROVIDERS, "o"})
DAY = date(2026, 11, 20)
COUNTS = TokenCounts(input=1000, cached=200, output=500, reasoning=100, source="usage")
TIERED = '[[price]]\nprovider = "o"\nmodel = "m"\ninput = "$1"\noutput = "$1"\n'


def price_of(book: PriceBook, target: Target) -> Price | None:
    """A target's price by a book."""
    return book.price_of(target.provider, target.model, target.price_as)


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
        price = price_of(open_price_book(date.fromisoformat(day), str(path), KNOWN), target)
        assert price is not None
        rates[day] = str(price.rates.input)
    assert rates == {"2026-05-31": "1", "2026-06-01": "3", "2026-12-31": "3", "2027-01-01": "1"}
    price = price_of(open_price_book(DAY, str(path), KNOWN), target)
    assert price is not None
    found = charge(COUNTS, price)
    assert found is not None
    million = (800 * 3 + 200 * Decimal("0.5") + 400 * 4 + 100 * 6) / Decimal(1_000_000)
    assert found.total == million + Decimal("0.01")
    assert price.rates_for(1001).input == 30
    own = price_of(open_price_book(DAY, str(path), KNOWN), resolve_target("vllm:own", Where(), {}))
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
        ('[[price]]\nprovider = "o"\nmodel = "m"\noutput = "$1"\n', "needs input and output"),
        ('[[price]]\nprovider = 1\nmodel = "m"\ninput = "$1"\n', "needs provider"),
        ('[[price]]\nprovider = "o"\nmodel = "m"\ninput = "$1"\nfrom = 2026\n', "a date"),
        ("price = 1\n", r"\[\[price\]\] tables"),
        (
            '[[price]]\nprovider = "o"\nmodel = "m"\ninput = "$1"\n[price.above]\n',
            r"\[\[price.above\]\]",
        ),
        (TIERED + '[[price.above]]\ntokens = 5\ninput = "$2"\n', "needs output too"),
        (TIERED + 2 * '[[price.above]]\ntokens = 5\ninput = "$2"\noutput = "$2"\n', "already"),
        (TIERED + '[[price.above]]\ntokens = true\ninput = "$2"\noutput = "$2"\n', "tokens ="),
        ('[[price]]\nprovider = "o"\nmodel = "m"\ninpt = "$1"\n', "did you mean 'input'"),
        ('[[price]]\nprovider = "opnai"\nmodel = "m"\ninput = "$1"\n', "did you mean 'openai'"),
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
        open_price_book(DAY, str(path), KNOWN)
    assert "prices.toml" in str(caught.value)


def test_f1_every_key_one_edit_away_is_refused_with_its_line(tmp_path: pathlib.Path) -> None:
    """F1: a letter too few or too many in any key of the file: which line, and what is meant."""
    path = tmp_path / "prices.toml"
    lines = FILE.split("\n")
    edits = 0
    for number, line in enumerate(lines):
        key, equals, rest = line.partition(" =")
        for wrong in {key[1:], key[:-1], f"{key}x"} if equals else set():
            path.write_text(
                "\n".join([*lines[:number], wrong + equals + rest, *lines[number + 1 :]])
            )
            edits += 1
            with pytest.raises(ConfigError) as caught:
                open_price_book(DAY, str(path), KNOWN)
            assert f"prices.toml:{number + 1}: " in str(caught.value)
            assert f"did you mean {key!r}?" in str(caught.value)
    assert edits >= 60


def test_f1_what_is_missing_is_told_with_its_entry(tmp_path: pathlib.Path) -> None:
    """F1: the line of the table's header; written within a line it has none, but a number."""
    path = tmp_path / "prices.toml"
    path.write_text(f'{TIERED}\n# more\n[[price]]\nprovider = "o"\ninput = "$1"\n')
    with pytest.raises(ConfigError, match=r"prices\.toml:8: \[\[price\]\] number 2: needs model"):
        open_price_book(DAY, str(path), KNOWN)
    path.write_text('price = [{provider = "o", model = "m", input = "$x"}]\n')
    with pytest.raises(ConfigError, match=r"\[\[price\]\] number 1: input: "):
        open_price_book(DAY, str(path), KNOWN)


def test_of_equal_entries_the_later_one_holds(tmp_path: pathlib.Path) -> None:
    """What is appended corrects what is above it."""
    path = tmp_path / "prices.toml"
    path.write_text(TIERED + TIERED.replace("$1", "$7"))
    price = open_price_book(DAY, str(path), KNOWN).price_of("o", "m", None)
    assert price is not None
    assert price.rates.input == Decimal(7)


def test_a_service_tier_has_entries_of_its_own(tmp_path: pathlib.Path) -> None:
    """The newest of each tier is in force; a tier without a standard price prices nothing."""
    path = tmp_path / "prices.toml"
    entry = '[[price]]\nprovider = "openai"\nmodel = "{}"\ninput = "${}"\noutput = "${}"\n{}\n'
    path.write_text(
        entry.format("m", 2, 8, "")
        + entry.format("m", 1, 4, 'service_tier = "flex"')
        + entry.format("m", 3, 9, 'service_tier = "Flex"\nfrom = "2026-02-01"')
        + entry.format("n", 1, 4, 'service_tier = "priority"')
        + entry.format("o", 1, 4, 'service_tier = "default"')
    )
    entries = read_price_file(path, ("openai",))
    before = own_price(entries, "openai", "m", date(2026, 1, 1))
    after = own_price(entries, "openai", "m", date(2026, 3, 1))
    assert before is not None
    assert after is not None
    assert before.rates_for(1, "default").input == Decimal(2)
    assert before.rates_for(1, "flex").input == Decimal(1)
    assert after.rates_for(1, "flex").input == Decimal(3)
    assert not after.has_service("priority")
    assert own_price(entries, "openai", "n", date(2026, 1, 1)) is None
    assert own_price(entries, "openai", "o", date(2026, 1, 1)) is not None
