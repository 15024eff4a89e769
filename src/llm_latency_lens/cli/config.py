"""The configuration file: TOML, checked key by key against the options it stands for.

    [targets.fast]            # `llm-latency-lens profile fast`
    model = "openai:gpt-4o-mini"
    base_url = "http://127.0.0.1:8000/v1"

    [benchmark]               # any option of the command, - or _
    rate = "20/s"
    duration = "30s"

An unknown key is an error with its line and the nearest name; nothing is sent.
"""

import difflib
import pathlib
import re
import tomllib
from typing import Any

import click

from llm_latency_lens.errors import ConfigError

DEFAULT_FILE = "llm-latency-lens.toml"
COMMANDS_WITH_OPTIONS = ("profile", "benchmark")
TARGET_KEYS = ("model", "base_url", "ca_file", "client_cert", "client_key", "proxy")
TARGETS = "llm_latency_lens.targets"
"""Key of the named targets in a click context's `meta`."""


def use_config(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    """Click callback: make the file's values the command's defaults, and note its named targets."""
    path = pathlib.Path(value or DEFAULT_FILE)
    if value is None and not path.exists():
        return
    document = load_config(path)
    text = path.read_text(encoding="utf-8")
    known = {name: known_keys(ctx, name) for name in COMMANDS_WITH_OPTIONS}
    for section, content in document.items():
        if section == "targets":
            _check_targets(path, text, content)
        elif section in known:
            _check_keys(path, text, section, content, known[section])
        else:
            raise _unknown(path, text, section, ("targets", *known))
    section = document.get(ctx.info_name or "", {})
    ctx.default_map = {key.replace("-", "_"): _as_option(value) for key, value in section.items()}
    ctx.meta[TARGETS] = document.get("targets", {})


def load_config(path: pathlib.Path) -> dict[str, Any]:
    """Read the TOML file.

    Raises:
        ConfigError: it can't be read, or is not TOML (the message has the line).
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"can't read configuration {str(path)!r}: {words}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def known_keys(ctx: click.Context, command: str) -> tuple[str, ...]:
    """The option names of `command`, as a configuration file may spell them."""
    if ctx.info_name == command:
        parameters = ctx.command.params
    else:
        group = ctx.find_root().command
        other = group.get_command(ctx, command) if isinstance(group, click.Group) else None
        parameters = other.params if other else []
    names = [p.opts[0].removeprefix("--") for p in parameters if p.opts[0].startswith("--")]
    return tuple(name.replace("-", "_") for name in names if name != "config")


def _check_targets(path: pathlib.Path, text: str, targets: object) -> None:
    if not isinstance(targets, dict):
        raise ConfigError(f"{path}: targets must be tables, such as [targets.fast]")
    for name, target in targets.items():
        if not isinstance(target, dict):
            raise ConfigError(f"{path}: targets.{name} must be a table, such as [targets.{name}]")
        _check_keys(path, text, f"targets.{name}", target, TARGET_KEYS)
        if "model" not in target:
            raise ConfigError(f'{path}: [targets.{name}] needs model = "provider:model"')


def _check_keys(
    path: pathlib.Path, text: str, section: str, content: object, known: tuple[str, ...]
) -> None:
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: {section} must be a table: [{section}]")
    for key in content:
        if key.replace("-", "_") not in known:
            raise _unknown(path, text, key, known, section)


def _unknown(
    path: pathlib.Path, text: str, key: str, known: tuple[str, ...], section: str = ""
) -> ConfigError:
    found = re.search(
        rf"^[ \t]*\[?[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*(=|\]|\.)", text, re.MULTILINE
    )
    line = f"{path}:{text.count(chr(10), 0, found.start()) + 1}" if found else str(path)
    near = difflib.get_close_matches(key.replace("-", "_"), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    where = f" in [{section}]" if section else ""
    return ConfigError(f"{line}: unknown key {key!r}{where}; {hint}")


def _as_option(value: object) -> object:
    """TOML numbers go the way of command-line words, so that a bare number is refused there too."""
    return value if isinstance(value, bool | list) else str(value)
