"""YAML without its surprises: no aliases, no duplicate keys, and text stays the text that was written.

A plain scalar is a number, true, false or null only where everybody would say so; `no`, `1_000`, `010`,
`20:30` and `2026-01-01` are text. An alias is refused before anything is expanded.
"""

import re
from collections.abc import Callable
from typing import Any

from llm_latency_lens.errors import ConfigError

Path = tuple[str, ...]
_PLAIN: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"null|Null|NULL|~|"), lambda _: None),
    (re.compile(r"-?(0|[1-9][0-9]{0,17})"), int),
    (re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+"), float),
)
"""What a plain scalar may be beside text."""
_DEEPEST = 16


def read_yaml(name: str, text: str) -> tuple[dict[str, Any], dict[Path, int]]:
    """The values of a document, and the line (from 1 on) of each key.

    Raises:
        ConfigError: not YAML, or more of it than is read here; with the file's `name` and the line.
    """
    import yaml  # noqa: PLC0415 - only where a file is YAML

    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                line = event.start_mark.line + 1 if event.start_mark is not None else 1
                raise ConfigError(f"{name}:{line}: anchors and aliases are not read; write it out")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark is not None else name
        problem = getattr(error, "problem", None) or "can't be read"
        raise ConfigError(f"{where}: not valid YAML: {problem}") from None
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply") from None
    reader = _Reader(name)
    values = reader.value(node, ()) if node is not None else {}
    if not isinstance(values, dict):
        raise ConfigError(f"{name}: must hold sections, such as benchmark:")
    return values, reader.lines


class _Reader:
    """Turns composed nodes into values, and notes the keys' lines."""

    def __init__(self, name: str) -> None:
        self.lines: dict[Path, int] = {}
        self._name = name

    def value(self, node: Any, keys: Path) -> Any:  # noqa: ANN401 - YAML's nodes
        """The value of any node."""
        if len(keys) > _DEEPEST:
            raise ConfigError(f"{self._name}:{node.start_mark.line + 1}: nested too deeply")
        if node.id == "sequence":
            return [self.value(item, (*keys, "")) for item in node.value]
        return _scalar(node) if node.id == "scalar" else self._mapping(node, keys)

    def _mapping(self, node: Any, keys: Path) -> dict[str, Any]:  # noqa: ANN401 - YAML's nodes
        found: dict[str, Any] = {}
        for key, value in node.value:
            where = f"{self._name}:{key.start_mark.line + 1}"
            if key.id != "scalar":
                raise ConfigError(f"{where}: a key must be a name")
            name = key.value
            if name in found:
                raise ConfigError(f"{where}: {name!r} is there twice; keep one of them")
            self.lines[(*keys, name)] = key.start_mark.line + 1
            found[name] = self.value(value, (*keys, name))
        return found


def _scalar(node: Any) -> Any:  # noqa: ANN401 - YAML's nodes
    if node.style is None:
        for pattern, make in _PLAIN:
            if pattern.fullmatch(node.value):
                return make(node.value)
    return node.value
