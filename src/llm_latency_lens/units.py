"""Instants, durations, rates, sizes and money: parsed and formatted here and nowhere else.

A duration is an `int` of nanoseconds, a rate a `float` per second, a size an `int` of bytes, money a
`Decimal` of US dollars. A bare number is refused wherever a unit matters.
"""

import math
import re
from decimal import Decimal, InvalidOperation
from typing import NewType

from llm_latency_lens.errors import UsageError

MonoNs = NewType("MonoNs", int)
"""An instant of the monotonic clock, in nanoseconds; differences are durations."""
WallNs = NewType("WallNs", int)
"""An instant of the wall clock, in nanoseconds since the Unix epoch; for people, never subtracted."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

_TIME_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
}
_RATE_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SIZE_UNITS = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}

_NUMBER = r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+"
_DURATION_PART = re.compile(rf"({_NUMBER})\s*(ns|us|µs|ms|min|s|m|h|d)\s*")
_RATE = re.compile(rf"({_NUMBER})\s*/\s*(s|min|m|h)")
_SIZE = re.compile(rf"({_NUMBER})\s*(B|kB|MB|GB|KiB|MiB|GiB)")
_MONEY = re.compile(rf"\$\s*({_NUMBER})|({_NUMBER})\s*(?:USD|\$)")
_BARE = re.compile(rf"[+-]?(?:{_NUMBER})(?:e[+-]?[0-9]+)?", re.IGNORECASE)


def _refuse(text: str, kind: str, examples: str) -> UsageError:
    stripped = text.strip()
    if _BARE.fullmatch(stripped):
        return UsageError(f"{stripped!r} has no unit; write a {kind} like {examples}")
    return UsageError(f"{stripped!r} is not a {kind}; write one like {examples}")


def parse_duration(text: str) -> int:
    """Parse `500ms`, `30s`, `1.5h`, `1m30s` to nanoseconds; zero is allowed, a sign is not.

    Raises:
        UsageError: no unit, an unknown unit, or not a number.
    """
    stripped = text.strip()
    total, position = Decimal(0), 0
    while match := _DURATION_PART.match(stripped, position):
        total += Decimal(match[1]) * _TIME_UNITS[match[2]]
        position = match.end()
    if not stripped or position != len(stripped):
        raise _refuse(text, "duration", "500ms, 30s or 2m")
    return int(total.to_integral_value())


def parse_rate(text: str) -> float:
    """Parse `20/s`, `90/min`, `1000/h` to events per second; zero is refused.

    Raises:
        UsageError: no unit, an unknown unit, or a rate of zero.
    """
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise _refuse(text, "rate", "20/s, 90/min or 1000/h")
    rate = float(match[1]) / _RATE_UNITS[match[2]]
    if rate <= 0 or not math.isfinite(rate):
        raise UsageError(
            f"a rate of {text.strip()!r} would never send anything; give a rate above 0"
        )
    return rate


def parse_percent(text: str) -> float:
    """Parse `5%` as 0.05.

    Raises:
        UsageError: not a percentage above 0, or without its sign.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", text)
    if match is None or float(match[1]) <= 0.0:
        raise UsageError(f"{text!r} is not a percentage; write it like 5%")
    return float(match[1]) / 100.0


def parse_size(text: str) -> int:
    """Parse `64KiB`, `8MiB`, `1.5MB` to bytes.

    Raises:
        UsageError: no unit, an unknown unit, or not a number.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise _refuse(text, "size", "64KiB or 8MiB")
    return int(Decimal(match[1]) * _SIZE_UNITS[match[2]])


def parse_money(text: str) -> Decimal:
    """Parse `$0.05` or `2 USD` to dollars.

    Raises:
        UsageError: no currency, or not a number.
    """
    match = _MONEY.fullmatch(text.strip())
    if match is None:
        raise _refuse(text, "sum of money", "$0.05 or 2USD")
    try:
        return Decimal(match[1] or match[2])
    except InvalidOperation:  # pragma: no cover - the pattern admits only numbers
        raise _refuse(text, "sum of money", "$0.05 or 2USD") from None


def format_duration(ns: float) -> str:
    """Format nanoseconds for people, three significant digits: `412 ms`, `1.25 s`, `3m 20s`."""
    if not math.isfinite(ns):
        return "-"
    magnitude = abs(ns)
    if magnitude >= 120 * NS_PER_S:
        return _format_long(ns)
    for unit, size in (("s", NS_PER_S), ("ms", NS_PER_MS), ("µs", 1_000)):
        if magnitude >= size * 0.9995:
            return f"{_three_digits(ns / size)} {unit}"
    return f"{ns:.0f} ns" if ns else "0 s"


def _format_long(ns: float) -> str:
    seconds = round(abs(ns) / NS_PER_S)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if ns < 0 else ""
    return f"{sign}{hours}h {minutes:02}m" if hours else f"{sign}{minutes}m {seconds:02}s"


def _three_digits(value: float) -> str:
    magnitude = abs(value)
    if magnitude >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if magnitude >= 9.995 else f"{value:.2f}"


def format_exact_duration(ns: int) -> str:
    """Format nanoseconds so that `parse_duration` gives the same number back: `1500ms`, `30s`."""
    for unit in ("h", "m", "s", "ms", "us"):
        if ns and ns % _TIME_UNITS[unit] == 0:
            return f"{ns // _TIME_UNITS[unit]}{unit}"
    return f"{ns}ns" if ns else "0s"


def format_number(value: float) -> str:
    """Format a plain number with three digits or, above a thousand, in full: `4.98`, `1,967`."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def format_rate(per_second: float, what: str = "") -> str:
    """Format a rate: `20/s`, `1,250 tokens/s`."""
    return f"{format_number(per_second)} {what}/s" if what else f"{format_number(per_second)}/s"


def format_size(size: int) -> str:
    """Format bytes: `812 B`, `1.5 MiB`."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def format_money(dollars: Decimal) -> str:
    """Format dollars so that small sums stay visible: `$0.0021`, `$12.40`."""
    if dollars >= 1 or not dollars:
        return f"${dollars:,.2f}"
    return f"${Decimal(f'{dollars:.3g}').normalize():f}"
