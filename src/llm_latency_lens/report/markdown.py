"""A report as Markdown, for pull requests and job summaries. What it shows may come from anywhere.

Every cell is text and nothing else: no markup, no HTML, no table break, no control character survives.
"""

import re
from collections.abc import Callable, Iterator

from llm_latency_lens.report.document import Block, Facts, Note, Report, Table, Waterfall
from llm_latency_lens.units import format_duration

_MARKUP = re.compile(r"([\\`*_\[\]<>#!|~$&@]|:(?=//))")
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200e\u200f]+")
_SIGNS = {"good": "✅ ", "warn": "⚠️ ", "bad": "❌ ", "plain": "", "dim": ""}


def to_markdown(report: Report) -> str:
    """The whole report, its title as a heading."""
    parts = ("\n".join(_RENDER[type(block)](block)) for block in report.blocks)
    return "\n\n".join((f"## {text(report.title)}", *parts)) + "\n"


def text(words: str) -> str:
    """Plain text: everything that Markdown or HTML would read is escaped, breaks become blanks."""
    return _MARKUP.sub(r"\\\1", _BREAKS.sub(" ", words)).strip()


def _note(block: Note) -> Iterator[str]:
    yield f"{_SIGNS[block.tone]}**{text(block.text)}**"


def _facts(block: Facts) -> Iterator[str]:
    yield f"### {text(block.title)}"
    yield ""
    yield "| | | |"
    yield "|---|---|---|"
    for fact in block.facts:
        yield f"| {text(fact.label)} | {_SIGNS[fact.tone]}{text(fact.value)} | {text(fact.remark)} |"


def _table(block: Table) -> Iterator[str]:
    if block.title:
        yield f"### {text(block.title)}"
        yield ""
    yield "| " + " | ".join(text(column) for column in block.columns) + " |"
    kinds = ("---" if i in block.text or i == 0 else "---:" for i in range(len(block.columns)))
    yield "|" + "|".join(kinds) + "|"
    for row in block.rows:
        yield "| " + " | ".join(text(cell) for cell in row) + " |"
    if block.note:
        yield ""
        yield text(block.note)


def _waterfall(block: Waterfall) -> Iterator[str]:
    rows = tuple(
        (
            span.label,
            format_duration(span.begin),
            format_duration(span.end - span.begin),
            span.remark,
        )
        for span in block.spans
    )
    return _table(Table(block.title, ("", "at", "took", ""), rows, text=(0, 3)))


_RENDER: dict[type[Block], Callable[..., Iterator[str]]] = {
    Note: _note,
    Facts: _facts,
    Table: _table,
    Waterfall: _waterfall,
}
