"""From `provider:model` and an environment to a Target; whatever is wrong is said before anything is sent."""

import importlib
from collections.abc import Mapping

from llm_latency_lens.errors import UsageError, did_you_mean
from llm_latency_lens.model.request import Target
from llm_latency_lens.providers.auth import key_from, missing_key
from llm_latency_lens.providers.key import read_key
from llm_latency_lens.providers.provider import PROVIDERS, Provider
from llm_latency_lens.providers.url import parse_url
from llm_latency_lens.providers.where import Endpoint, Where


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
    return Target(
        provider=provider.name,
        dialect=provider.dialect,
        model=model,
        base_url=found.base_url,
        query=found.query,
        headers=(*where.headers, *found.headers),
        aws=found.aws,
        price_as=provider.price_as if where.base_url is None else None,
        catalogue=provider.price_as,
        tls=where.tls,
        proxy=parse_url(where.proxy, "proxy URL") if where.proxy else None,
    )


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
    if where.key is not None and where.asks:
        # Under the provider's own name, so that whatever it does with its key is done with this one.
        environment = {**environment, provider.key_env: read_key(where.key, environment)}
    if not where.asks:
        return Endpoint(base_url=parse_url(where.base_url or provider.base_url, "base URL"))
    if provider.endpoint is not None:
        module = importlib.import_module(provider.endpoint)
        found: Endpoint = module.endpoint(model, where, environment)
        return found
    required = where.base_url is None and not provider.is_local
    return Endpoint(
        base_url=parse_url(where.base_url or provider.base_url, "base URL"),
        headers=_auth_headers(provider, environment, required=required),
    )


def _auth_headers(
    provider: Provider, environment: Mapping[str, str], *, required: bool
) -> tuple[tuple[str, str], ...]:
    key = key_from(environment, provider.key_env)
    if key is None:
        if not required:
            return ()
        raise missing_key(provider.name, provider.key_env, environment)
    return ((provider.key_header, provider.key_prefix + key),)
