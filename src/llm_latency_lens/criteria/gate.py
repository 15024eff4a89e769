"""A gate: thresholds and allowances held against one document, and the state that comes of them.

The worst wins: what surely fails, fails; then what is not to be trusted, then what has no verdict.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from llm_latency_lens.criteria.allowance import (
    Allowance,
    RegressionVerdict,
    judge_allowance,
    judge_contrast,
)
from llm_latency_lens.criteria.condition import State
from llm_latency_lens.criteria.threshold import Threshold, ThresholdVerdict, judge_threshold
from llm_latency_lens.criteria.workload import differences
from llm_latency_lens.errors import ExitCode, UsageError
from llm_latency_lens.model.comparison import Comparison
from llm_latency_lens.model.result import Result, Verdict

GATE_SCHEMA = "llm-latency-lens/gate/1"


class Gate(Struct, frozen=True, kw_only=True):
    """What is asked: thresholds on the document itself, allowances over a baseline."""

    thresholds: tuple[Threshold, ...] = ()
    allowances: tuple[Allowance, ...] = ()


class GateReport(Struct, frozen=True, kw_only=True):
    """The whole document.

    Attributes:
        kind: what was held to the gate.
        baseline: what it was held against; the first of several.
        baselines: all of them, by their runs' ids.
    """

    state: State
    kind: Literal["result", "comparison"]
    subject: str
    target: str
    baseline: str | None
    baselines: tuple[str, ...] = ()
    verdict: Verdict
    thresholds: tuple[ThresholdVerdict, ...]
    regressions: tuple[RegressionVerdict, ...]
    schema: str = GATE_SCHEMA

    @property
    def cases(self) -> tuple[ThresholdVerdict | RegressionVerdict, ...]:
        """All of them, thresholds first."""
        return (*self.thresholds, *self.regressions)

    @property
    def exit_code(self) -> ExitCode:
        """What the process returns."""
        if any(case.state == "FAIL" for case in self.thresholds):
            return ExitCode.THRESHOLD_FAILED
        if any(case.state == "FAIL" for case in self.regressions):
            return ExitCode.REGRESSION
        if not all(case.trusted for case in self.cases):
            return ExitCode.INVALID_MEASUREMENT
        return ExitCode.OK if self.state == "PASS" else ExitCode.TOO_FEW_SAMPLES


def hold(gate: Gate, result: Result, baselines: Sequence[Result] = ()) -> GateReport:
    """Hold a result to the gate; baselines are repeated runs of what it is compared with.

    Raises:
        UsageError: nothing is asked, allowances have no baseline, or one is of another experiment.
    """
    if not gate.thresholds and not gate.allowances:
        raise UsageError("nothing to hold it to: give --require, or --baseline with --allow")
    if gate.allowances and not baselines:
        raise UsageError("--allow needs a --baseline to compare with")
    _check(result, baselines)
    thresholds = tuple(
        judge_threshold(threshold, result, tuple(baselines)) for threshold in gate.thresholds
    )
    family = len(gate.allowances)
    regressions = tuple(
        judge_allowance(allowance, result, baselines, family) for allowance in gate.allowances
    )
    names = tuple(str(baseline.run["id"]) for baseline in baselines)
    return GateReport(
        state=_state([*(t.state for t in thresholds), *(r.state for r in regressions)]),
        kind="result",
        subject=result.run["id"],
        target=result.run["spec"]["target"],
        baseline=names[0] if names else None,
        baselines=names,
        verdict=result.verdict,
        thresholds=thresholds,
        regressions=regressions,
    )


def hold_comparison(gate: Gate, comparison: Comparison) -> GateReport:
    """Hold an interleaved comparison to the gate: its last target against its first.

    Raises:
        UsageError: thresholds, which are for results; or nothing is asked.
    """
    if gate.thresholds:
        raise UsageError(
            "--require is for a run; a comparison is held to --allow, such as ttft<+10%"
        )
    if not gate.allowances:
        raise UsageError("nothing to hold it to: give --allow, such as ttft<+10%")
    regressions = tuple(judge_contrast(one, comparison) for one in gate.allowances)
    return GateReport(
        state=_state([case.state for case in regressions]),
        kind="comparison",
        subject=comparison.run["id"],
        target=comparison.arms[-1].target,
        baseline=comparison.arms[0].target,
        verdict=comparison.verdict,
        thresholds=(),
        regressions=regressions,
    )


def _check(result: Result, baselines: Sequence[Result]) -> None:
    """Refuse baselines that are other experiments, the run itself, or given twice."""
    seen = {result.run["id"]}
    for baseline in baselines:
        name = baseline.run["id"]
        if name in seen:
            what = "the run itself" if name == result.run["id"] else "given twice"
            raise UsageError(f"--baseline {name} is {what}; give runs that were made apart")
        seen.add(name)
        if found := differences(result, baseline):
            raise UsageError(f"--baseline {name} is another experiment: {'; '.join(found)}")


def _state(states: list[State]) -> State:
    return next((state for state in ("FAIL", "NO VERDICT") if state in states), "PASS")
