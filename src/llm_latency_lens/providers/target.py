"""From `provider:model` and an environment to a Target; whatever is wrong is said before anything is sent."""

import importlib
from collections.abc import Mapping

from llm_latency_lens.errors import UsageError, did_you_mean
from llm_latency_lens.model.request import Proxy, Target
from llm_latency_lens.providers.auth import key_from, missing_key
from llm_latency_lens.providers.headers import PROXY_AUTHORIZATION
from llm_latency_lens.providers.key import read_key
from llm_latency_lens.providers.provider import PROVIDERS, Provider
from llm_latency_lens.providers.proxy import parse_proxy
from llm_latency_lens.providers.url import parse_url
from llm_latency_lens.providers.where import Endpoint, Where
from llm_latency_lens.wire.header_fields import Fields, merge_fields


def resolve_target(
    spec: str,
    where: Where,
    environment: Mapping[str, str],
    providers: Mapping[str, Provider] = PROVIDERS,
) -> Target:
    """Resolve `provider:model` (split at the first colon) with its key from `environment`.

    The key is required at a hosted provider's own address; elsewhere it is sent where it is set.
    Prices are known for the provider's own address only.

    Raises:
        UsageError: unknown provider, no model, bad URL, missing or unusable key (never shown).
    """
    provider, model = _split(spec, providers)
    found = _endpoint(provider, model, where, environment)
    own, proxy = _to_proxy(where)
    given = {name.lower() for name, _ in own} & {"authorization", provider.key_header.lower()}
    return Target(
        provider=provider.name,
        dialect=provider.dialect,
        model=model,
        base_url=found.base_url,
        query=found.query,
        headers=merge_fields(found.headers, own),
        aws=found.aws,
        price_as=provider.price_as if where.base_url is None else None,
        catalogue=provider.price_as,
        tls=where.tls,
        proxy=proxy,
        spread_addresses=where.spread_addresses,
        credential=f"the header {' and '.join(sorted(given))} as given"
        if given
        else found.credential,
    )


def _to_proxy(where: Where) -> tuple[Fields, Proxy | None]:
    """The headers for the target, and the proxy with the one that is for it alone."""
    own = tuple(f for f in where.headers if f[0].lower() != PROXY_AUTHORIZATION)
    authorization = "".join(v for n, v in where.headers if n.lower() == PROXY_AUTHORIZATION)
    if where.proxy:
        return own, parse_proxy(where.proxy, authorization)
    if authorization:
        raise UsageError(
            "header Proxy-Authorization is for a proxy: give one with --proxy, or leave it out"
        )
    return own, None


def _split(spec: str, providers: Mapping[str, Provider]) -> tuple[Provider, str]:
    name, colon, model = spec.partition(":")
    if not colon or not model.strip():
        raise UsageError(
            f"{spec!r} is not a target; write provider:model, such as openai:gpt-4o-mini"
        )
    provider = providers.get(name)
    if provider is None:
        raise UsageError(
            f"unknown provider {name!r} in {spec!r}; {did_you_mean(name, sorted(providers))}"
        )
    return provider, model.strip()


def _endpoint(
    provider: Provider, model: str, where: Where, environment: Mapping[str, str]
) -> Endpoint:
    source = f"the environment variable {provider.key_env}"
    if where.key is not None and where.asks:
        # Under the provider's own name, so that whatever it does with its key is done with this one.
        environment = {**environment, provider.key_env: read_key(where.key, environment)}
        source = f"the {where.key.public_name}"
    if not where.asks:
        return Endpoint(base_url=parse_url(where.base_url or provider.base_url, "base URL"))
    if provider.endpoint is not None:
        module = importlib.import_module(provider.endpoint)
        found: Endpoint = module.endpoint(model, where, environment)
        return found
    given = {name.lower() for name, _ in where.headers}
    required = (
        where.base_url is None
        and not provider.is_local
        and provider.key_header.lower() not in given
    )
    key = key_from(environment, provider.key_env)
    if key is None and required:
        raise missing_key(provider.name, provider.key_env, environment)
    state = "empty" if provider.key_env in environment else "not set"
    return Endpoint(
        base_url=parse_url(where.base_url or provider.base_url, "base URL"),
        headers=((provider.key_header, provider.key_prefix + key),) if key is not None else (),
        credential=f"the key of {source}" if key is not None else f"no key ({source} is {state})",
    )
