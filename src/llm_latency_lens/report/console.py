"""The console view of a report: rich draws, this module decides what is bold.

Every string is drawn as plain text (no markup) and stripped of control characters: model names, headers
and error messages come from strangers.
"""

import io
import re
from collections.abc import Callable
from typing import TextIO

from rich import box
from rich.console import (
    Console,
    ConsoleOptions,
    Group,
    JustifyMethod,
    RenderableType,
    RenderResult,
)
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from llm_latency_lens.report.document import Block, Facts, Note, Report, Table, Tone, Waterfall
from llm_latency_lens.units import format_duration

_STYLES: dict[Tone, str] = {
    "plain": "",
    "good": "green",
    "warn": "yellow",
    "bad": "bold red",
    "dim": "dim",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_BAR_WIDTH = 36
_PIPED_WIDTH = 120
_UNBOUNDED = 1000
_SHORT_VALUE = 30
"""Values up to this length are never broken, however long the remark beside them."""


def print_report(report: Report, file: TextIO) -> None:
    """Draw `report` on `file`; colours only where it is a terminal and NO_COLOR is unset."""
    console = Console(file=file, highlight=False)
    if console.is_terminal:
        console.print(render(report))
        return
    text = io.StringIO()
    Console(file=text, highlight=False, width=_PIPED_WIDTH).print(render(report))
    file.write("".join(line.rstrip() + "\n" for line in text.getvalue().split("\n")[:-1]))


def render(report: Report) -> RenderableType:
    """The report as something rich can print."""
    parts: list[RenderableType] = [Text(_safe(report.title), style="bold")]
    for block in report.blocks:
        parts.append(Text(""))
        parts.append(_VIEWS[type(block)](block))
    return Group(*parts)


def _safe(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _titled(title: str, body: RenderableType) -> RenderableType:
    indented = Padding(body, (0, 0, 0, 2), expand=False)
    return Group(Text(_safe(title), style="bold cyan"), indented) if title else indented


def _facts(block: Facts) -> RenderableType:
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    longest = max((len(fact.value) for fact in block.facts), default=0)
    grid.add_column(no_wrap=longest <= _SHORT_VALUE)
    grid.add_column(style="dim")
    for fact in block.facts:
        grid.add_row(
            _safe(fact.label),
            Text(_safe(fact.value), style=_STYLES[fact.tone]),
            Text(_safe(fact.remark)),
        )
    return _titled(block.title, grid)


def _table(block: Table) -> RenderableType:
    body: RenderableType = _Columns(block)
    if block.note:
        body = Group(body, Text(_safe(block.note), style="dim"))
    return _titled(block.title, body)


class _Columns:
    """A table that goes on below itself, with its first column again, where the screen is too narrow."""

    def __init__(self, block: Table) -> None:
        self._block = block

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The parts, from left to right."""
        rest = list(range(1, len(self._block.columns)))
        while rest:
            count = len(rest)
            while count > 1 and self._width(console, rest[:count]) > options.max_width:
                count -= 1
            yield self._grid(rest[:count])
            rest = rest[count:]

    def _width(self, console: Console, columns: list[int]) -> int:
        wide = console.options.update(width=_UNBOUNDED)
        return Measurement.get(console, wide, self._grid(columns)).maximum

    def _grid(self, columns: list[int]) -> Grid:
        block = self._block
        grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
        for index in (0, *columns):
            side: JustifyMethod = "left" if index in block.text else "right"
            grid.add_column(_safe(block.columns[index]), justify=side, no_wrap=True)
        for row in block.rows:
            grid.add_row(*(Text(_safe(row[index])) for index in (0, *columns)))
        return grid


def _waterfall(block: Waterfall) -> RenderableType:
    total = max((span.end for span in block.spans), default=1) or 1
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True, style="dim")
    grid.add_column(style="dim")
    grid.add_row(
        Text("phase", style="dim"), Text("took", style="dim"), "", Text("at", style="dim"), ""
    )
    for span in block.spans:
        grid.add_row(
            _safe(span.label),
            format_duration(span.end - span.begin),
            Text(_bar(span.begin / total, span.end / total), style="cyan"),
            format_duration(span.end),
            Text(_safe(span.remark)),
        )
    return _titled(block.title, grid)


def _bar(begin: float, end: float) -> str:
    """A bar from `begin` to `end` (shares of the width), at least a sliver wide."""
    left = min(int(begin * _BAR_WIDTH), _BAR_WIDTH - 1)
    width = max(round((end - begin) * _BAR_WIDTH), 0)
    body = "━" * width if width else "╸"
    return (" " * left + body)[:_BAR_WIDTH].ljust(_BAR_WIDTH)


def _note(block: Note) -> RenderableType:
    return Text(_safe(block.text), style=_STYLES[block.tone])


_VIEWS: dict[type[Block], Callable[..., RenderableType]] = {
    Facts: _facts,
    Table: _table,
    Waterfall: _waterfall,
    Note: _note,
}
