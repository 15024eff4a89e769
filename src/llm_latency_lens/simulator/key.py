"""Whether a request carries the key it must: as a bearer, in any provider's header, or as an AWS signature."""

import hashlib
import hmac
import re
from urllib.parse import quote, unquote

from llm_latency_lens.simulator.connection import Arrived

_HEADERS = ("x-api-key", "api-key", "x-goog-api-key")
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/]+/(?P<scope>(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request),"
    r" ?SignedHeaders=(?P<names>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def sent_key(arrived: Arrived) -> str:
    """The key in a request's headers; "" where there is none."""
    bearer = arrived.headers.get("authorization", "").removeprefix("Bearer ")
    return bearer or next((arrived.headers[n] for n in _HEADERS if n in arrived.headers), "")


def is_authorised(arrived: Arrived, key: str) -> bool:
    """Whether the request carries `key`, or is signed with it as an AWS secret (Signature Version 4)."""
    match = _SIGNED.fullmatch(arrived.headers.get("authorization", ""))
    if match is None:
        return hmac.compare_digest(sent_key(arrived).encode(), key.encode())
    return hmac.compare_digest(_signature(arrived, match.groupdict(), key), match["signature"])


def _signature(arrived: Arrived, signed: dict[str, str], key: str) -> str:
    secret = f"AWS4{key}".encode()
    for part in (signed["day"], signed["region"], signed["service"], "aws4_request"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    request = hashlib.sha256(_canonical(arrived, signed["names"]).encode()).hexdigest()
    date = arrived.headers.get("x-amz-date", "")
    text = f"AWS4-HMAC-SHA256\n{date}\n{signed['scope']}\n{request}"
    return hmac.new(secret, text.encode(), "sha256").hexdigest()


def _canonical(arrived: Arrived, names: str) -> str:
    path, _, query = arrived.path.partition("?")
    # Every service but S3 has each segment encoded once more than it is sent.
    again = quote(path, safe="/-_.~")
    sorted_query = "&".join(sorted(query.split("&"))) if query else ""
    headers = "".join(
        f"{name}:{' '.join(arrived.headers.get(name, '').split())}\n" for name in names.split(";")
    )
    body = hashlib.sha256(arrived.body).hexdigest()
    return "\n".join((arrived.method, again, unquote(sorted_query), headers, names, body))
