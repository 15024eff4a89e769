"""A configuration file as values, each with the line it stands on: TOML, or the part of YAML that means the same."""

import pathlib
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from llm_latency_lens.cli.strict_yaml import Path, read_yaml
from llm_latency_lens.errors import ConfigError

_SECTION = re.compile(r"\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}\s*(#.*)?$")
_KEY = re.compile(
    r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)
_VARIABLE = re.compile(r"\$\$|\$\{([^}]*)\}")


class Document(Struct, frozen=True):
    """What a file says, on which line (from 1 on) each key stands, and which hold a variable's value."""

    path: pathlib.Path
    values: dict[str, Any]
    lines: dict[Path, int]
    looked_up: frozenset[Path] = frozenset()

    def where(self, *keys: str) -> str:
        """`FILE:LINE` of a key, or of the nearest one around it."""
        for size in range(len(keys), 0, -1):
            if keys[:size] in self.lines:
                return f"{self.path}:{self.lines[keys[:size]]}"
        return str(self.path)

    def wrong(self, keys: Path, words: str) -> ConfigError:
        """The error that says what is wrong at a key."""
        return ConfigError(f"{self.where(*keys)}: {words}")


def read_document(path: pathlib.Path, environment: Mapping[str, str]) -> Document:
    """Read a file by its ending, `${NAME}` replaced from `environment` (`$$` is a dollar sign).

    Raises:
        ConfigError: unreadable, not TOML or YAML, or a variable that is not set.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"can't read configuration {str(path)!r}: {words}") from None
    document = _yaml(path, text) if path.suffix in {".yaml", ".yml"} else _toml(path, text)
    looked_up: set[Path] = set()
    values = {
        key: _replaced(document, (key,), value, (environment, looked_up))
        for key, value in document.values.items()
    }
    return Document(path, values, document.lines, frozenset(looked_up))


def _replaced(
    document: Document,
    keys: Path,
    value: Any,  # noqa: ANN401 - any value
    source: tuple[Mapping[str, str], set[Path]],
) -> Any:  # noqa: ANN401 - any value
    """`value` with its variables from the mapping of `source`, whose set gets the keys of such values."""
    if isinstance(value, dict):
        return {k: _replaced(document, (*keys, k), v, source) for k, v in value.items()}
    if isinstance(value, list):
        return [_replaced(document, keys, item, source) for item in value]
    if not isinstance(value, str):
        return value
    environment, looked_up = source

    def one(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "$"
        found = environment.get(name, "")
        if not found.strip():
            state = "empty" if name in environment else "not set"
            raise document.wrong(keys, f"the environment variable {name} is {state}; set it")
        looked_up.add(keys)
        return found

    return _VARIABLE.sub(one, value)


def _toml(path: pathlib.Path, text: str) -> Document:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    return Document(path, values, _toml_lines(text))


def _toml_lines(text: str) -> dict[Path, int]:
    lines: dict[Path, int] = {}
    section: Path = ()
    for number, line in enumerate(text.split("\n"), 1):
        header, key = _SECTION.match(line), _KEY.match(line)
        if header is not None:
            section = _names(header[1])
            lines.setdefault(section, number)
        elif key is not None:
            lines.setdefault((*section, *_names(key[1])), number)
    return lines


def _names(dotted: str) -> Path:
    found = re.findall(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)", dotted)
    return tuple(next(filter(None, parts), "") for parts in found)


def _yaml(path: pathlib.Path, text: str) -> Document:
    values, lines = read_yaml(str(path), text)
    return Document(path, values, lines)
