"""Targets: wrong ones are refused in one line, and keys never show."""

import msgspec
import pytest

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import HttpRequest, Url
from llm_latency_lens.providers.target import resolve_target
from llm_latency_lens.providers.url import parse_url
from llm_latency_lens.providers.where import Where
from llm_latency_lens.wire.openai_chat import encode
from llm_latency_lens.workload.workload import Workload, of_prompts, request_for

CANARY = "sk-canary-1234567890abcdef"
LOCAL = Where(base_url="http://127.0.0.1:8000/v1")


def test_a_target_splits_at_the_first_colon() -> None:
    """Model names may hold colons and slashes."""
    target = resolve_target("openai:org/model:8b", LOCAL, {})
    assert (target.provider, target.model, target.headers) == ("openai", "org/model:8b", ())


def test_the_key_comes_from_the_environment() -> None:
    """Required at the provider's own address, taken along elsewhere."""
    own = resolve_target("openai:m", Where(), {"OPENAI_API_KEY": f" {CANARY} "})
    assert own.headers == (("Authorization", f"Bearer {CANARY}"),)
    assert str(own.base_url) == "https://api.openai.com/v1"
    assert resolve_target("openai:m", LOCAL, {"OPENAI_API_KEY": CANARY}).headers == own.headers


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "OPENAI_API_KEY is not set"),
        ({"OPENAI_API_KEY": " "}, "OPENAI_API_KEY is empty"),
        ({"OPENAI_API_KEY": f"{CANARY}\r\nX: y"}, "OPENAI_API_KEY"),
        ({"OPENAI_API_KEY": f"{CANARY}é"}, "OPENAI_API_KEY"),
    ],
)
def test_f4_a_missing_or_broken_key_names_its_variable(
    environment: dict[str, str], words: str
) -> None:
    """F4: the variable's name, never its value."""
    with pytest.raises(UsageError, match=words) as caught:
        resolve_target("openai:m", Where(), environment)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("opnai:m", "did you mean 'openai'"),
        ("zzz:m", "known: anthropic"),
        ("openai", "provider:model"),
        ("openai:", "provider:model"),
        ("", "provider:model"),
    ],
)
def test_f1_unknown_targets_are_refused(spec: str, words: str) -> None:
    """F1: with the nearest name, or the form."""
    with pytest.raises(UsageError, match=words):
        resolve_target(spec, LOCAL, {})


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://h/v1/", Url("http", "h", 80, "/v1")),
        ("https://H.example:8443", Url("https", "h.example", 8443, "")),
        ("http://[::1]:9/x", Url("http", "::1", 9, "/x")),
        ("http://bücher.example", Url("http", "xn--bcher-kva.example", 80, "")),
    ],
)
def test_urls(text: str, url: Url) -> None:
    """Ports by scheme, IPv6, IDNA, no trailing slash."""
    assert parse_url(text, "base URL") == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h:80",
        "ftp://h",
        "http://",
        "http://h:0",
        "http://h:99999",
        "http://h:x",
        f"http://u:{CANARY}@h",
        "http://h/?q=1",
        "http://h/#f",
        "http://a b/",
        "http://[::1",
        "http://-x/",
    ],
)
def test_bad_urls_are_refused(text: str) -> None:
    """In one line, without what may be a secret in them."""
    with pytest.raises(UsageError) as caught:
        parse_url(text, "base URL")
    assert "\n" not in str(caught.value)
    assert CANARY not in str(caught.value)


def test_x1_a_key_never_shows_in_a_repr() -> None:
    """X1: neither the target nor the request tells it."""
    target = resolve_target("openai:m", Where(), {"OPENAI_API_KEY": CANARY})
    workload = Workload(conversations=of_prompts(("hi",)))
    request = encode(request_for(workload, "measure", 0), target)
    assert isinstance(request, HttpRequest)
    shown = [
        repr(target),
        str(target),
        f"{target!r:>5}",
        repr(request),
        str(request),
        repr([target, request]),
    ]
    assert not [text for text in shown if CANARY in text]
    assert CANARY in str(msgspec.to_builtins(request))  # it is there, after all
