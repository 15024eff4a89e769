"""Amazon Bedrock: an API key as bearer, or AWS keys from the environment or botocore's credential chain.

Requests are signed (Signature Version 4) when they are sent, since a signature is good for minutes only.
"""

from collections.abc import Mapping

import msgspec

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import AwsKeys, HttpRequest, Url
from llm_latency_lens.providers.auth import key_from, load_extra
from llm_latency_lens.providers.url import parse_url
from llm_latency_lens.providers.where import Endpoint, Where

BEARER_ENV = "AWS_BEARER_TOKEN_BEDROCK"
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def endpoint(model: str, where: Where, environment: Mapping[str, str]) -> Endpoint:  # noqa: ARG001 - the path has it
    """The Bedrock runtime of a region.

    Raises:
        UsageError: no region is named, or nothing proves who asks.
    """
    bearer = key_from(environment, BEARER_ENV)
    region = next((environment[name] for name in _REGIONS if environment.get(name)), None)
    if bearer is not None:
        headers = (("Authorization", f"Bearer {bearer}"),)
        credential = f"the key of the environment variable {BEARER_ENV}"
        return Endpoint(base_url=_address(where, region), headers=headers, credential=credential)
    keys = _environment_keys(environment, region) or _chain_keys(region)
    load_extra("botocore.auth", "bedrock", "signing for bedrock")
    credential = "a signature with AWS keys"
    return Endpoint(base_url=_address(where, keys.region), aws=keys, credential=credential)


def sign(request: HttpRequest, keys: AwsKeys) -> HttpRequest:
    """The request with its signature of now, by botocore."""
    auth = load_extra("botocore.auth", "bedrock", "signing for bedrock")
    awsrequest = load_extra("botocore.awsrequest", "bedrock", "signing for bedrock")
    credentials = load_extra("botocore.credentials", "bedrock", "signing for bedrock")
    unsigned = awsrequest.AWSRequest(
        request.method, str(request.url), dict(request.headers), request.body
    )
    holder = credentials.Credentials(keys.access_key, keys.secret_key, keys.token)
    auth.SigV4Auth(holder, keys.service, keys.region).add_auth(unsigned)
    signed = tuple((str(name), str(value)) for name, value in unsigned.headers.items())
    return msgspec.structs.replace(request, headers=signed)


def _address(where: Where, region: str | None) -> Url:
    if where.base_url is not None:
        return parse_url(where.base_url, "base URL")
    if not region:
        raise UsageError("bedrock needs a region: set AWS_REGION, such as us-east-1")
    return parse_url(f"https://bedrock-runtime.{region}.amazonaws.com", "base URL")


def _environment_keys(environment: Mapping[str, str], region: str | None) -> AwsKeys | None:
    access = key_from(environment, "AWS_ACCESS_KEY_ID")
    secret = key_from(environment, "AWS_SECRET_ACCESS_KEY")
    if access is None or secret is None:
        return None
    if not region:
        raise UsageError("bedrock needs a region: set AWS_REGION, such as us-east-1")
    token = key_from(environment, "AWS_SESSION_TOKEN")
    return AwsKeys(access_key=access, secret_key=secret, region=region, token=token)


def _chain_keys(region: str | None) -> AwsKeys:
    session = load_extra("botocore.session", "bedrock", "bedrock's credential chain").get_session()
    try:
        found = session.get_credentials()
        frozen = found.get_frozen_credentials() if found is not None else None
        region = region or session.get_config_variable("region")
    except Exception as error:  # noqa: BLE001 - the SDK's own tree is open-ended
        raise UsageError(
            f"bedrock: the credential chain failed ({type(error).__name__}); run: aws configure"
        ) from None
    if frozen is None or not frozen.access_key:
        raise UsageError(
            f"no key for bedrock: set {BEARER_ENV}, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run: aws configure"
        )
    if not region:
        raise UsageError("bedrock needs a region: set AWS_REGION, such as us-east-1")
    return AwsKeys(
        access_key=frozen.access_key,
        secret_key=frozen.secret_key,
        token=frozen.token,
        region=region,
    )
