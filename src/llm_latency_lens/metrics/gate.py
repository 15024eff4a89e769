"""A gate: thresholds and allowances held against one document, and the one state that comes of them.

The worst wins: what surely fails, fails; then what can't be trusted, then what nobody knows.
"""

from typing import Literal

from msgspec import Struct

from llm_latency_lens.errors import ExitCode, UsageError
from llm_latency_lens.metrics.regression import (
    Allowance,
    RegressionVerdict,
    differences,
    judge_contrast,
    judge_regression,
)
from llm_latency_lens.metrics.threshold import (
    State,
    Threshold,
    ThresholdVerdict,
    judge_threshold,
)
from llm_latency_lens.model.comparison import Comparison
from llm_latency_lens.model.result import Result, Verdict

GATE_SCHEMA = "llm-latency-lens/gate/1"


class Gate(Struct, frozen=True, kw_only=True):
    """What is asked: thresholds on the document itself, allowances over a baseline."""

    thresholds: tuple[Threshold, ...] = ()
    allowances: tuple[Allowance, ...] = ()


class GateReport(Struct, frozen=True, kw_only=True):
    """The whole document; `kind` says what was held to the gate."""

    state: State
    kind: Literal["result", "comparison"]
    subject: str
    target: str
    baseline: str | None
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
        if any(one.state == "FAIL" for one in self.thresholds):
            return ExitCode.THRESHOLD_FAILED
        if any(one.state == "FAIL" for one in self.regressions):
            return ExitCode.REGRESSION
        if not all(one.trusted for one in self.cases):
            return ExitCode.INVALID_MEASUREMENT
        return ExitCode.OK if self.state == "PASS" else ExitCode.TOO_FEW_SAMPLES


def hold(gate: Gate, result: Result, baseline: Result | None = None) -> GateReport:
    """Hold a result to the gate.

    Raises:
        UsageError: nothing is asked, allowances without a baseline, or a baseline of another experiment.
    """
    if not gate.thresholds and not gate.allowances:
        raise UsageError("nothing to hold it to: give --require, or --baseline with --allow")
    if gate.allowances and baseline is None:
        raise UsageError("--allow needs a --baseline to compare with")
    regressions: tuple[RegressionVerdict, ...] = ()
    if gate.allowances and baseline is not None:
        if found := differences(result, baseline):
            raise UsageError(f"the baseline is another experiment: {'; '.join(found)}")
        family = len(gate.allowances)
        regressions = tuple(
            judge_regression(one, result, baseline, family) for one in gate.allowances
        )
    thresholds = tuple(judge_threshold(one, result) for one in gate.thresholds)
    return GateReport(
        state=_state([*(t.state for t in thresholds), *(r.state for r in regressions)]),
        kind="result",
        subject=result.run["id"],
        target=result.run["spec"]["target"],
        baseline=baseline.run["id"] if baseline is not None else None,
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
        state=_state([one.state for one in regressions]),
        kind="comparison",
        subject=comparison.run["id"],
        target=comparison.arms[-1].target,
        baseline=comparison.arms[0].target,
        verdict=comparison.verdict,
        thresholds=(),
        regressions=regressions,
    )


def _state(states: list[State]) -> State:
    return next((state for state in ("FAIL", "NO VERDICT") if state in states), "PASS")
