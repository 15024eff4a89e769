"""What a body is by its bytes, whatever its label says: events, JSON, an array, or text."""

from typing import Literal

from llm_latency_lens.wire import sse
from llm_latency_lens.wire.json_object import read_any

_FIELDS = (b"data:", b"event:", b":", b"id:", b"retry:")
_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
_JSON = frozenset({"application/json", *_LINES})


BodyShape = Literal["empty", "events", "document", "lines", "array", "text"]

_LABELS: dict[BodyShape, frozenset[str]] = {
    "events": frozenset({"text/event-stream"}),
    "document": _JSON,
    "lines": _JSON,
    "array": _JSON,
}
"""The media types under which each shape is expected; none at all is right for all of them."""


def shape_of(body: bytes, content_type: str) -> BodyShape:
    """Return the shape of a body; the label decides only what its bytes leave open."""
    if body.startswith(_FIELDS):
        return "events"
    text = body.removeprefix(sse.BOM).lstrip()
    if text.startswith(_FIELDS) or _has_events(text):
        return "events"
    if text[:1] == b"{":
        return _shape_of_object(text, content_type)
    if text[:1] == b"[":
        return "array"
    # The beginning of a stream that was cut off within its first field.
    cut = content_type == "text/event-stream" and any(f.startswith(text) for f in _FIELDS)
    return "empty" if not text else "events" if cut else "text"


def is_mislabelled(shape: BodyShape, content_type: str) -> bool:
    """Whether a body of this shape came under the label of another."""
    labels = _LABELS.get(shape)
    return bool(content_type) and labels is not None and content_type not in labels


def is_expected(content_type: str) -> bool:
    """Whether answers come under this label."""
    return any(content_type in labels for labels in _LABELS.values())


def _has_events(text: bytes) -> bool:
    """Whether a line within the text is data of an event: in JSON no line can begin so."""
    return b"\ndata:" in text or b"\rdata:" in text


def _shape_of_object(text: bytes, content_type: str) -> BodyShape:
    """One object, or lines of them: then the first line is one by itself."""
    labelled = content_type in _LINES
    first, line_end, rest = text.partition(b"\n")
    if not line_end or not rest.strip():
        return "lines" if labelled else "document"
    lines = read_any(first) is not None or (labelled and read_any(text) is None)
    return "lines" if lines else "document"
