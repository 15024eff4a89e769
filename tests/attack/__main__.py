"""`python -m tests.attack [--only NAME] [--runs N] [--trials N] [--write]`: the attacks as tables.

A section is a module with `table(repetitions)`, its rows, and `as_markdown(rows)` or rows that are
Structs. `--write` puts the tables into docs/attack.md; sections that were not run stay as they are.
"""

import argparse
import importlib
import pathlib
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/attack.md"
MARKER = "<!-- tables -->\n"


class Section(Struct, frozen=True, kw_only=True):
    """One attack.

    Attributes:
        title: the heading on the page.
        repeated: the option that says how often each row is tried: runs or trials.
    """

    title: str
    repeated: str


SECTIONS: dict[str, Section] = {
    "accuracy": Section(title="Against the ledger", repeated="runs"),
    "calibrations": Section(title="Intervals and tests under dependence", repeated="trials"),
    "delivery": Section(title="Streams through intermediaries", repeated="runs"),
}
"""Each by the name of its module."""


def run_section(name: str, repetitions: int) -> str:
    """Run one attack and return its table as Markdown."""
    module = importlib.import_module(f"tests.attack.{name}")
    rows = module.table(repetitions)
    render: Callable[[Any], str] = getattr(module, "as_markdown", as_markdown)
    return render(rows)


def as_markdown(rows: Sequence[Struct]) -> str:
    """Return rows of one type as a table: a column a field, and whether the row holds."""
    fields = rows[0].__struct_fields__
    lines = ["| " + " | ".join((*fields, "held")) + " |", "|" + "---|" * (len(fields) + 1)]
    for row in rows:
        cells = [_shown(value) for value in msgspec.structs.astuple(row)]
        held = "yes" if getattr(row, "holds", True) else "**no**"
        lines.append("| " + " | ".join((*cells, held)) + " |")
    return "\n".join(lines)


def _shown(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "/")


def page_with(page: str, tables: Mapping[str, str], titles: Iterable[str], machine: str) -> str:
    """Return the page with these tables under their titles; the others stay as they are."""
    head, _, rest = page.partition(MARKER)
    sections = dict(part.split("\n", 1) for part in f"\n{rest}".split("\n## ")[1:])
    for title, table in tables.items():
        sections[title] = f"\n{machine}\n\n{table}\n"
    kept = [(title, sections[title].strip("\n")) for title in titles if title in sections]
    return f"{head}{MARKER}" + "".join(f"\n## {title}\n\n{text}\n" for title, text in kept)


def main() -> None:
    """Run what is asked for, print it, and write the page where asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--only", action="append", choices=SECTIONS, metavar="NAME")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    tables = {}
    for name in given.only or SECTIONS:
        section = SECTIONS[name]
        count = getattr(given, section.repeated)
        text = run_section(name, count)
        tables[section.title] = f"{section.repeated.capitalize()} of each: {count}.\n\n{text}"
        sys.stdout.write(f"## {section.title}\n\n{text}\n\n")
    if given.write:
        release = ".".join(platform.release().split(".")[:2])
        machine = f"Linux {release}, CPython {platform.python_version()}."
        titles = [section.title for section in SECTIONS.values()]
        text = page_with(PAGE.read_text(encoding="utf-8"), tables, titles, machine)
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
