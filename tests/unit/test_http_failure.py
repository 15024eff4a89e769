"""What an answer with an error status is called, and what is said of it."""

import pytest

from llm_latency_lens.interpret.asked import Asked
from llm_latency_lens.interpret.interpret import Subject, interpret
from llm_latency_lens.model.record import Outcome, OutcomeKind
from llm_latency_lens.model.recording import (
    Attempt,
    ConnectionFacts,
    Ending,
    EndKind,
    Head,
    Marks,
    Recording,
)
from llm_latency_lens.report.advice import advise

BASE = "http://127.0.0.1:8000"
CANARY = "canary-0123456789abcdef"
S = 1_000_000_000


def outcome(
    status: int,
    body: bytes | str = b"",
    *fields: str,
    asked: Asked | None = None,
    ending: EndKind = EndKind.COMPLETE,
    proxy: str | None = None,
) -> Outcome:
    """What becomes of an answer that began 60 s after its request."""
    pairs = tuple((n.lower(), v.strip()) for n, _, v in (field.partition(":") for field in fields))
    recording = Recording(
        marks=Marks(sent=5 * S, head=65 * S, ended=66 * S),
        ending=Ending(ending),
        head=Head(status, pairs),
        body=body if isinstance(body, bytes) else body.encode(),
        connection=ConnectionFacts(id=1, reused=False, remote="h:1", family="ipv4", proxy=proxy),
    )
    attempt = Attempt(
        number=0, phase="measure", worker=0, intended=0, dequeued=0, recording=recording
    )
    asked = asked or Asked(url=f"{BASE}/v1/chat/completions", base=f"{BASE}/v1", version="/v1")
    subject = Subject(target="openai:m", dialect="openai_chat", secrets=(CANARY,), asked=asked)
    return interpret(attempt, subject).outcome


@pytest.mark.parametrize(
    ("status", "body", "fields", "cause", "words"),
    [
        (504, "<html>nginx", ("Server: nginx/1.25",), "gateway_timeout", "nginx/1.25"),
        (504, "<h1>504</h1>\nThe server didn't respond in time.", (), "gateway_timeout", "HAProxy"),
        (504, "upstream request timeout", (), "gateway_timeout", "Envoy"),
        (504, "", ("Server: awselb/2.0",), "gateway_timeout", "awselb/2.0"),
        (524, "error code: 524", ("CF-Ray: 1",), "gateway_timeout", "Cloudflare"),
        (504, '{"message": "Endpoint request timed out"}', (), "gateway_timeout", "API Gateway"),
        (408, '{"error":{"message":"litellm.Timeout: x"}}', (), "gateway_timeout", "LiteLLM"),
        (503, "upstream connect error or disconnect/reset before headers. reset reason: connection timeout", (), "gateway_timeout", "Envoy"),
        (502, "<html>", ("Server: nginx",), "server", "no proper answer from the server behind"),
        (503, "No server is available to handle this request.", (), "server", "HAProxy"),
        (500, '{"error":{"message":"CUDA out of memory"}}', (), "server", "CUDA"),
        (403, "error code: 1010", ("Server: cloudflare",), "blocked", "signature"),
        (403, "<title>Just a moment...</title>", ("cf-mitigated: challenge",), "blocked", "Cloud"),
        (503, "<title>Just a moment...</title>", ("Server: cloudflare",), "blocked", "Cloudflare"),
        (403, "<title>Attention Required! | Cloudflare</title>", (), "blocked", "Cloudflare"),
        (405, "", ("x-amzn-waf-action: captcha",), "blocked", "AWS WAF"),
        (403, "Access Denied Reference&#32;&#35;18.1", ("Server: AkamaiGHost",), "blocked", "Akamai"),
        (403, '{"error":{"message":"Country not supported"}}', (), "forbidden", "Country"),
        (429, '{"error":{"code":"insufficient_quota","message":"You exceeded your current quota"}}', (), "quota", "quota"),
        (402, '{"error":{"message":"Insufficient Balance"}}', (), "quota", "Balance"),
        (429, '{"error":{"message":"Rate limit reached"}}', (), "rate_limited", "Rate"),
        (400, '{"error":{"message":"This model\'s maximum context length is 4096 tokens. However, you requested 9000"}}', (), "context_length", "4096"),
        (400, '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}', (), "context_length", "too long"),
        (400, '{"error":{"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error"}}', (), "context_length", "context size"),
        (400, '{"error":{"message":"The input token count (40000) exceeds the maximum number of tokens allowed (32768)."}}', (), "context_length", "32768"),
        (422, '{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"}', (), "context_length", "4096"),
        (400, '{"message":"Input is too long for requested model."}', (), "context_length", "too long"),
        (400, '{"object":"error","message":"The input (5000 tokens) is longer than the model\'s context length (4096 tokens)."}', (), "context_length", "4096"),
        (400, '{"error":{"message":"temperature must be at most 2"}}', (), "bad_request", "temperature"),
        (413, "<html>413 Request Entity Too Large", ("Server: nginx",), "too_large", "413"),
        (404, '{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}', (), "model_not_found", "does not exist"),
        (404, '{"error":"model \\"x\\" not found, try pulling it first"}', (), "model_not_found", "pull"),
        (400, "<h1>The plain HTTP request was sent to HTTPS port</h1>", (), "https_expected", "TLS"),
        (400, "Client sent an HTTP request to an HTTPS server.", (), "https_expected", "TLS"),
        (505, "", (), "http2_only", "HTTP/1.1"),
        (426, "", ("Upgrade: h2c",), "http2_only", "HTTP/1.1"),
        (407, "", ("Proxy-Authenticate: Basic realm=x",), "proxy_auth", "Basic realm=x"),
    ],
)  # fmt: skip
def test_an_error_status_has_its_cause(
    status: int, body: str, fields: tuple[str, ...], cause: str, words: str
) -> None:
    """As servers, gateways and filters write them; each cause has a remedy of its own."""
    found = outcome(status, body, *fields)
    assert (found.kind, found.cause) == (OutcomeKind.ERROR_HTTP, cause)
    assert words in found.detail
    assert advise(found).rpartition(" - ")[2] not in {"", "the server answered with an error"}


def test_a_gateways_timeout_says_after_how_long() -> None:
    """The time from the request to the answer's head; nobody is named where nothing names anybody."""
    assert (
        "nginx/1.25 (server header) gave up after 60.0 s"
        in outcome(504, "", "Server: nginx/1.25").detail
    )
    assert "a gateway or the server gave up after 60.0 s" in outcome(504).detail


def test_a_cut_stream_says_after_how_long_and_who_stands_between() -> None:
    """A gateway that closes a stream at its own deadline sends no status."""
    body = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
    fields = ("Content-Type: text/event-stream", "Server: nginx")
    found = outcome(200, body, *fields, ending=EndKind.TRUNCATED)
    assert found.kind is OutcomeKind.TRUNCATED
    assert "61.0 s after the request" in found.detail
    assert "nginx (server header) stands between" in found.detail


@pytest.mark.parametrize(
    ("base", "path", "version", "words"),
    [
        ("", "/chat/completions", "/v1", f"is /v1 missing? try --base-url {BASE}/v1"),
        ("/api", "/chat/completions", "/v1", f"try --base-url {BASE}/api/v1"),
        ("/v1/v1", "/chat/completions", "/v1", "/v1 stands twice"),
        ("/v1/chat/completions", "/chat/completions", "/v1", "ends with /chat/completions already"),
        ("/v1", "/api/chat", "", "has no /v1"),
    ],
)
def test_a_404_names_the_address_and_what_is_wrong_with_it(
    base: str, path: str, version: str, words: str
) -> None:
    """A base URL without its version, with it twice, with the whole path, or with one too many."""
    asked = Asked(url=BASE + base + path, base=BASE + base, version=version)
    found = outcome(404, '{"detail":"Not Found"}', asked=asked)
    assert found.cause == "not_found"
    assert f"POST {BASE}{base}{path}" in found.detail
    assert words in found.detail


@pytest.mark.parametrize("base", ["/v1", "/openai/v1", "/api/paas/v4", "/v1beta/openai"])
def test_a_404_guesses_nothing_where_the_base_url_looks_right(base: str) -> None:
    """A remedy that would not help is not given."""
    asked = Asked(url=f"{BASE}{base}/chat/completions", base=BASE + base, version="/v1")
    assert "try" not in outcome(404, "", asked=asked).detail


@pytest.mark.parametrize(
    "credential",
    ["no key (the environment variable K is not set)", "the key of the environment variable K"],
)
def test_a_401_says_what_was_sent(credential: str) -> None:
    """And it does not claim that a key was refused which was never sent."""
    asked = Asked(url=BASE, base=BASE, credential=credential)
    found = outcome(401, '{"error":{"message":"Incorrect API key"}}', asked=asked)
    assert (found.cause, found.detail) == ("auth", f"sent with {credential}: Incorrect API key")
    assert "not accepted" not in advise(found)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://new.example/v1/chat/completions", "write --base-url https://new.example/v1"),
        ("/v2/chat/completions", f"write --base-url {BASE}/v2"),
        ("//other.example/v1/chat/completions", "write --base-url http://other.example/v1"),
        (f"{BASE}/v1/chat/completions/", f"it leads to {BASE}/v1/chat/completions/"),
        ("https://u:p@login.example/?return=secret#s", "it leads to https://login.example/"),
        ("", "it names no target"),
        ("http://[::1", "its target is no URL"),
    ],
)
def test_w13_a_redirect_names_its_target(location: str, words: str) -> None:
    """W13: without what may be secret in it, and with the base URL that leads there, if one does."""
    detail = outcome(307, "", f"Location: {location}").detail
    assert words in detail
    assert "secret" not in detail
    assert "u:p" not in detail
    if "write" not in words:
        assert "--base-url" not in detail


def test_a_forward_proxys_refusal_is_said_as_such() -> None:
    """Only where a proxy was used and the answer shows that it is the proxy's."""
    body = "<html><h1>502 Bad Gateway</h1>"
    fields = ("X-Squid-Error: ERR_CONNECT_FAIL 111",)
    found = outcome(503, body, *fields, proxy="127.0.0.1:3128")
    assert (found.cause, "127.0.0.1:3128" in found.detail) == ("proxy_refused", True)
    assert outcome(503, body, *fields).cause == "server"
    assert outcome(503, body, proxy="127.0.0.1:3128").cause == "server"


@pytest.mark.parametrize("status", [307, 401, 403, 404, 407, 500, 502, 504])
def test_x2_no_secret_survives_in_the_words(status: int) -> None:
    """X2: whatever a server echoes, in a header or in the body."""
    fields = (
        f"Location: https://h/{CANARY}/x",
        f"Server: nginx {CANARY}",
        f"Proxy-Authenticate: {CANARY}",
        f"Via: {CANARY}",
    )
    assert CANARY not in outcome(status, f"timeout {CANARY}", *fields).detail
