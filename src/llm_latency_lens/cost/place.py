"""Where something stands in a price file: the file, the line, the entry."""

import re
from collections.abc import Mapping

from msgspec import Struct

from llm_latency_lens.errors import ConfigError

Keys = tuple[str | int, ...]
"""Names and positions (from 1 on) that lead to a value: `("price", 2, "above", 1, "input")`."""

_HEADER = re.compile(r"\s*\[\[\s*price\s*(?:\.\s*(above)\s*)?\]\]")
_KEY = re.compile(r"\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*=")


class Place(Struct, frozen=True):
    """A table of a price file. `lines` are those that keys stand on, counted from 1."""

    path: str
    lines: Mapping[Keys, int]
    keys: Keys = ()

    def inside(self, *keys: str | int) -> "Place":
        """A table within this one."""
        return Place(self.path, self.lines, (*self.keys, *keys))

    def wrong(self, words: str, key: str | None = None) -> ConfigError:
        """The error that says what is wrong at `key`, or with the whole table."""
        keys = self.keys if key is None else (*self.keys, key)
        # A table within a line has no line of its own: the nearest one around it is told.
        around = (keys[:size] for size in range(len(keys), 0, -1))
        line = next((self.lines[some] for some in around if some in self.lines), None)
        where = self.path if line is None else f"{self.path}:{line}"
        return ConfigError(f"{where}: {self._entry}{words}")

    @property
    def _entry(self) -> str:
        inner = "above: " if "above" in self.keys else ""
        return f"[[price]] number {self.keys[1]}: {inner}" if len(self.keys) > 1 else inner


def places(path: str, text: str) -> Place:
    """The whole of a price file, with the lines that its keys stand on."""
    lines: dict[Keys, int] = {}
    table: Keys = ()
    entries = tiers = 0
    for number, line in enumerate(text.split("\n"), 1):
        header, key = _HEADER.match(line), _KEY.match(line)
        if header is not None:
            entries, tiers = (entries, tiers + 1) if header[1] else (entries + 1, 0)
            table = ("price", entries, "above", tiers) if header[1] else ("price", entries)
            lines[table] = number
        elif line.lstrip().startswith("["):
            table = (line.strip().strip("[]").strip(),)
            lines.setdefault(table, number)
        elif key is not None:
            lines.setdefault((*table, key[1]), number)
    return Place(path, lines)
