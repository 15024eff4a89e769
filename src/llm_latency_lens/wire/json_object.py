"""JSON objects as servers send them: read strictly, and failing that leniently; nothing raises but `BadJsonError`."""

from typing import Any

import msgspec

_decode_any = msgspec.json.Decoder().decode


class BadJsonError(ValueError):
    """The bytes are not a JSON object."""


def read_object(data: bytes) -> tuple[dict[str, Any], int]:
    """Decode an object; returns it and how many bad UTF-8 sequences were replaced.

    Raises:
        BadJsonError: not JSON, or not an object.
    """
    replaced = 0
    try:
        value = _decode_any(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        text = data.decode("utf-8", "replace")
        replaced = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
        value = _decode_repaired(text.encode())
    if not isinstance(value, dict):
        raise BadJsonError(f"an object was expected, got {type(value).__name__}")
    return value, replaced


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
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def seconds_of(value: object, key: str, unit: float) -> float | None:
    """The number from 0 on at `key`, which counts in `unit` seconds."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float) or found < 0:
        return None
    return found * unit


def output_count(
    output: int | None, reasoning: int | None, input_count: int | None, total: int | None
) -> int | None:
    """The output tokens with the reasoning among them, where a server counts it beside them.

    The sum of all three, or more reasoning than output, tells that it was left out.
    """
    if output is None or not reasoning:
        return output
    if total is None or input_count is None:
        beside = reasoning > output
    else:
        beside = total == input_count + output + reasoning
    return output + reasoning if beside else output
