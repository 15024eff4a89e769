"""Why a step was judged as it was, in words: the evidence, and what would help an undecided one."""

from collections.abc import Callable

from msgspec import Struct

from llm_latency_lens.capacity.step import StepRun
from llm_latency_lens.metrics.objective_judge import Doubt, ObjectiveJudge, View
from llm_latency_lens.model.capacity import ObjectiveValue, StepReason
from llm_latency_lens.units import NS_PER_S, format_duration, format_rate

CLIENT_REMEDY = "give the client more cores (--workers) or a machine of its own"


class Explanation(Struct, frozen=True):
    """Why a step is undecided (empty where it is not), the words, and how grave the doubt is."""

    reason: StepReason
    why: str
    severity: float = 0.0


def explain(judge: ObjectiveJudge, step: StepRun, rate: float) -> Explanation:
    """The reason and the words for one step."""
    ended = _ENDS.get("user" if step.stopped_by_user else step.end)
    if ended is not None:
        return ended(step)
    if judge.judgement == "pass":
        return Explanation("", "; ".join(_evidence(view) for view in judge.views))
    if judge.judgement == "fail":
        worst = max(judge.views, key=lambda view: view.missed_share / view.allowed)
        failures = step.failures.describe()
        return Explanation(
            "", _evidence(worst, allowed=True) + (f"; {failures}" if failures else "")
        )
    return _undecided(judge, rate)


def objective_values(judge: ObjectiveJudge) -> tuple[ObjectiveValue, ...]:
    """How each objective stood, for the document."""
    return tuple(
        ObjectiveValue(
            text=view.objective.text,
            metric=view.objective.metric.name,
            p=view.objective.p,
            limit=view.objective.limit,
            value=view.value,
            requests=view.requests,
            missed=view.missed,
            without=view.without,
            tau=view.tau,
        )
        for view in judge.views
    )


def label(metric: str, p: float) -> str:
    """How an objective's metric is shown: `TTFT p95`."""
    return f"{metric.upper().replace('_', ' ')} p{100.0 * p:g}"


def seconds(value: float) -> str:
    """Seconds for people."""
    return format_duration(value * NS_PER_S)


def _evidence(view: View, *, allowed: bool = False) -> str:
    objective = view.objective
    value = "among failed requests" if view.value is None else seconds(view.value)
    may = f" ({100.0 * view.allowed:.3g} % may)" if allowed else ""
    words = (
        f"{label(objective.metric.name, objective.p)} {value} (limit {seconds(objective.limit)}):"
        f" {view.missed:,} of {view.requests:,} requests missed it{may}"
    )
    return words + (f", {view.without:,} have no {objective.metric.name}" if view.without else "")


def _undecided(judge: ObjectiveJudge, rate: float) -> Explanation:
    doubt = judge.doubt
    if doubt.reason == "metric":
        return Explanation(
            "metric",
            no_metric([v.objective.text for v in judge.views if v.without and not v.requests]),
        )
    if doubt.reason == "slow":
        sent = format_rate(judge.sent_share * rate)
        words = f"this client sent {sent} instead of {format_rate(rate)}: {CLIENT_REMEDY}"
        return Explanation("client", words, doubt.severity)
    if doubt.view is None:
        return Explanation("short", _short(judge, rate))
    return _OF_VIEW[doubt.reason](doubt, doubt.view)


def no_metric(objectives: list[str]) -> str:
    """That objectives cannot be judged, since no request has their metric."""
    return (
        f"no request has the metric of {', '.join(objectives)}, so it is neither kept nor missed:"
        " an answer of one token has no TPOT, one that does not stream has no TTFT; ask for longer"
        " answers, or set another objective"
    )


def _short(judge: ObjectiveJudge, rate: float) -> str:
    needed = round(judge.least_time * rate)
    return (
        f"{judge.seen:,} requests last {seconds(judge.seen / rate)}, which is short for answers of"
        f" {seconds(judge.service_time)}: a queue would not show yet; set --step-requests to about"
        f" {needed:,}"
    )


def _late(doubt: Doubt, view: View) -> Explanation:
    words = (
        f"this client began requests late: with its lateness {view.missed:,} of"
        f" {view.requests:,} missed {view.objective.text}, without it {view.missed_on_time:,};"
        f" {CLIENT_REMEDY}"
    )
    return Explanation("client", words, doubt.severity)


def _correlated(doubt: Doubt, view: View) -> Explanation:
    words = (
        f"requests are correlated: {view.requests:,} requests carry the information of about"
        f" {view.requests / view.tau:,.0f} independent ones; more would tell (--step-requests)"
    )
    return Explanation("correlated", f"{_evidence(view)}; {words}", doubt.severity)


def _near(doubt: Doubt, view: View) -> Explanation:
    words = "too near the limit to tell from so few requests; more would tell (--step-requests)"
    return Explanation("near", f"{_evidence(view, allowed=True)}; {words}", doubt.severity)


_OF_VIEW: dict[str, Callable[[Doubt, View], Explanation]] = {
    "late": _late,
    "correlated": _correlated,
    "near": _near,
}
_ENDS: dict[str, Callable[[StepRun], Explanation]] = {
    "user": lambda _: Explanation("stopped", "stopped by the user"),
    "time": lambda _: Explanation("time", "no time was left for more requests"),
    "silent": lambda step: Explanation(
        "silent", f"no request ended for {seconds(step.patience)}: the server stopped answering"
    ),
    "hopeless": lambda step: Explanation("unanswered", step.failures.describe()),
}
