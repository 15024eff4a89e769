"""The configuration file: checked key by key and value by value against the options it stands for.

    plugins = ["my-provider"]   # custom providers that may be loaded

    [targets.fast]              # `llm-latency-lens profile fast`
    model = "openai:gpt-4o-mini"
    base_url = "http://127.0.0.1:8000/v1"
    key = {env = "FAST_KEY"}

    [benchmark]                 # any option of the command, - or _
    rate = "20/s"
    duration = "30s"

Whatever is wrong is an error with its file, line and the nearest name; nothing is sent.
"""

import os
import pathlib
from collections.abc import Callable
from typing import Any

import click
from msgspec import Struct

from llm_latency_lens.cli.config_file import Document, read_document
from llm_latency_lens.cli.strict_yaml import Path
from llm_latency_lens.errors import ConfigError, UsageError, did_you_mean

DEFAULT_FILES = ("llm-latency-lens.toml", "llm-latency-lens.yaml", "llm-latency-lens.yml")
COMMANDS_WITH_OPTIONS = ("profile", "benchmark", "cost")
TARGET_KEYS = (
    "model",
    "base_url",
    "ca_file",
    "client_cert",
    "client_key",
    "proxy",
    "key",
    "headers",
)
_SECTIONS = ("targets", "plugins", *COMMANDS_WITH_OPTIONS)
CONFIG = "llm_latency_lens.config"
"""Key of the Configuration in a click context's `meta`."""


class Configuration(Struct, frozen=True):
    """What a checked file says: named targets, plugins, and each command's own defaults."""

    path: pathlib.Path | None = None
    targets: dict[str, dict[str, Any]] = {}
    plugins: tuple[str, ...] = ()
    defaults: dict[str, dict[str, Any]] = {}


def use_config(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    """Click callback: make the file's values the command's defaults, and note its targets."""
    path = find_config(value)
    if path is None:
        return
    found = load_config(path, _options_of(ctx))
    ctx.default_map = found.defaults.get(ctx.info_name or "", {})
    ctx.meta[CONFIG] = found


def configuration(ctx: click.Context) -> Configuration:
    """The configuration of a running command."""
    found: Configuration = ctx.meta.get(CONFIG, Configuration())
    return found


def find_config(given: str | None) -> pathlib.Path | None:
    """The file that was named, else the one of a default name in this directory.

    Raises:
        ConfigError: two of the default names are there.
    """
    if given is not None:
        return pathlib.Path(given)
    found = [pathlib.Path(name) for name in DEFAULT_FILES if pathlib.Path(name).exists()]
    if len(found) > 1:
        raise ConfigError(
            f"{found[0]} and {found[1]} are both here; keep one, or say --config FILE"
        )
    return found[0] if found else None


def load_config(
    path: pathlib.Path, options_of: Callable[[str], dict[str, click.Parameter]]
) -> Configuration:
    """Read and check a file; `options_of` gives a command's options by their names with _.

    Raises:
        ConfigError: with file, line, and what to do.
    """
    document = read_document(path, os.environ)
    sections = {name: content for name, content in document.values.items() if content is not None}
    defaults: dict[str, dict[str, Any]] = {}
    for section in document.values:
        if section not in _SECTIONS:
            raise _unknown(document, (section,), _SECTIONS)
    for section, content in sections.items():
        if section == "targets":
            _check_targets(document, content)
        elif section == "plugins":
            _check_plugins(document, content)
        else:
            defaults[section] = _defaults(document, section, content, options_of(section))
    return Configuration(
        path=path,
        targets=sections.get("targets", {}),
        plugins=tuple(sections.get("plugins", ())),
        defaults=defaults,
    )


def _options_of(ctx: click.Context) -> Callable[[str], dict[str, click.Parameter]]:
    group = ctx.find_root().command

    def options_of(command: str) -> dict[str, click.Parameter]:
        found = ctx.command if ctx.info_name == command else None
        if found is None and isinstance(group, click.Group):
            found = group.get_command(ctx, command)
        return command_options(found) if found is not None else {}

    return options_of


def command_options(command: click.Command) -> dict[str, click.Parameter]:
    """A command's options by the names that a configuration gives them."""
    named = {
        parameter.opts[0].removeprefix("--").replace("-", "_"): parameter
        for parameter in command.params
        if parameter.opts[0].startswith("--")
    }
    return {name: parameter for name, parameter in named.items() if name != "config"}


def _check_targets(document: Document, targets: object) -> None:
    if not isinstance(targets, dict):
        raise document.wrong(("targets",), "targets must be tables, such as [targets.fast]")
    for name, target in targets.items():
        here = ("targets", name)
        if not isinstance(target, dict):
            raise document.wrong(here, f"targets.{name} must be a table, such as [targets.{name}]")
        for key, value in target.items():
            if key not in TARGET_KEYS:
                raise _unknown(document, (*here, key), TARGET_KEYS)
            _check_target_value(document, (*here, key), value)
        if "model" not in target:
            raise document.wrong(here, f'targets.{name} needs model = "provider:model"')


def _check_target_value(document: Document, keys: Path, value: object) -> None:
    from llm_latency_lens.providers.key import parse_key_source  # noqa: PLC0415
    from llm_latency_lens.providers.proxy import check_proxy  # noqa: PLC0415

    try:
        if keys[-1] == "key":
            parse_key_source(value)
        elif keys[-1] == "headers":
            _check_headers(document, keys, value)
        elif isinstance(value, str) and keys[-1] == "proxy" and keys not in document.looked_up:
            check_proxy(value)
    except ConfigError:
        raise
    except UsageError as error:
        raise document.wrong(keys, str(error)) from None
    if keys[-1] not in {"key", "headers"} and (not isinstance(value, str) or not value.strip()):
        raise document.wrong(keys, f"{keys[-1]} must be text that is not empty")


def _check_headers(document: Document, keys: Path, headers: object) -> None:
    """The same rules as for --header. Raises UsageError."""
    from llm_latency_lens.providers.headers import check_header, header_fields  # noqa: PLC0415

    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise UsageError('headers must be a table of texts: {"X-Team" = "search"}')
    for name, value in header_fields(headers.items(), "headers"):
        here = (*keys, name)
        try:
            check_header(name, value, looked_up=here in document.looked_up)
        except UsageError as error:
            raise document.wrong(here, str(error)) from None


def _check_plugins(document: Document, plugins: object) -> None:
    if not isinstance(plugins, list) or not all(isinstance(name, str) for name in plugins):
        raise document.wrong(("plugins",), 'plugins must be a list of names: ["my-provider"]')


def _defaults(
    document: Document, section: str, content: object, options: dict[str, click.Parameter]
) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise document.wrong((section,), f"{section} must be a table: [{section}]")
    found = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in options:
            raise _unknown(document, (section, key), tuple(options))
        found[options[name].name or name] = _checked(document, (section, key), value, options[name])
    return found


def _checked(document: Document, keys: Path, value: object, option: click.Parameter) -> Any:  # noqa: ANN401 - an option's value
    """The value, if the option takes it; numbers go the way of command-line words."""
    if value is None:
        raise document.wrong(keys, f"{keys[-1]} has no value")
    listed = value if isinstance(value, list) else [value]
    if isinstance(value, list) and not option.multiple:
        raise document.wrong(keys, f"{keys[-1]} takes one value, not a list")
    words = [item if isinstance(item, bool) else str(item) for item in listed]
    if any(isinstance(item, dict) for item in listed):
        raise document.wrong(keys, f"{keys[-1]} takes a value, not a table")
    is_flag = getattr(option, "is_flag", False)
    if any(isinstance(item, bool) for item in words) and not is_flag:
        raise document.wrong(keys, f"{keys[-1]} takes no true or false")
    for item in words:
        try:
            option.type.convert(item, option, None)
        except click.BadParameter as error:
            raise document.wrong(keys, f"{keys[-1]}: {error.message.rstrip('.')}") from None
    return words if option.multiple else words[0]


def _unknown(document: Document, keys: Path, known: tuple[str, ...]) -> ConfigError:
    hint = did_you_mean(keys[-1].replace("-", "_"), known)
    where = f" in [{'.'.join(keys[:-1])}]" if len(keys) > 1 else ""
    return document.wrong(keys, f"unknown key {keys[-1]!r}{where}; {hint}")
