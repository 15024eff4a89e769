"""Azure OpenAI: a resource of one's own, by its v1 path or by deployment, with a key or an Entra ID token.

The v1 path is taken unless `OPENAI_API_VERSION` names a dated version, which the older path by
deployment needs. Without a key the Entra ID credential chain of azure-identity is asked.
"""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import Url
from llm_latency_lens.providers.auth import key_from, load_extra
from llm_latency_lens.providers.url import parse_url
from llm_latency_lens.providers.where import Endpoint, Where

ENDPOINT_ENV = "AZURE_OPENAI_ENDPOINT"
KEY_ENV = "AZURE_OPENAI_API_KEY"
TOKEN_ENV = "AZURE_OPENAI_AD_TOKEN"  # noqa: S105 - a variable's name
VERSION_ENV = "OPENAI_API_VERSION"
_SCOPE = "https://cognitiveservices.azure.com/.default"
_V1 = "/openai/v1"


def endpoint(model: str, where: Where, environment: Mapping[str, str]) -> Endpoint:
    """The endpoint of the deployment called `model`.

    Raises:
        UsageError: no resource is named, or nothing proves who asks.
    """
    given = where.base_url or environment.get(ENDPOINT_ENV, "").strip()
    if not given:
        raise UsageError(
            f"azure needs the address of your resource: set {ENDPOINT_ENV} or give --base-url https://NAME.openai.azure.com"
        )
    base = parse_url(given, "Azure endpoint")
    version = environment.get(VERSION_ENV, "").strip()
    *header, credential = _credential(environment)
    headers = ((header[0], header[1]),)
    if _V1 in base.path or not version:
        path = base.path if _V1 in base.path else base.path + _V1
        return Endpoint(base_url=_at(base, path), headers=headers, credential=credential)
    path = f"{base.path}/openai/deployments/{quote(model, safe='-._')}"
    query = f"api-version={quote(version, safe='-.')}"
    return Endpoint(base_url=_at(base, path), query=query, headers=headers, credential=credential)


def _at(base: Url, path: str) -> Url:
    return msgspec.structs.replace(base, path=path)


def _credential(environment: Mapping[str, str]) -> tuple[str, str, str]:
    """The header, its value, and where that was found."""
    key = key_from(environment, KEY_ENV)
    if key is not None:
        return "api-key", key, f"the key of the environment variable {KEY_ENV}"
    token = key_from(environment, TOKEN_ENV)
    if token is not None:
        return "Authorization", f"Bearer {token}", f"the token of {TOKEN_ENV}"
    return "Authorization", f"Bearer {_entra_token()}", "a token of Entra ID's credential chain"


def _entra_token() -> str:
    identity = load_extra("azure.identity", "azure", f"azure without {KEY_ENV} (by Entra ID)")
    try:
        token: str = identity.DefaultAzureCredential().get_token(_SCOPE).token
    except Exception as error:  # noqa: BLE001 - the SDK's own tree is open-ended
        words = type(error).__name__
        raise UsageError(
            f"azure: no key in {KEY_ENV}, and Entra ID gave no token ({words}); set the key or run: az login"
        ) from None
    return token
