"""A search for capacity, to be read."""

from llm_latency_lens.model.capacity import Capacity, CapacityStep
from llm_latency_lens.report.document import Fact, Facts, Note, Report, Table
from llm_latency_lens.units import NS_PER_S, format_duration, format_rate


def capacity_report(capacity: Capacity) -> Report:
    """The bracket first, then the steps that led to it."""
    slo = ", ".join(capacity.objectives)
    facts = [
        Fact("objectives", slo),
        Fact("search", f"{len(capacity.steps)} steps, {sum(s.requests for s in capacity.steps):,} requests judged", capacity.why),
    ]  # fmt: skip
    rows = tuple(_row(step) for step in capacity.steps)
    columns = ("rate", "", "requests", "succeeded", "TTFT p50", "TTFT p95", "TPOT p50", "")
    table = Table(
        "Steps", columns, rows, "each step is judged while it goes on, and ends when that is sure"
    )
    title = f"{capacity.run['spec']['target']} - capacity {capacity.run['id']}"
    return Report(title, (_verdict(capacity), Facts("Capacity", tuple(facts)), table))


def _verdict(capacity: Capacity) -> Note:
    sure = f"({capacity.confidence:.0%} confidence)"
    if capacity.passed is None:
        failed = "" if capacity.failed is None else f"; {_rate(capacity.failed)} fails"
        return Note(f"no rate surely keeps the objectives{failed}", "bad")
    if capacity.failed is None:
        return Note(
            f"holds at least {_rate(capacity.passed)} {sure}; no rate surely failed", "good"
        )
    words = f"holds {_rate(capacity.passed)}, fails at {_rate(capacity.failed)} {sure}"
    return Note(words, "good")


def _row(step: CapacityStep) -> tuple[str, ...]:
    return (
        _rate(step.rate),
        ("again: " if step.again else "") + step.judgement,
        f"{step.requests:,}",
        f"{step.ok:,}",
        _time(step.ttft_p50),
        _time(step.ttft_p95),
        _time(step.tpot_p50),
        step.words,
    )


def _rate(rate: float) -> str:
    return format_rate(rate, "requests")


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(seconds * NS_PER_S)
