"""The blocks of a report as HTML: what the console shows as words, here as a page's parts."""

from collections.abc import Callable

from llm_latency_lens.metrics.definitions import GAP_METRICS, METRICS
from llm_latency_lens.report.document import Block, Facts, Note, Table, Waterfall
from llm_latency_lens.report.html.element import Element
from llm_latency_lens.units import format_duration

_MEANINGS = {metric.name: metric.meaning for metric in METRICS} | GAP_METRICS


def rendered(block: Block) -> Element:
    """The block as an element."""
    return _RENDER[type(block)](block)


def defined(words: str, metric: str) -> "Element | str":
    """A term with its metric's definition, which opens on hovering, on a tap and on a key."""
    meaning = _MEANINGS.get(metric)
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
    def cell(tag: str, column: int, shown: "Element | str") -> Element:
        return Element(tag, shown, class_="text" if column in block.text else None)

    def row(words: tuple[str, ...], metric: str) -> Element:
        shown = (defined(words[0], metric), *words[1:])
        return Element("tr", *(cell("td", i, one) for i, one in enumerate(shown)))

    head = Element("tr", *(cell("th", i, name) for i, name in enumerate(block.columns)))
    metrics = block.metrics or ("",) * len(block.rows)
    rows = (row(words, metric) for words, metric in zip(block.rows, metrics, strict=True))
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
