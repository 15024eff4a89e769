"""Numbers of a result as the cells of its tables."""

from llm_latency_lens.model.result import Distribution
from llm_latency_lens.units import NS_PER_S, format_duration


def time_cell(seconds: float | None) -> str:
    """A duration, or a dash."""
    return "-" if seconds is None else format_duration(seconds * NS_PER_S)


def statistic_cell(found: Distribution, name: str) -> str:
    """A statistic of a latency, or a dash."""
    value: float | None = getattr(found, name)
    return time_cell(value)
