"""Vertex AI: Gemini's bodies below a project and a location of Google Cloud, with an OAuth token.

The token comes from `GOOGLE_OAUTH_ACCESS_TOKEN`, else from google-auth's application default credentials.
"""

from collections.abc import Mapping

import msgspec

from llm_latency_lens.errors import UsageError
from llm_latency_lens.providers.auth import key_from, load_extra
from llm_latency_lens.providers.url import parse_url
from llm_latency_lens.providers.where import Endpoint, Where

PROJECT_ENV = "GOOGLE_CLOUD_PROJECT"
LOCATION_ENV = "GOOGLE_CLOUD_LOCATION"
TOKEN_ENV = "GOOGLE_OAUTH_ACCESS_TOKEN"  # noqa: S105 - a variable's name
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_DEFAULT_LOCATION = "us-central1"


def endpoint(model: str, where: Where, environment: Mapping[str, str]) -> Endpoint:  # noqa: ARG001 - the path's end has it
    """The endpoint of Google's models in a project.

    Raises:
        UsageError: no project is named, or nothing proves who asks.
    """
    token = key_from(environment, TOKEN_ENV)
    project = environment.get(PROJECT_ENV, "").strip()
    credential = f"the token of {TOKEN_ENV}"
    if token is None:
        credential = "a token of Google's application default credentials"
        token, project = _default_credentials(project)
    if not project:
        raise UsageError(f"vertex needs a project: set {PROJECT_ENV}")
    location = environment.get(LOCATION_ENV, "").strip() or _DEFAULT_LOCATION
    base = parse_url(where.base_url or _address(location), "base URL")
    below = f"/projects/{project}/locations/{location}/publishers/google"
    return Endpoint(
        base_url=msgspec.structs.replace(base, path=base.path + below),
        headers=(("Authorization", f"Bearer {token}"),),
        credential=credential,
    )


def _address(location: str) -> str:
    host = "aiplatform.googleapis.com"
    return f"https://{host}/v1" if location == "global" else f"https://{location}-{host}/v1"


def _default_credentials(project: str) -> tuple[str, str]:
    auth = load_extra("google.auth", "vertex", f"vertex without {TOKEN_ENV}")
    transport = load_extra("google.auth.transport.requests", "vertex", "vertex")
    try:
        credentials, found = auth.default(scopes=[_SCOPE])
        credentials.refresh(transport.Request())
    except Exception as error:  # noqa: BLE001 - the library's own tree is open-ended
        words = type(error).__name__
        raise UsageError(
            f"vertex: no application default credentials ({words}); run: gcloud auth application-default login, or set {TOKEN_ENV}"
        ) from None
    return credentials.token, project or found or ""
