"""From `provider:model` and an environment to a Target; whatever is wrong is said before anything is sent."""

import difflib
import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import Target, TlsOptions, Url
from llm_latency_lens.providers.provider import PROVIDERS, Provider

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")


class Where(Struct, frozen=True, kw_only=True):
    """How the target is reached, as people write it: None is the provider's own way."""

    base_url: str | None = None
    tls: TlsOptions = TlsOptions()
    proxy: str | None = None


def resolve_target(spec: str, where: Where, environment: Mapping[str, str]) -> Target:
    """Resolve `provider:model` (split at the first colon) with its key from `environment`.

    The key is required at a hosted provider's own address; elsewhere it is sent where it is set.

    Raises:
        UsageError: unknown provider, no model, bad URL, missing or unusable key (never shown).
    """
    provider, model = _split(spec)
    base_url = parse_url(where.base_url or provider.base_url, "base URL")
    return Target(
        provider=provider.name,
        dialect=provider.dialect,
        model=model,
        base_url=base_url,
        headers=_auth_headers(
            provider, environment, required=where.base_url is None and not provider.is_local
        ),
        tls=where.tls,
        proxy=parse_url(where.proxy, "proxy URL") if where.proxy else None,
    )


def _split(spec: str) -> tuple[Provider, str]:
    name, colon, model = spec.partition(":")
    if not colon or not model.strip():
        raise UsageError(
            f"{spec!r} is not a target; write provider:model, such as openai:gpt-4o-mini"
        )
    provider = PROVIDERS.get(name)
    if provider is None:
        near = difflib.get_close_matches(name, PROVIDERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(PROVIDERS))}"
        raise UsageError(f"unknown provider {name!r} in {spec!r}; {hint}")
    return provider, model.strip()


def _auth_headers(
    provider: Provider, environment: Mapping[str, str], *, required: bool
) -> tuple[tuple[str, str], ...]:
    name = provider.key_env
    key = environment.get(name, "").strip()
    if not key:
        if not required:
            return ()
        state = "empty" if name in environment else "not set"
        raise UsageError(
            f"no key for {provider.name}: the environment variable {name} is {state}; set it"
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"the key in {name} holds blanks or characters no key has; set it anew")
    return ((provider.key_header, provider.key_prefix + key),)


def parse_url(text: str, what: str) -> Url:
    """Parse an http(s) URL of a server: scheme, host, port and path, nothing else.

    Raises:
        UsageError: in one line, what is wrong with it.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{what} {text!r}: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"{what}: a URL must not hold a user name or password; keys come from the environment"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"{what} {text!r} must begin with http:// or https:// and a host")
    if parts.query or parts.fragment:
        raise UsageError(f"{what} {text!r} must not hold ? or #")
    host = _host(parts.hostname, what, text)
    if port == 0:
        raise UsageError(f"{what} {text!r}: port 0 can't be connected to")
    default = 443 if parts.scheme == "https" else 80
    return Url(parts.scheme, host, port or default, parts.path.rstrip("/"))


def _host(host: str, what: str, text: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        ascii_host = host.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_host = ""
    if not _HOST.fullmatch(ascii_host):
        raise UsageError(f"{what} {text!r}: {host!r} is not a host name")
    return ascii_host.lower()
