"""What response headers say: server time, request ids, rate limits and Retry-After, each in its forms."""

import pytest

from llm_latency_lens.interpret.headers import (
    rate_limit,
    request_id,
    retry_after,
    server_seconds,
)
from llm_latency_lens.model.record import RateLimit
from llm_latency_lens.model.recording import Head

DATE = ("date", "Mon, 23 Nov 2026 10:00:00 GMT")


def head(*headers: tuple[str, str]) -> Head:
    """A response head."""
    return Head(200, headers)


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("openai-processing-ms", "412", 0.412),
        ("x-envoy-upstream-service-time", "33", 0.033),
        ("server-timing", "total;dur=123.5", 0.1235),
        ("server-timing", "cache;desc=hit, db;dur=53, app;dur=47.2", 0.0472),
        ("server-timing", 'queue;desc="a, b";dur=2, gpu;dur=80', 0.08),
        ("server-timing", "miss", None),
        ("openai-processing-ms", "soon", None),
        ("openai-processing-ms", "-3", None),
        ("openai-processing-ms", "nan", None),
    ],
)
def test_the_servers_own_time(name: str, value: str, seconds: float | None) -> None:
    """Each header in its unit; of several the total; what can't be read is unknown."""
    found = server_seconds(head((name, value)))
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("retry-after", "3", 3.0),
        ("retry-after", "0.5", 0.5),
        ("retry-after-ms", "250", 0.25),
        ("retry-after", "Mon, 23 Nov 2026 10:00:07 GMT", 7.0),
        ("retry-after", "Mon, 23 Nov 2026 09:00:00 GMT", 0.0),
        ("retry-after", "later", None),
        ("retry-after", "-1", None),
    ],
)
def test_w14_retry_after_in_its_forms(name: str, value: str, seconds: float | None) -> None:
    """W14: seconds, milliseconds, a date against the response's own."""
    assert retry_after(head((name, value), DATE)) == seconds


OPENAI = (
    ("x-ratelimit-limit-requests", "5000"),
    ("x-ratelimit-remaining-requests", "4999"),
    ("x-ratelimit-reset-requests", "12ms"),
    ("x-ratelimit-limit-tokens", "800000"),
    ("x-ratelimit-remaining-tokens", "799980"),
    ("x-ratelimit-reset-tokens", "6m0s"),
)
ANTHROPIC = (
    DATE,
    ("anthropic-ratelimit-requests-limit", "50"),
    ("anthropic-ratelimit-requests-remaining", "49"),
    ("anthropic-ratelimit-requests-reset", "2026-11-23T10:00:30Z"),
)


def test_rate_limits_of_two_makers() -> None:
    """Spans such as 6m0s, instants against the response's date; None where nothing is said."""
    assert rate_limit(head(*OPENAI)) == RateLimit(
        requests_limit=5000,
        requests_remaining=4999,
        requests_reset=0.012,
        tokens_limit=800_000,
        tokens_remaining=799_980,
        tokens_reset=360.0,
    )
    assert rate_limit(head(*ANTHROPIC)) == RateLimit(
        requests_limit=50, requests_remaining=49, requests_reset=30.0
    )
    assert rate_limit(head(DATE)) is None
    broken = rate_limit(head(("x-ratelimit-remaining-requests", "many")))
    assert broken == RateLimit()


@pytest.mark.parametrize(
    "name", ["x-request-id", "request-id", "x-amzn-requestid", "apim-request-id"]
)
def test_the_request_has_the_servers_id(name: str) -> None:
    """Whatever the provider calls it."""
    assert request_id(head((name, "abc"))) == "abc"
    assert request_id(head()) is None
    assert request_id(None) is None
