"""Header fields of requests: who may give which, that each goes out once, and where credentials go."""

import base64
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import HttpRequest, Message, Proxy, Request, Target, Url
from llm_latency_lens.providers.headers import header_fields, parse_header
from llm_latency_lens.providers.proxy import check_proxy, parse_proxy, proxy_url
from llm_latency_lens.providers.target import resolve_target
from llm_latency_lens.providers.url import parse_url
from llm_latency_lens.providers.where import Where
from llm_latency_lens.transport.exchange import serialise
from llm_latency_lens.version import VERSION
from llm_latency_lens.wire.dialect import DIALECTS, load_dialect
from llm_latency_lens.wire.header_fields import merge_fields

CANARY = "canary-0123456789abcdef"
LOCAL = "http://127.0.0.1:9/v1"
NAMES = st.sampled_from(["Host", "host", "Accept", "ACCEPT", "X-A", "x-a", "X-B"])


def sent(target: Target) -> dict[str, list[str]]:
    """The fields that go out, by lower-case name."""
    wish = Request(messages=(Message("user", "hi"),))
    request = load_dialect(target.dialect).encode(wish, target)
    head = serialise(request, target.proxy).partition(b"\r\n\r\n")[0].decode("latin-1")
    found: dict[str, list[str]] = {}
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        found.setdefault(name.lower(), []).append(value)
    return found


def target_of(spec: str, *headers: str, proxy: str | None = None, **environment: str) -> Target:
    """A local target with header fields as they are typed."""
    fields = header_fields((parse_header(text, environment) for text in headers), "--header")
    return resolve_target(spec, Where(base_url=LOCAL, headers=fields, proxy=proxy), environment)


@given(st.lists(st.lists(st.tuples(NAMES, st.text(max_size=3)), max_size=4), max_size=4))
def test_the_last_group_that_has_a_name_decides_it(groups: list[list[tuple[str, str]]]) -> None:
    """Names are compared without case; nothing of an earlier group survives beside it."""
    merged = merge_fields(*groups)
    for name in {name.lower() for group in groups for name, _ in group}:
        last = next(g for g in reversed(groups) if name in {n.lower() for n, _ in g})
        of_last = [value for n, value in last if n.lower() == name]
        assert [value for n, value in merged if n.lower() == name] == of_last


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_every_field_goes_out_once_whatever_is_given(dialect: str) -> None:
    """In every dialect: the tool's own fields, the key's and Host are replaced, not repeated."""
    own = (
        ("host", "gateway.internal"),
        ("CONTENT-TYPE", "application/json; charset=utf-8"),
        ("accept", "*/*"),
        ("Accept-Encoding", "gzip"),
        ("user-agent", "mine"),
        ("anthropic-version", "2024-10-22"),
        ("authorization", "Bearer x"),
    )
    target = Target(
        provider="p", dialect=dialect, model="m", base_url=parse_url(LOCAL, "url"), headers=own
    )
    fields = sent(target)
    assert not {name: values for name, values in fields.items() if len(values) > 1}
    assert {fields[name.lower()][0] for name, _ in own} == {value for _, value in own}


def test_a_given_field_replaces_the_key_of_the_environment() -> None:
    """And then the key's own variable need not be set at a provider's own address."""
    target = target_of("openai:m", "Authorization: env:K", OPENAI_API_KEY="other-key", K="Bearer k")
    assert sent(target)["authorization"] == ["Bearer k"]
    where = Where(headers=(("authorization", "Bearer k"),))
    assert sent(resolve_target("openai:m", where, {}))["authorization"] == ["Bearer k"]


def test_a_user_agent_is_sent() -> None:
    """Filters in front of APIs refuse clients without one."""
    assert sent(target_of("openai:m"))["user-agent"] == [f"llm-latency-lens/{VERSION}"]


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length",
        "Transfer-Encoding",
        "connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Proxy-Connection",
    ],
)
def test_fields_that_frame_the_request_are_refused(name: str) -> None:
    """They say how the bytes are to be read, whatever value is given."""
    with pytest.raises(UsageError, match="framed"):
        parse_header(f"{name}: x", {})


@pytest.mark.parametrize(
    "text",
    [
        "X-Auth-Token: {}",
        "Ocp-Apim-Subscription-Key: {}",
        "helicone-auth: {}",
        "cf-aig-authorization: {}",
        "X-Custom: Bearer {}",
        "X-Custom: basic {}",
        "X-Litellm-Api-Key: {}",
        "X-Custom: sk-{}",
    ],
)
def test_x1_no_credential_is_written_out(text: str) -> None:
    """X1: by the field's name or by the value's form; the message does not repeat it."""
    with pytest.raises(UsageError, match="env:VARIABLE") as caught:
        parse_header(text.format(CANARY), {})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["X-Max-Tokens: 5", "Idempotency-Key: a1", "X-Team: search", "X-Cache-Key: q", "X-E:"]
)
def test_ordinary_fields_are_no_credentials(text: str) -> None:
    """The rule has no false alarms on names that only look alike."""
    assert parse_header(text, {})[0] == text.partition(":")[0]


@pytest.mark.parametrize("value", ["a\r\nX-B: c", "a\nb", "a\x00b", "é"])
def test_x15_a_looked_up_value_passes_the_same_checks(value: str) -> None:
    """X15: a line break in a variable would be a second field."""
    with pytest.raises(UsageError, match="no header has"):
        parse_header("X-A: env:K", {"K": value})


def test_a_field_that_is_given_twice_is_refused() -> None:
    """One of them would be lost silently."""
    with pytest.raises(UsageError, match="twice"):
        header_fields((("X-A", "1"), ("x-a", "2")), "--header")


def test_x1_proxy_credentials_go_to_the_proxy_alone() -> None:
    """X1: from the URL or the field; a tunnelled request has none, an absolute one has them for the proxy."""
    url = f"http://user:{CANARY}@127.0.0.1:3128"
    token = base64.b64encode(f"user:{CANARY}".encode()).decode()
    target = target_of("openai:m", proxy=url)
    assert target.proxy == Proxy(url=Url("http", "127.0.0.1", 3128), authorization=f"Basic {token}")
    assert "proxy-authorization" not in {name.lower() for name, _ in target.headers}
    assert sent(target)["proxy-authorization"] == [f"Basic {token}"]
    given_field = target_of("openai:m", "Proxy-Authorization: env:P", proxy=url, P="Bearer p")
    assert sent(given_field)["proxy-authorization"] == ["Bearer p"]
    secure = HttpRequest(method="POST", url=Url("https", "h", 443, "/x"), headers=())
    assert b"Proxy-Authorization" not in serialise(secure, target.proxy)
    with pytest.raises(UsageError, match="--proxy"):
        target_of("openai:m", "Proxy-Authorization: env:P", P="Bearer p")
    assert CANARY not in repr(target) + repr(target.proxy)


def test_an_http_target_is_named_whole_to_a_proxy() -> None:
    """The absolute form of RFC 9112, 3.2.2; and the origin form without a proxy."""
    target = target_of("openai:m", proxy="http://127.0.0.1:3128")
    wish = Request(messages=(Message("user", "hi"),))
    request = load_dialect(target.dialect).encode(wish, target)
    first = serialise(request, target.proxy).partition(b"\r\n")[0]
    assert first == b"POST http://127.0.0.1:9/v1/chat/completions HTTP/1.1"
    assert serialise(request).startswith(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:9")


def test_a_proxy_is_named_by_url_variable_or_file(tmp_path: pathlib.Path) -> None:
    """A password is read from a variable or a file, percent-encoded; written out it is refused, unshown."""
    path = tmp_path / "proxy"
    path.write_text("http://u:p%40ss%3A@proxy.example:8080\n")
    parsed = parse_proxy(proxy_url(f"file:{path}", {}))
    token = base64.b64encode(b"u:p@ss:").decode()
    assert parsed == Proxy(url=Url("http", "proxy.example", 8080), authorization=f"Basic {token}")
    assert parse_proxy(proxy_url("env:P", {"P": "http://h:1"})) == Proxy(url=Url("http", "h", 1))
    with pytest.raises(UsageError, match="written out") as caught:
        check_proxy(f"http://u:{CANARY}@h:1")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "env:NONE",
        "file:/nowhere",
        f"http://u:{CANARY}@h:99999",
        f"ftp://u:{CANARY}@h",
        f"u:{CANARY}@h:1",
    ],
)
def test_a_wrong_proxy_is_refused_without_its_password(text: str) -> None:
    """Nothing there, no port, no scheme."""
    with pytest.raises(UsageError) as caught:
        parse_proxy(proxy_url(text, {}))
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"http://h/v1?key={CANARY}",
        f"http://h/v1#{CANARY}",
        f"http://h:99999/v1?key={CANARY}",
        f"h:80/v1?key={CANARY}",
        f"http://u:{CANARY}@h:x/v1",
        f"ftp://u:{CANARY}@h/?q={CANARY}",
        f"http://h h/?key={CANARY}",
        f"http://[::1/?key={CANARY}",
        f"http://h/a b?key={CANARY}",
    ],
)
def test_x1_a_key_in_a_url_is_never_repeated(text: str) -> None:
    """X1: whatever else is wrong with it."""
    with pytest.raises(UsageError) as caught:
        parse_url(text, "base URL")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("path", ["/a b", "/é", "/a\x7f"])
def test_a_path_that_would_break_the_request_line_is_refused(path: str) -> None:
    """A blank in it would end it."""
    with pytest.raises(UsageError, match="percent-encoded"):
        parse_url(f"http://h{path}", "base URL")
