"""URLs of servers as people write them; whatever is wrong is said in one line."""

import ipaddress
import re
from urllib.parse import urlsplit

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import Url

_PATH = re.compile(r"[!-~]*")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")


def parse_url(text: str, what: str) -> Url:
    """Parse an http(s) URL of a server: scheme, host, port and path, nothing else.

    Raises:
        UsageError: in one line, what is wrong with it.
    """
    shown = _shown(text.strip())
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        # The error's own words may repeat what is not to be shown.
        words = "the port must be a number from 1 to 65535" if "ort" in str(error) else "no URL"
        raise UsageError(f"{what} {shown}: {words}") from None
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"{what}: a URL must not hold a user name or password; keys come from the environment"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"{what} {shown} must begin with http:// or https:// and a host")
    if parts.query or parts.fragment:
        raise UsageError(
            f"{what} {shown}... must not hold ? or #; a key comes from the environment, further"
            " fields go with --header or --extra-body"
        )
    if not _PATH.fullmatch(parts.path):
        raise UsageError(f"{what} {shown}: its path must be written in ASCII, percent-encoded")
    host = _host(parts.hostname, what, shown)
    if port == 0:
        raise UsageError(f"{what} {shown}: port 0 can't be connected to")
    default = 443 if parts.scheme == "https" else 80
    return Url(parts.scheme, host, port or default, parts.path.rstrip("/"))


def _shown(text: str) -> str:
    """A URL as it may be repeated: without user, password, query and fragment, which may hold keys."""
    address = re.split(r"[?#]", text, maxsplit=1)[0]
    scheme, mark, rest = address.rpartition("://")
    return repr(scheme + mark + rest.rpartition("@")[2])


def _host(host: str, what: str, shown: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        ascii_host = host.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_host = ""
    if not _HOST.fullmatch(ascii_host):
        raise UsageError(f"{what} {shown}: {host!r} is not a host name")
    return ascii_host.lower()
