"""What another tool would have reported, to be read."""

from llm_latency_lens.metrics.as_tools import AsTool
from llm_latency_lens.report.document import Fact, Facts, Report, Table


def as_tool_report(view: AsTool) -> Report:
    """Its numbers under its names and units, with its definitions beside them."""
    rows = tuple(
        (f"{line.name} ({line.unit})", *(_number(v) for v in (line.mean, line.p50, line.p95, line.p99)), f"{line.n:,}")
        for line in view.lines
    )  # fmt: skip
    table = Table("", ("", "mean", "p50", "p95", "p99", "n"), rows, f"percentiles: {view.percentile}")  # fmt: skip
    meanings = Facts("Its definitions", tuple(Fact(line.name, line.meaning) for line in view.lines))
    facts = Facts(
        "Throughput",
        (
            Fact("output tokens", f"{_number(view.output_throughput)}/s", view.throughput),
            Fact("requests", f"{_number(view.request_throughput)}/s"),
        ),
    )
    return Report(
        f"as {view.tool} defines it: {view.requests:,} requests", (table, meanings, facts)
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}" if value >= 1 else f"{value:.4f}"
