"""Events as servers write them: JSON, and SSE around it."""

import msgspec

json = msgspec.json.Encoder().encode


def sse(data: object, name: str | None = None) -> bytes:
    """One server-sent event with JSON data."""
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    return head + b"data: " + json(data) + b"\n\n"
