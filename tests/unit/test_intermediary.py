"""Response headers that name an intermediary, and those that only look like it."""

import pytest

from llm_latency_lens.model.recording import Head
from llm_latency_lens.wire.intermediary import intermediary


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((("server", "nginx/1.22.1"),), "nginx/1.22.1 (server header)"),
        ((("server", "Google Frontend"),), "Google Frontend (server header)"),
        ((("server", "uvicorn"), ("via", "1.1 edge")), "1.1 edge (via header)"),
        ((("cf-ray", "8f1-FRA"), ("server", "cloudflare")), "cloudflare (server header)"),
        ((("server", "uvicorn"), ("cf-ray", "8f1-FRA")), "Cloudflare (cf-ray header)"),
        (
            (("server", "uvicorn"), ("x-envoy-upstream-service-time", "3")),
            "Envoy (x-envoy-upstream-service-time header)",
        ),
        ((("x-cache", "MISS"),), "a cache (x-cache header)"),
    ],
)
def test_a_header_names_who_stands_between(
    headers: tuple[tuple[str, str], ...], expected: str
) -> None:
    """Via first, then the product of the Server header, then headers that only one product adds."""
    assert intermediary(Head(200, headers)) == expected


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("server", "uvicorn"),),
        (("server", "llama.cpp"), ("x-request-id", "nginx")),
        (("x-accel-buffering", "no"),),
        (("x-cached-tokens", "12"), ("x-envoys", "2")),
        (("via", ""),),
    ],
)
def test_a_server_alone_names_nobody(headers: tuple[tuple[str, str], ...]) -> None:
    """A model server's own headers blame no proxy; nginx would have removed X-Accel-Buffering."""
    assert intermediary(Head(200, headers)) is None


def test_no_response_names_nobody() -> None:
    """A request without a response has no intermediary."""
    assert intermediary(None) is None
