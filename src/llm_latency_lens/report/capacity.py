"""A search for capacity, to be read: the answer first, then what it rests on."""

from llm_latency_lens.model.capacity import Capacity, CapacityStep, ObjectiveValue, StepReason
from llm_latency_lens.report.document import Fact, Facts, Note, Report, Table
from llm_latency_lens.report.offered import prompts_fact
from llm_latency_lens.units import NS_PER_S, format_duration, format_rate

_REASONS: dict[StepReason, str] = {
    "": "nothing was judged",
    "near": "too near the limit",
    "correlated": "requests are correlated",
    "short": "too short for answers that long",
    "client": "this client was late",
    "metric": "no request has the metric",
    "untrusted": "the metric is not to be used",
    "silent": "the server fell silent",
    "unanswered": "the server no longer answers",
    "stopped": "stopped by the user",
    "time": "no time was left",
}
"""Why a step is undecided, in short; its evidence says more."""


def capacity_report(capacity: Capacity) -> Report:
    """The answer first, then the steps that led to it."""
    judged = sum(step.requests for step in capacity.steps)
    facts = [
        Fact("objectives", ", ".join(capacity.objectives)),
        Fact("search", f"{len(capacity.steps)} steps, {judged:,} requests judged"),
        prompts_fact(capacity.run["spec"]["workload"]),
    ]
    if capacity.passed is not None:
        facts.append(Fact("it ended", capacity.why))
    if capacity.alone is not None:
        alone = format_duration(capacity.alone * NS_PER_S)
        facts.append(Fact("one at a time", f"a request takes {alone} (median)"))
    if capacity.rate_limited_from is not None:
        facts.append(Fact("rate limit", _quota(capacity.rate_limited_from)))
    answer = (_answer(capacity), *_uncounted(capacity))
    title = f"{capacity.run['spec']['target']} - capacity {capacity.run['id']}"
    return Report(title, (*answer, Facts("Capacity", tuple(facts)), *_steps(capacity)))


def _uncounted(capacity: Capacity) -> tuple[Note, ...]:
    """That an objective's metric takes stream events for tokens."""
    values = [value for step in capacity.steps for value in step.objectives if value.uncounted]
    names = ", ".join(dict.fromkeys(value.metric.upper() for value in values))
    if not names:
        return ()
    words = (
        f"The server did not count the tokens of all answers: {names} is the time for each stream"
        " event there. If events carry several tokens, the true value is shorter, and the capacity"
        " may be higher. Have the server send its usage, or set an objective on ttft or e2e."
    )
    return (Note(words, "warn"),)


def _steps(capacity: Capacity) -> tuple[Table | Facts, ...]:
    """A row for each step, and the evidence for each; nothing where no rate was tried."""
    if not capacity.steps:
        return ()
    columns = ("rate", "", "judged", "succeeded", "TTFT p50", "TTFT p95", "TPOT p50")
    rows = tuple(_row(step) for step in capacity.steps)
    note = "each step is judged while it goes on, and ends as soon as it is decided"
    table = Table("Steps", columns, rows, note)
    evidence = tuple(Fact(_name(step), step.why) for step in capacity.steps)
    return (table, Facts("Evidence", evidence))


def _answer(capacity: Capacity) -> Note:
    confidence = f"{capacity.confidence:.0%} confidence"
    if capacity.passed is None:
        return Note(_no_answer(capacity), "bad")
    # Without a failure the rate is a lower bound only.
    least = "at least " if capacity.failed is None else ""
    words = f"holds {least}{format_rate(capacity.passed)} ({confidence}){_values(capacity)}"
    return Note(words + _above(capacity), "good")


def _above(capacity: Capacity) -> str:
    """What is known of higher rates."""
    parts = []
    if capacity.failed is not None:
        parts.append(f"fails at {format_rate(capacity.failed)}")
    if capacity.rate_limited_from is not None:
        parts.append(_quota(capacity.rate_limited_from))
    undecided = [step for step in capacity.steps if step.judgement == "undecided"]
    lowest = min(undecided, key=lambda step: step.rate, default=None)
    if lowest is not None and lowest.rate < (capacity.failed or float("inf")):
        parts.append(f"undecided at {format_rate(lowest.rate)} ({_REASONS[lowest.reason]})")
    return "".join(f"; {part}" for part in parts)


def _no_answer(capacity: Capacity) -> str:
    words = "no rate is proven to keep the objectives"
    if capacity.failed is not None:
        words += f"; {format_rate(capacity.failed)} fails"
    once = [step.rate for step in capacity.steps if step.judgement == "pass"]
    if once:
        words += f"; {format_rate(max(once))} passed, and was not tested often enough"
    return f"{words}: {capacity.why}"


def _quota(rate: float) -> str:
    return (
        f"from {format_rate(rate)} on the server refuses requests with 429 (rate limited):"
        " its quota is the bound, not its speed"
    )


def _values(capacity: Capacity) -> str:
    """The objectives' percentiles at the rate that passed, with their limits."""
    passes = [s for s in capacity.steps if s.rate == capacity.passed and s.judgement == "pass"]
    values = passes[-1].objectives if passes else ()
    return f": {', '.join(_value(value) for value in values)}" if values else ""


def _value(value: ObjectiveValue) -> str:
    name = value.metric.upper().replace("_", " ")
    limit = format_duration(value.limit * NS_PER_S)
    return f"{name} p{100.0 * value.p:g} {_time(value.value)} (limit {limit})"


def _name(step: CapacityStep) -> str:
    return f"{format_rate(step.rate)} {'again ' if step.again else ''}{step.judgement}"


def _row(step: CapacityStep) -> tuple[str, ...]:
    return (
        format_rate(step.rate),
        ("again: " if step.again else "") + step.judgement,
        f"{step.requests:,}",
        f"{step.ok:,}",
        _time(step.ttft_p50),
        _time(step.ttft_p95),
        _time(step.tpot_p50),
    )


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(seconds * NS_PER_S)
