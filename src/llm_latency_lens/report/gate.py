"""A gate's outcome, to be read: on a console, as Markdown, as GitHub's annotations."""

from collections.abc import Iterator

from llm_latency_lens.criteria.allowance import RegressionVerdict
from llm_latency_lens.criteria.condition import State
from llm_latency_lens.criteria.gate import GateReport
from llm_latency_lens.criteria.threshold import ThresholdVerdict
from llm_latency_lens.report.document import Block, Note, Report, Table, Tone
from llm_latency_lens.units import NS_PER_S, format_duration

_TONES: dict[State, Tone] = {"PASS": "good", "FAIL": "bad", "NO VERDICT": "warn"}


def gate_report(gate: GateReport) -> Report:
    """The state first, then each threshold and each allowance."""
    blocks: list[Block] = [Note(summary(gate), _TONES[gate.state])]
    if gate.thresholds:
        rows = tuple((one.state, one.text, value_of(one), one.words) for one in gate.thresholds)
        blocks.append(Table("Thresholds", ("", "", "measured", ""), rows, text=(0, 1, 3)))
    if gate.regressions:
        changes = tuple(
            (one.state, one.text, *change_of(one), one.words) for one in gate.regressions
        )
        columns = ("", "", "baseline", "now", "change", "interval", "")
        blocks.append(Table("Against the baseline", columns, changes, text=(0, 1, 6)))
    return Report(f"gate on {gate.subject} ({gate.target})", tuple(blocks))


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


def change_of(one: RegressionVerdict) -> tuple[str, str, str, str]:
    """Before, after, the change and its interval."""

    def signed(change: float) -> str:
        shown = f"{change:+.1%}"
        return shown.replace("%", " pp") if one.text.endswith("pp") else shown

    values = tuple("-" if v is None else shown_in(v, one.unit) for v in (one.baseline, one.value))
    if one.change is None or one.interval is None:
        return values[0], values[1], "-", "-"
    low, high = (signed(end) for end in one.interval)
    return values[0], values[1], signed(one.change), f"{low} .. {high}"


def shown_in(value: float, unit: str) -> str:
    """A value in its unit."""
    if unit == "s":
        return format_duration(value * NS_PER_S)
    if unit == "ratio":
        return f"{value:.2%}"
    return f"${value:.4g}" if unit == "USD" else f"{value:.4g} {unit}".rstrip()


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
