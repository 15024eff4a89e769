"""Our numbers beside the simulator's ledger."""

from llm_latency_lens.model.truth import Comparison, Truth
from llm_latency_lens.report.document import Fact, Facts, Note, Report, Table
from llm_latency_lens.units import NS_PER_S, format_duration


def truth_report(truth: Truth) -> Report:
    """What we measured, what the server wrote down, and the difference value by value."""
    rows = []
    for comparison in truth.comparisons:
        rows += _rows(comparison)
    table = Table(
        "Quantiles", ("", "p50", "p90", "p99", "max", "n"), tuple(rows),
        "error: ours - ledger, taken value by value; it includes the way over the loopback",
    )  # fmt: skip
    lag = f"p50 {_time(truth.lag_p50)}, p99 {_time(truth.lag_p99)}, max {_time(truth.lag_max)}"
    tokens = f"{truth.tokens_ours:,} of {truth.tokens_ledger:,}"
    complete = truth.tokens_ours == truth.tokens_ledger and not truth.unmatched
    facts = Facts(
        "Bookkeeping",
        (
            Fact(
                "requests in the ledger",
                f"{truth.matched:,} of {truth.matched + truth.unmatched:,}",
            ),
            Fact("token events seen", tokens, "", "good" if complete else "bad"),
            Fact("the server's own lag", lag, "it is in its ledger, and so in neither error"),
        ),
    )
    return Report(
        "What we measured, beside the server's own ledger", (table, facts, _verdict(truth))
    )


def _rows(comparison: Comparison) -> list[tuple[str, ...]]:
    name, n = comparison.name, f"{comparison.n:,}"
    spreads = (
        ("measured", comparison.ours),
        ("ledger", comparison.ledger),
        ("error", comparison.error),
    )
    return [
        (
            f"{name} {what}",
            _time(s.p50),
            _time(s.p90),
            _time(s.p99),
            _time(s.max),
            n if what == "measured" else "",
        )
        for what, s in spreads
    ]


def _verdict(truth: Truth) -> Note:
    ttft = next((c for c in truth.comparisons if c.name == "TTFT"), None)
    if ttft is None:
        return Note("nothing to compare: no request of the run is in the ledger", "bad")
    words = f"instrument error of TTFT: p50 {_time(ttft.error.p50)}, p99 {_time(ttft.error.p99)}"
    return Note(words, "good" if ttft.error.p99 < 0.01 else "warn")


def _time(seconds: float) -> str:
    return format_duration(seconds * NS_PER_S)
