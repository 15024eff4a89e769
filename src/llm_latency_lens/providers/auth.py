"""Keys and tokens: looked up, checked, never shown."""

import importlib
import re
from collections.abc import Mapping
from types import ModuleType

from llm_latency_lens.errors import UsageError

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CREDENTIALS = frozenset(
    {"authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"}
)


def key_from(environment: Mapping[str, str], name: str) -> str | None:
    """The key in the variable `name`; None where it is unset or blank.

    Raises:
        UsageError: it holds what no key has (it is not shown).
    """
    key = environment.get(name, "").strip()
    if not key:
        return None
    return checked_key(key, name)


def checked_key(key: str, where: str) -> str:
    """`key`, if it can be one. Raises UsageError, naming where it came from and never what it is."""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"the key in {where} holds blanks or characters no key has; set it anew")
    return key


def missing_key(
    provider: str, name: str, environment: Mapping[str, str], or_else: str = ""
) -> UsageError:
    """What is said where a key is needed and not there."""
    state = "empty" if name in environment else "not set"
    more = f", {or_else}" if or_else else ""
    return UsageError(
        f"no key for {provider}: the environment variable {name} is {state}; set it{more}"
    )


def parse_header(text: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Parse `Name: value`; a value `env:VARIABLE` is taken from there, as a secret must be.

    Raises:
        UsageError: no such form, a name or value that no header has, a credential written out.
    """
    name, colon, value = (part.strip() for part in text.partition(":"))
    if not colon or not _FIELD_NAME.fullmatch(name):
        raise UsageError(f"header {name!r} must be written 'Name: value' or 'Name: env:VARIABLE'")
    if value.startswith("env:"):
        variable = value.removeprefix("env:")
        if not environment.get(variable, "").strip():
            raise UsageError(
                f"header {name}: the environment variable {variable} is not set; set it"
            )
        value = environment[variable].strip()
    elif name.lower() in _CREDENTIALS:
        raise UsageError(
            f"header {name} holds a credential; keep it off the command line: write '{name}: env:VARIABLE'"
        )
    if not value.isprintable() or not value.isascii():
        raise UsageError(f"header {name}: the value holds characters that no header has")
    return name, value


def load_extra(module: str, extra: str, need: str) -> ModuleType:
    """Import a module that an extra brings.

    Raises:
        UsageError: it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UsageError(
            f"{need} needs the extra [{extra}]: pip install 'llm-latency-lens[{extra}]'"
        ) from None
