"""A report as plain values: blocks in reading order. Every view (console now, others later) draws these."""

from typing import Literal

from msgspec import Struct

Tone = Literal["plain", "good", "warn", "bad", "dim"]


class Fact(Struct, frozen=True):
    """One labelled value, and a remark beside it."""

    label: str
    value: str
    remark: str = ""
    tone: Tone = "plain"


class Facts(Struct, frozen=True):
    """Labelled values under a title."""

    title: str
    facts: tuple[Fact, ...]


class Table(Struct, frozen=True):
    """Rows of cells under column heads; the columns in `text` are text, the others numbers.

    Attributes:
        metrics: the metric that each row is about, by its name, where a page can explain it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    text: tuple[int, ...] = (0,)
    metrics: tuple[str, ...] = ()


class Span(Struct, frozen=True):
    """One phase of a waterfall, in ns from the waterfall's origin; `begin == end` is an instant."""

    label: str
    begin: int
    end: int
    remark: str = ""
    tone: Tone = "plain"


class Waterfall(Struct, frozen=True):
    """Phases of one request on a common time axis."""

    title: str
    spans: tuple[Span, ...]


class Note(Struct, frozen=True):
    """A sentence for the reader: what follows from the numbers, or what to do."""

    text: str
    tone: Tone = "plain"


Block = Facts | Table | Waterfall | Note


class Report(Struct, frozen=True):
    """A headline and the blocks below it."""

    title: str
    blocks: tuple[Block, ...]
