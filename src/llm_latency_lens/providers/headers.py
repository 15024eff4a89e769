"""Header fields as people give them, on the command line or in a configuration: checked, secrets looked up."""

import re
from collections.abc import Iterable, Mapping

from llm_latency_lens.errors import UsageError
from llm_latency_lens.wire.header_fields import Fields

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CREDENTIAL = re.compile(
    r"(?:^|[-_])(?:(?:proxy-)?authorization|auth|cookie|password|secret|credentials?|token"
    r"|(?:api|access|subscription|functions|auth|secret|master|license)[-_]?key)$"
    r"|^x-goog-iam|^x-amz-security",
    re.IGNORECASE,
)
"""Names of fields whose value proves who asks."""
_CREDENTIAL_VALUE = re.compile(
    r"(?:bearer|basic|digest|negotiate)\s+\S{8,}$|(?:sk|pk|gsk|hf|xai|ghp|glpat)[-_][\w-]{16,}$|AIza\w{16,}$",
    re.IGNORECASE,
)
"""Values that prove who asks, in whatever field."""
PROXY_AUTHORIZATION = "proxy-authorization"
_FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""What tells how the request's bytes are to be read: only who writes them can know."""


def parse_header(text: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Parse `Name: value`; a value `env:VARIABLE` is taken from there, as a secret must be.

    Raises:
        UsageError: no such form, a name or value that no header has, a credential written out, or a
            field that tells how the request is framed.
    """
    name, colon, value = text.partition(":")
    if not colon:
        raise UsageError("a header must be written 'Name: value' or 'Name: env:VARIABLE'")
    name, value = name.strip(), value.strip(" \t")
    check_header(name, value)
    return header_field(name, value, environment)


def check_header(name: str, value: str, *, looked_up: bool = False) -> None:
    """Raise UsageError for a field that can't be sent; `looked_up`: its value is no literal."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"header {name!r} must be written 'Name: value' or 'Name: env:VARIABLE'")
    if name.lower() in _FRAMING:
        raise UsageError(
            f"header {name} can't be given: it tells how the request is framed, which is this"
            " tool's part"
        )
    literal = not looked_up and not value.startswith("env:")
    if literal and (_CREDENTIAL.search(name) or _CREDENTIAL_VALUE.match(value)):
        raise UsageError(
            f"header {name} holds a credential; do not write it out: write '{name}: env:VARIABLE'"
        )
    if not value.isprintable() or not value.isascii():
        raise UsageError(f"header {name}: the value holds characters that no header has")


def header_field(name: str, value: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """The field as it is sent: the value of `env:VARIABLE` looked up. Raises UsageError."""
    if value.startswith("env:"):
        value = _from_environment(name, value.removeprefix("env:").strip(), environment)
        check_header(name, value, looked_up=True)
    return name, value


def header_fields(fields: Iterable[tuple[str, str]], where: str) -> Fields:
    """The fields of one source, each name once. Raises UsageError where one is given twice."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in fields:
        if name.lower() in found:
            raise UsageError(
                f"{where}: header {name} is given twice; give it once, its values joined by commas"
            )
        found[name.lower()] = (name, value)
    return tuple(found.values())


def _from_environment(name: str, variable: str, environment: Mapping[str, str]) -> str:
    value = environment.get(variable, "").strip()
    if not value:
        state = "empty" if variable in environment else "not set"
        raise UsageError(f"header {name}: the environment variable {variable} is {state}; set it")
    return value
