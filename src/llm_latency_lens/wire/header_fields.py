"""Header fields of a request: each name once, whoever asked for it last."""

from collections.abc import Iterable

Fields = tuple[tuple[str, str], ...]


def merge_fields(*groups: Iterable[tuple[str, str]]) -> Fields:
    """Return the fields of all groups; a field replaces those of its name in the groups before it.

    Names are compared without case. A replacement stands where the first of its name stood.
    """
    merged: dict[str, list[tuple[str, str]]] = {}
    for group in groups:
        named: dict[str, list[tuple[str, str]]] = {}
        for name, value in group:
            named.setdefault(name.lower(), []).append((name, value))
        merged.update(named)
    return tuple(field for fields in merged.values() for field in fields)
