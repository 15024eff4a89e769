"""What response headers say about the server's work and its limits; what can't be read is unknown."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.record import RateLimit
from llm_latency_lens.model.recording import Head
from llm_latency_lens.units import NS_PER_S, parse_duration
from llm_latency_lens.wire.billing import dollars_of

_MS = {"openai-processing-ms": 1e-3, "x-envoy-upstream-service-time": 1e-3}
"""Headers in which servers tell how long they worked, and their unit in seconds."""
_TIMING = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)[^,]*?;\s*dur\s*=\s*\"?(?P<ms>[0-9.]+)")
_TOTALS = frozenset({"total", "app", "processing"})
_CHARGE = "x-litellm-response-cost"
"""The header in which LiteLLM tells what it charged, in US dollars."""
_LARGEST = float(1 << 53)
"""A larger number counts nothing, and could not be stored."""
_REQUEST_IDS = (
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "apim-request-id",
    "x-goog-request-id",
)
_LIMITS: dict[str, tuple[str, ...]] = {
    "requests_limit": ("x-ratelimit-limit-requests", "anthropic-ratelimit-requests-limit"),
    "requests_remaining": (
        "x-ratelimit-remaining-requests",
        "anthropic-ratelimit-requests-remaining",
    ),
    "requests_reset": ("x-ratelimit-reset-requests", "anthropic-ratelimit-requests-reset"),
    "tokens_limit": ("x-ratelimit-limit-tokens", "anthropic-ratelimit-tokens-limit"),
    "tokens_remaining": ("x-ratelimit-remaining-tokens", "anthropic-ratelimit-tokens-remaining"),
    "tokens_reset": ("x-ratelimit-reset-tokens", "anthropic-ratelimit-tokens-reset"),
}
"""Each field of a RateLimit, and the headers it may come in."""


def content_type(head: Head) -> str:
    """The media type of a response, lower case, without parameters (the first one of several); "" where none was sent."""
    return re.split("[;,]", head.get("content-type") or "", maxsplit=1)[0].strip().lower()


def request_id(head: Head | None) -> str | None:
    """The id under which the server knows the request."""
    found = (head.get(name) for name in _REQUEST_IDS) if head else ()
    return next((value for value in found if value), None)


def server_seconds(head: Head | None) -> float | None:
    """How long the server says that it worked, in seconds."""
    if head is None:
        return None
    for name, unit in _MS.items():
        seconds = _number(head.get(name))
        if seconds is not None:
            return seconds * unit
    return _server_timing(head.get("server-timing") or "")


def _server_timing(text: str) -> float | None:
    """The total among the metrics of a Server-Timing header, else the longest, in seconds."""
    found = {
        match["name"].lower(): ms
        for match in _TIMING.finditer(text)
        if (ms := _number(match["ms"])) is not None
    }
    total = next((ms for name, ms in found.items() if name in _TOTALS), None)
    longest = max(found.values(), default=None)
    ms = longest if total is None else total
    return None if ms is None else ms * 1e-3


def charged_by(head: Head | None, *, streamed: bool) -> Decimal | None:
    """What a gateway's header says that it charged, in US dollars.

    A stream's head is written before its cost is known: there a 0 says nothing.
    """
    charged = dollars_of(head.get(_CHARGE)) if head is not None else None
    return None if streamed and not charged else charged


def retry_after(head: Head | None) -> float | None:
    """Seconds the server asks us to wait, from any form of the header."""
    if head is None:
        return None
    ms = _number(head.get("retry-after-ms"))
    if ms is not None:
        return ms * 1e-3
    text = head.get("retry-after")
    if text is None:
        return None
    seconds = _number(text)
    return seconds if seconds is not None else _until(text, head)


def rate_limit(head: Head | None) -> RateLimit | None:
    """What the server says is left of its limits; None where it says nothing."""
    if head is None:
        return None
    found: dict[str, float | int | None] = {}
    for field, names in _LIMITS.items():
        text = next((value for name in names if (value := head.get(name))), None)
        if text is not None:
            read = _reset if field.endswith("reset") else _count
            found[field] = read(text, head)
    return RateLimit(**found) if found else None  # type: ignore[arg-type] # counts and seconds, by name


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value <= _LARGEST else None


def _count(text: str, _: Head) -> int | None:
    value = _number(text)
    return None if value is None else int(value)


def _reset(text: str, head: Head) -> float | None:
    """`6m0s`, `20ms`, a number of seconds, or an instant."""
    for read in _RESETS:
        seconds = read(text, head)
        if seconds is not None:
            return seconds
    return None


def _until(text: str, head: Head) -> float | None:
    """Seconds from the response's own Date until an HTTP date or RFC 3339 instant."""
    try:
        now = parsedate_to_datetime(head.get("date") or "")
        until = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
        return max((until - now).total_seconds(), 0.0)
    except (TypeError, ValueError, ArithmeticError):
        return None


def _span(text: str, _: Head) -> float | None:
    parts = re.findall(r"[0-9.]+[a-z]+", text)
    if not parts or "".join(parts) != text:
        return None
    try:
        seconds = sum(parse_duration(part) for part in parts) / NS_PER_S
    except (UsageError, ArithmeticError, ValueError):
        return None
    return seconds if seconds <= _LARGEST else None


_RESETS: tuple[Callable[[str, Head], float | None], ...] = (
    lambda text, _: _number(text),
    _span,
    _until,
)
