"""Keys and tokens: looked up, checked, never shown."""

import importlib
from collections.abc import Mapping
from types import ModuleType

from llm_latency_lens.errors import UsageError


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
