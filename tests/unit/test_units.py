"""Durations, rates, sizes and money: a unit is never guessed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.errors import UsageError
from llm_latency_lens.units import (
    format_duration,
    format_exact_duration,
    format_money,
    format_rate,
    format_size,
    parse_duration,
    parse_money,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("500ms", 500_000_000),
        ("0.5s", 500_000_000),
        ("5 m", 300_000_000_000),
        ("1m30s", 90_000_000_000),
        ("7ns", 7),
        ("1.5us", 1500),
        ("0s", 0),
        (" 2h ", 7_200_000_000_000),
    ],
)
def test_f2_durations_with_a_unit(text: str, ns: int) -> None:
    """F2: what people write, in ns."""
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["500", "1e3", "", "ms", "-5s", "5 parsecs", "1s2", "NaN", "∞"])
def test_f2_durations_without_a_unit_are_refused(text: str) -> None:
    """F2: bare numbers and nonsense, each in one line with an example."""
    with pytest.raises(UsageError, match=r"500ms"):
        parse_duration(text)


def test_f2_a_bare_number_is_told_apart_from_nonsense() -> None:
    """F2: the message says that the unit is what is missing."""
    with pytest.raises(UsageError, match="has no unit"):
        parse_duration("500")


@given(st.integers(0, 10**18))
def test_f2_an_exact_duration_reads_back(ns: int) -> None:
    """F2: what we print can be typed again."""
    assert parse_duration(format_exact_duration(ns)) == ns


@pytest.mark.parametrize(
    ("text", "rate"),
    [("20/s", 20.0), ("90/min", 1.5), ("90 / m", 1.5), ("3600/h", 1.0), (".5/s", 0.5)],
)
def test_rates(text: str, rate: float) -> None:
    """Per second, minute, hour."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["20", "0/s", "0.0/min", "-1/s", "20/fortnight", "x/s", "inf/s"])
def test_f6_rates_that_send_nothing_are_refused(text: str) -> None:
    """F6: zero, negative, without a unit."""
    with pytest.raises(UsageError):
        parse_rate(text)


@pytest.mark.parametrize(("text", "size"), [("64KiB", 65536), ("1.5MB", 1_500_000), ("7B", 7)])
def test_sizes(text: str, size: int) -> None:
    """Binary and decimal sizes."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["64", "64K", "-1B"])
def test_sizes_without_a_unit_are_refused(text: str) -> None:
    """A size has a unit."""
    with pytest.raises(UsageError):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "dollars"), [("$0.05", "0.05"), ("2USD", "2"), ("2 USD", "2"), ("3$", "3")]
)
def test_money(text: str, dollars: str) -> None:
    """Dollars are decimal, never binary."""
    assert parse_money(text) == Decimal(dollars)


@pytest.mark.parametrize("text", ["2", "2 EUR", "$", "$-1"])
def test_money_without_a_currency_is_refused(text: str) -> None:
    """A sum has a currency."""
    with pytest.raises(UsageError):
        parse_money(text)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 s"),
        (7, "7 ns"),
        (1500, "1.50 µs"),
        (999_960, "1.00 ms"),
        (412_000_000, "412 ms"),
        (1_250_000_000, "1.25 s"),
        (59_900_000_000, "59.9 s"),
        (200_000_000_000, "3m 20s"),
        (7_260_000_000_000, "2h 01m"),
        (float("nan"), "-"),
        (-5_000_000, "-5.00 ms"),
    ],
)
def test_durations_for_people(ns: float, text: str) -> None:
    """Three digits and a unit."""
    assert format_duration(ns) == text


def test_the_rest_for_people() -> None:
    """Rates, sizes, sums."""
    assert format_rate(20.0) == "20/s"
    assert format_rate(1250.4, "tokens") == "1,250 tokens/s"
    assert format_size(812) == "812 B"
    assert format_size(1_572_864) == "1.5 MiB"
    assert format_size(5 * 1024**3) == "5.0 GiB"
    assert format_money(Decimal("0.0021")) == "$0.0021"
    assert format_money(Decimal("12.4")) == "$12.40"
