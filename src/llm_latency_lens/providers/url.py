"""URLs of servers as people write them; whatever is wrong is said in one line."""

import ipaddress
import re
from urllib.parse import urlsplit

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import Url

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")


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
