"""HTML and SVG as values: every text and every attribute is escaped here, and nowhere else.

What servers and users say ends up in these pages; there is no way to put it in unescaped but `Raw`,
which only this package's own style sheet goes through.
"""

import html
import re
from collections.abc import Iterator

_NOT_SHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")  # fmt: skip
_VOID = frozenset({"meta", "br", "hr", "col"})


class Raw(str):
    """Text that is markup already. Never of anything that was received or asked for."""

    __slots__ = ()


class Element:
    """A tag, its attributes and its children; attribute `class_` is written `class`, `x_y` is `x-y`."""

    __slots__ = ("_attributes", "_children", "_tag")

    def __init__(
        self, tag: str, *children: "Element | str | None", **attributes: str | float | None
    ) -> None:
        self._tag = tag
        self._children = children
        self._attributes = attributes

    def __str__(self) -> str:
        return "".join(self.parts())

    def parts(self) -> Iterator[str]:
        """The markup, piece by piece."""
        yield f"<{self._tag}"
        for name, value in self._attributes.items():
            if value is not None:
                yield f' {name.rstrip("_").replace("_", "-")}="{escaped(_written(value))}"'
        yield ">"
        if self._tag in _VOID:
            return
        for child in self._children:
            if isinstance(child, Element):
                yield from child.parts()
            elif isinstance(child, Raw):
                yield child
            elif child is not None:
                yield escaped(child)
        yield f"</{self._tag}>"


def escaped(text: str) -> str:
    """As text of a page: markup is escaped, what would not be shown or turns text about is replaced."""
    return html.escape(_NOT_SHOWN.sub("\ufffd", text), quote=True)


def _written(value: str | float) -> str:
    """Numbers short: a tenth of a pixel is enough."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
