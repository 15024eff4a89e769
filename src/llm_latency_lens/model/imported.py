"""What is in another tool's result file: its numbers, under our names where its definitions are ours."""

from msgspec import Struct

IMPORTED_SCHEMA = "llm-latency-lens/imported/1"


class ImportedMetric(Struct, frozen=True, kw_only=True):
    """One quantity in base units; what the file does not say is null. `name` is ours, or TOOL:its-own."""

    name: str
    unit: str
    mean: float | None = None
    std: float | None = None
    min: float | None = None
    max: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None


class Imported(Struct, frozen=True, kw_only=True):
    """The whole document. Nothing in it was measured, checked or given an interval by us."""

    tool: str
    version: str | None
    model: str | None
    completed: int | None
    failed: int | None
    duration: float | None
    output_tokens_per_second: float | None
    requests_per_second: float | None
    metrics: tuple[ImportedMetric, ...]
    schema: str = IMPORTED_SCHEMA
