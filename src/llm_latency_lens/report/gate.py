"""A gate's outcome, to be read: on a console, as Markdown, as GitHub's annotations."""

from collections.abc import Iterator

from llm_latency_lens.criteria.allowance import RegressionVerdict
from llm_latency_lens.criteria.condition import State
from llm_latency_lens.criteria.gate import GateReport
from llm_latency_lens.criteria.threshold import ThresholdVerdict
from llm_latency_lens.report.document import Block, Fact, Facts, Note, Report, Tone
from llm_latency_lens.units import NS_PER_S, format_duration

_TONES: dict[State, Tone] = {"PASS": "good", "FAIL": "bad", "NO VERDICT": "warn"}


def gate_report(gate: GateReport) -> Report:
    """The state first, then each threshold and each allowance."""
    blocks: list[Block] = [Note(summary(gate), _TONES[gate.state])]
    if gate.thresholds:
        facts = tuple(_fact(case, value_of(case)) for case in gate.thresholds)
        blocks.append(Facts("Thresholds", facts))
    if gate.regressions:
        facts = tuple(_fact(case, change_of(case)) for case in gate.regressions)
        blocks.append(Facts("Against the baseline", facts))
    return Report(f"gate on {gate.subject} ({gate.target})", tuple(blocks))


def _fact(case: ThresholdVerdict | RegressionVerdict, measured: str) -> Fact:
    return Fact(case.text, f"{case.state}: {measured}", case.words, _TONES[case.state])


def summary(gate: GateReport) -> str:
    """One line: the state, and how many of how many."""
    gates = gate.cases
    passed = sum(one.state == "PASS" for one in gates)
    against = f" against {gate.baseline}" if gate.baseline else ""
    if len(gate.baselines) > 1:
        against = f" against {len(gate.baselines)} baselines"
    doubt = "" if gate.verdict == "VALID" else f"; the measurement is {gate.verdict}"
    return f"{gate.state}: {passed} of {len(gates)} kept{against}{doubt}"


def annotations(gate: GateReport) -> Iterator[str]:
    """GitHub's workflow commands: an error for what fails, a warning for what nobody knows."""
    levels = {"FAIL": "error", "NO VERDICT": "warning"}
    for one in gate.cases:
        if one.state in levels:
            words = f"{one.text}: {one.state}" + (f", {one.words}" if one.words else "")
            yield f"::{levels[one.state]} title=latency gate::{_escaped(words)}"


def value_of(one: ThresholdVerdict) -> str:
    """A value with its interval."""
    if one.value is None:
        return "-"
    shown = shown_in(one.value, one.unit)
    if one.interval is None:
        return shown
    low, high = (shown_in(end, one.unit) for end in one.interval)
    return f"{shown} [{low} .. {high}]"


def change_of(case: RegressionVerdict) -> str:
    """The change with its interval, then the values before and after."""

    def signed(change: float) -> str:
        shown = f"{change:+.1%}"
        return shown.replace("%", " pp") if case.text.endswith("pp") else shown

    parts = []
    if case.change is not None and case.interval is not None:
        low, high = (signed(end) for end in case.interval)
        parts.append(f"{signed(case.change)} [{low} .. {high}]")
    if case.baseline is not None and case.value is not None:
        before, after = (shown_in(value, case.unit) for value in (case.baseline, case.value))
        parts.append(f"{after} after {before}")
    return ", ".join(parts) or "-"


def shown_in(value: float, unit: str) -> str:
    """A value in its unit."""
    if unit == "s":
        return format_duration(value * NS_PER_S)
    if unit == "ratio":
        return f"{value:.2%}"
    return f"${value:.4g}" if unit == "USD" else f"{value:.4g} {unit}".rstrip()


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
