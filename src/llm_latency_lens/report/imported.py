"""Another tool's result file, to be read."""

from llm_latency_lens.model.imported import Imported, ImportedMetric
from llm_latency_lens.report.document import Fact, Facts, Note, Report, Table
from llm_latency_lens.units import NS_PER_S, format_duration, format_rate

_STATS = ("mean", "p50", "p90", "p95", "p99")


def imported_report(found: Imported) -> Report:
    """What the file says, and what it doesn't."""
    rows = tuple((m.name, *(_time(m, stat) for stat in _STATS)) for m in found.metrics)
    table = Table("What it reports", ("", *_STATS), rows, "names with the tool's in front are by its own definition: docs/as-other-tools.md")  # fmt: skip
    failed = "" if found.failed is None else f"{found.failed:,} failed"
    facts = [Fact("completed", "unknown" if found.completed is None else f"{found.completed:,}", failed)]  # fmt: skip
    for label, rate, what in (
        ("output", found.output_tokens_per_second, "tokens"),
        ("requests", found.requests_per_second, "requests"),
    ):
        if rate is not None:
            facts.append(Fact(label, format_rate(rate, what), "over the whole run"))
    note = Note("the tool's own numbers: nobody knows their instrument error, and they have no intervals", "warn")  # fmt: skip
    version = f" {found.version}" if found.version else ""
    title = f"result of {found.tool}{version}" + (f", {found.model}" if found.model else "")
    return Report(title, (note, table, Facts("Run", tuple(facts))))


def _time(metric: ImportedMetric, stat: str) -> str:
    value: float | None = getattr(metric, stat)
    return "-" if value is None else format_duration(value * NS_PER_S)
