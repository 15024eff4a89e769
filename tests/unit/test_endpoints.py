"""Azure, Vertex and Bedrock: where a model is and what proves who asks; what is missing is named."""

import pytest

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import AwsKeys, HttpRequest, Message, Request, Url
from llm_latency_lens.providers.auth import load_extra
from llm_latency_lens.providers.bedrock import sign
from llm_latency_lens.providers.headers import parse_header
from llm_latency_lens.providers.target import resolve_target
from llm_latency_lens.providers.where import Endpoint, Where
from llm_latency_lens.wire.dialect import load_dialect

CANARY = "sk-canary-0123456789abcdef"
AZURE = {"AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com", "AZURE_OPENAI_API_KEY": CANARY}
VERTEX = {"GOOGLE_OAUTH_ACCESS_TOKEN": CANARY, "GOOGLE_CLOUD_PROJECT": "proj"}
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": CANARY,
    "AWS_REGION": "eu-west-1",
}
DATED = {"OPENAI_API_VERSION": "2024-10-21"}


@pytest.mark.parametrize(
    ("spec", "environment", "url", "header"),
    [
        ("azure:dep", AZURE, "https://res.openai.azure.com/openai/v1/chat/completions", "api-key"),
        (
            "azure:dep",
            AZURE | DATED,
            "https://res.openai.azure.com/openai/deployments/dep/chat/completions?api-version=2024-10-21",
            "api-key",
        ),
        (
            "azure:dep",
            {
                "AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com/openai/v1/",
                "AZURE_OPENAI_AD_TOKEN": CANARY,
            },
            "https://res.openai.azure.com/openai/v1/chat/completions",
            "Authorization",
        ),
        (
            "vertex:gemini-2.5-pro",
            VERTEX,
            (
                "https://us-central1-aiplatform.googleapis.com/v1/projects/proj/locations/us-central1"
                "/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
            ),
            "Authorization",
        ),
        (
            "vertex:m",
            VERTEX | {"GOOGLE_CLOUD_LOCATION": "global"},
            (
                "https://aiplatform.googleapis.com/v1/projects/proj/locations/global"
                "/publishers/google/models/m:streamGenerateContent?alt=sse"
            ),
            "Authorization",
        ),
        (
            "bedrock:vendor.model-v1:0",
            {"AWS_BEARER_TOKEN_BEDROCK": CANARY, "AWS_DEFAULT_REGION": "us-east-1"},
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/vendor.model-v1%3A0/converse-stream",
            "Authorization",
        ),
    ],
)
def test_where_it_is_and_what_proves_it(
    spec: str, environment: dict[str, str], url: str, header: str
) -> None:
    """The address each provider documents, and the header it wants."""
    target = resolve_target(spec, Where(), environment)
    request = load_dialect(target.dialect).encode(Request(messages=(Message("user", "x"),)), target)
    assert str(request.url) == url
    assert CANARY in dict(request.headers)[header]


@pytest.mark.parametrize(
    ("spec", "environment", "words"),
    [
        ("azure:dep", {"AZURE_OPENAI_API_KEY": CANARY}, "AZURE_OPENAI_ENDPOINT"),
        ("azure:dep", AZURE | {"AZURE_OPENAI_API_KEY": f"{CANARY} x"}, "AZURE_OPENAI_API_KEY"),
        ("vertex:m", {"GOOGLE_OAUTH_ACCESS_TOKEN": CANARY}, "GOOGLE_CLOUD_PROJECT"),
        ("bedrock:m", {"AWS_BEARER_TOKEN_BEDROCK": CANARY}, "AWS_REGION"),
        ("bedrock:m", {k: v for k, v in AWS.items() if k != "AWS_REGION"}, "AWS_REGION"),
    ],
)
def test_what_is_missing_is_named(spec: str, environment: dict[str, str], words: str) -> None:
    """The variable, never a value."""
    with pytest.raises(UsageError, match=words) as caught:
        resolve_target(spec, Where(), environment)
    assert CANARY not in str(caught.value)


def test_a_signature_is_made_at_the_send() -> None:
    """Over the request as it is sent; the secret itself is not in it, the session token is a header."""
    target = resolve_target("bedrock:m", Where(), AWS | {"AWS_SESSION_TOKEN": "session-token"})
    assert target.headers == ()
    assert target.aws is not None
    request = load_dialect("bedrock").encode(Request(messages=(Message("user", "x"),)), target)
    signed = dict(sign(request, target.aws).headers)
    assert signed["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-west-1/bedrock/aws4_request" in signed["Authorization"]
    assert signed["X-Amz-Security-Token"] == "session-token"
    assert signed["Content-Type"] == "application/json"
    assert CANARY not in "".join(signed.values())


def test_a_missing_extra_is_named() -> None:
    """With the command that installs it."""
    with pytest.raises(UsageError, match=r"pip install 'llm-latency-lens\[bedrock\]'"):
        load_extra("no_such_module_at_all", "bedrock", "signing")


def test_x1_values_that_hold_secrets_show_none() -> None:
    """X1: repr of keys, endpoints, targets and requests."""
    keys = AwsKeys(access_key="AKID", secret_key=CANARY, region="eu-west-1")
    endpoint = Endpoint(base_url=Url("https", "h", 443), headers=(("X-Key", CANARY),))
    target = resolve_target("openai:m", Where(), {"OPENAI_API_KEY": CANARY})
    request = HttpRequest(method="POST", url=target.base_url, headers=target.headers)
    for value in (keys, endpoint, target, request):
        for text in (repr(value), str(value), f"{value}"):
            assert CANARY not in text


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("X-Team: search", ("X-Team", "search")),
        ("X-Team:a:b", ("X-Team", "a:b")),
        ("X-Key: env:K", ("X-Key", CANARY)),
        ("Authorization: env:K", ("Authorization", CANARY)),
    ],
)
def test_a_header_is_a_name_and_a_value(text: str, header: tuple[str, str]) -> None:
    """A secret one comes from the environment."""
    assert parse_header(text, {"K": CANARY}) == header


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("X-Team", "must be written"),
        ("X Team: a", "must be written"),
        ("X-Key: env:NONE", "NONE is not set"),
        (f"x-api-key: {CANARY}", "holds a credential"),
        (f"Cookie: {CANARY}", "holds a credential"),
        ("X-A: b\nX-C: d", "no header has"),
        ("X-A: é", "no header has"),
    ],
)
def test_a_wrong_header_is_refused(text: str, words: str) -> None:
    """A credential in plain text is not repeated."""
    with pytest.raises(UsageError, match=words) as caught:
        parse_header(text, {})
    assert CANARY not in str(caught.value)
