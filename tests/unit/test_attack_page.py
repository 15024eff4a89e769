"""The page of the attacks: tables are replaced one by one, and a row that did not hold is seen."""

from msgspec import Struct
from tests.attack.__main__ import MARKER, PAGE, SECTIONS, as_markdown, page_with


class Line(Struct):
    """A row as a section gives it."""

    what: str
    rate: float
    holds: bool = True


def test_sections_that_were_not_run_stay() -> None:
    """Their order is that of the titles, whichever was written first; the head is kept."""
    titles = ("one", "two")
    page = page_with(f"# Attack\n{MARKER}", {"two": "| b |"}, titles, "m")
    page = page_with(page, {"one": "| a |"}, titles, "m")
    assert page == page_with(page, {"one": "| a |"}, titles, "m")
    assert page.startswith(f"# Attack\n{MARKER}\n## one\n")
    assert page.index("| a |") < page.index("## two") < page.index("| b |")


def test_a_row_that_did_not_hold_is_seen() -> None:
    """In a column of its own, and a bar in a text does not break the table."""
    lines = as_markdown([Line("a|b", 0.05), Line("c", 0.123456, holds=False)]).splitlines()
    assert lines[2].startswith("| a/b | 0.05 |")
    assert lines[3].endswith("| **no** |")


def test_the_page_has_a_place_for_every_section() -> None:
    """The frame that is kept by hand names each of them."""
    head = PAGE.read_text(encoding="utf-8").partition(MARKER)[0]
    assert all(section.title in head for section in SECTIONS.values())
