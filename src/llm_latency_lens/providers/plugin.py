"""Custom providers by entry point, off unless named: code of others runs only where somebody asked for it.

A package declares `[project.entry-points."llm_latency_lens.providers"]` with `name = "module:PROVIDER"`;
PROVIDER is a `Provider` whose `dialect` is the import path of a module with encode, decode, read_error.
"""

import importlib.metadata
from collections.abc import Mapping

from msgspec import Struct

from llm_latency_lens.errors import UsageError, did_you_mean
from llm_latency_lens.providers.provider import PROVIDERS, Provider

GROUP = "llm_latency_lens.providers"


class Plugin(Struct, frozen=True):
    """A loaded plugin: what it brings, and from which distribution."""

    name: str
    provider: Provider
    distribution: str
    version: str


def load_plugins(names: tuple[str, ...]) -> tuple[Plugin, ...]:
    """Load the plugins of these names and no others.

    Raises:
        UsageError: not installed, broken, or in the way of a provider that is built in.
    """
    if not names:
        return ()
    found = {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}
    return tuple(_load(name, found) for name in names)


def with_plugins(plugins: tuple[Plugin, ...]) -> Mapping[str, Provider]:
    """All providers: those built in, and the plugins'."""
    return {**PROVIDERS, **{plugin.provider.name: plugin.provider for plugin in plugins}}


def provider_names(plugins: tuple[Plugin, ...]) -> frozenset[str]:
    """Every name a provider may have here: also of plugins that are installed and not named."""
    installed = importlib.metadata.entry_points(group=GROUP)
    return frozenset((*with_plugins(plugins), *(entry.name for entry in installed)))


def _load(name: str, found: Mapping[str, importlib.metadata.EntryPoint]) -> Plugin:
    entry = found.get(name)
    if entry is None:
        hint = did_you_mean(name, sorted(found)) if found else "none is"
        raise UsageError(f"no plugin {name!r} is installed; {hint}")
    try:
        provider = entry.load()
    except Exception as error:  # noqa: BLE001 - a plugin may fail in any way
        raise UsageError(
            f"plugin {name!r} can't be loaded: {type(error).__name__}: {error}"
        ) from None
    if not isinstance(provider, Provider):
        raise UsageError(f"plugin {name!r}: {entry.value} is no Provider")
    if provider.name in PROVIDERS:
        raise UsageError(
            f"plugin {name!r}: a provider {provider.name!r} is built in; it needs another name"
        )
    dist = entry.dist
    return Plugin(name, provider, dist.name if dist else "", dist.version if dist else "")
