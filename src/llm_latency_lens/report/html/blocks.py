"""The blocks of a report as HTML: what the console shows as words, here as a page's parts."""

from collections.abc import Callable

from llm_latency_lens.metrics.definitions import METRICS
from llm_latency_lens.report.document import Block, Facts, Note, Table, Waterfall
from llm_latency_lens.report.html.element import Element
from llm_latency_lens.units import format_duration

_MEANINGS = {metric.name: metric.meaning for metric in METRICS}
_SAID = {
    "TTFT": "ttft",
    "first visible token": "ttfvt",
    "thinking": "thinking",
    "TPOT": "tpot",
    "end to end": "e2e",
    "connect (new only)": "connect",
    "from intended start": "ttft_from_intended",
}
_GAPS = {
    "ITL (per token)": "The gaps between network reads, each spread over the tokens that came with it.",
    "ICL (per read)": "The gaps between network reads that carried tokens: what a user saw arrive.",
}


def rendered(block: Block) -> Element:
    """The block as an element."""
    return _RENDER[type(block)](block)


def defined(words: str) -> "Element | str":
    """A term with its definition, which opens on hovering, on a tap and on a key."""
    name = words.strip()
    meaning = _GAPS.get(name) or _MEANINGS.get(_SAID.get(name, ""))
    if meaning is None:
        return words
    return Element(
        "details", Element("summary", words, title=meaning), Element("p", meaning), class_="def"
    )


def _note(block: Note) -> Element:
    return Element("p", Element("span", block.text, class_="word"), class_=f"note {block.tone}")


def _facts(block: Facts) -> Element:
    pairs: list[Element] = []
    for fact in block.facts:
        remark = Element("span", f" {fact.remark}", class_="remark") if fact.remark else None
        pairs.append(Element("dt", fact.label))
        pairs.append(Element("dd", Element("span", fact.value, class_="word" if fact.tone != "plain" else None), remark, class_=fact.tone))  # fmt: skip
    return Element("section", Element("h2", block.title), Element("dl", *pairs))


def _table(block: Table) -> Element:
    def cell(tag: str, column: int, words: str) -> Element:
        shown = defined(words) if column == 0 and tag == "td" else words
        return Element(tag, shown, class_="text" if column in block.text else None)

    head = Element("tr", *(cell("th", i, name) for i, name in enumerate(block.columns)))
    rows = (Element("tr", *(cell("td", i, words) for i, words in enumerate(row))) for row in block.rows)  # fmt: skip
    table = Element("table", Element("thead", head), Element("tbody", *rows))
    return Element(
        "section",
        Element("h2", block.title) if block.title else None,
        Element("div", table, class_="scroll", tabindex="0"),
        Element("p", block.note, class_="faint") if block.note else None,
    )


def _waterfall(block: Waterfall) -> Element:
    rows = tuple(
        (span.label, format_duration(span.begin), format_duration(span.end - span.begin), span.remark)
        for span in block.spans
    )  # fmt: skip
    return _table(Table(block.title, ("", "at", "took", ""), rows, text=(0, 3)))


_RENDER: dict[type[Block], Callable[..., Element]] = {
    Note: _note,
    Facts: _facts,
    Table: _table,
    Waterfall: _waterfall,
}
