"""JSON objects as servers send them: read strictly, and failing that leniently; nothing raises but `BadJsonError`."""

import re
from typing import Any

import msgspec

_decode_any = msgspec.json.Decoder().decode
_ESCAPES = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""Escapes of a backslash, of a surrogate pair, and of half a pair."""
LARGEST = 1 << 53
"""A larger count is no count; it could not be stored either."""


class BadJsonError(ValueError):
    """The bytes are not a JSON object."""


def read_object(data: bytes) -> tuple[dict[str, Any], int]:
    """Decode an object; returns it and how many bad UTF-8 sequences or lone surrogates were replaced.

    Raises:
        BadJsonError: not JSON, or not an object.
    """
    replaced = 0
    try:
        value = _decode_any(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        repaired, replaced = _repair(data)
        value = _decode_repaired(repaired)
    if not isinstance(value, dict):
        raise BadJsonError(f"an object was expected, got {type(value).__name__}")
    return value, replaced


def read_any(data: bytes) -> Any:  # noqa: ANN401 - JSON
    """Decode any JSON; None where it is none."""
    try:
        return _decode_any(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        pass
    try:
        return _decode_repaired(_repair(data)[0])
    except BadJsonError:
        return None


def _repair(data: bytes) -> tuple[bytes, int]:
    """Replace what is no text by U+FFFD: bad UTF-8, and halves of surrogate pairs (RFC 8259, 8.2)."""
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
    lone = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal lone
        lone += match["lone"] is not None
        return match[0] if match["lone"] is None else "\\ufffd"

    repaired = _ESCAPES.sub(replace, text.removeprefix("\ufeff"))
    return repaired.encode(), bad + lone


def _decode_repaired(data: bytes) -> object:
    try:
        value: object = _decode_any(data)
    except RecursionError:
        raise BadJsonError("nested too deeply") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise BadJsonError(str(error)) from None
    return value


def text_of(value: object, key: str) -> str | None:
    """The string at `key` of an object; None where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def object_of(value: object, key: str) -> dict[str, Any]:
    """The object at `key`; an empty one where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def objects_of(value: object, key: str) -> list[dict[str, Any]]:
    """The objects of the list at `key`."""
    found = value.get(key) if isinstance(value, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def count_of(value: object, key: str) -> int | None:
    """The whole number from 0 on at `key`; anything else is unknown."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    known = isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= LARGEST
    return found if known else None


def seconds_of(value: object, key: str, unit: float) -> float | None:
    """The number from 0 on at `key`, which counts in `unit` seconds."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return found * unit if 0 <= found <= LARGEST else None
