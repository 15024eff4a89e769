"""Why a step was judged as it was, in words: the evidence, and what would help an undecided one."""

from collections.abc import Callable

from msgspec import Struct

from llm_latency_lens.capacity.step import StepRun
from llm_latency_lens.metrics.objective_judge import Doubt, ObjectiveJudge, View
from llm_latency_lens.model.capacity import ObjectiveValue, StepReason
from llm_latency_lens.stats.capacity import Judgement
from llm_latency_lens.units import NS_PER_S, format_duration, format_rate

CLIENT_REMEDY = "give the client more cores (--workers) or a machine of its own"


class Explanation(Struct, frozen=True):
    """How a step was judged.

    Attributes:
        judgement: what the search goes by.
        reason: why it is undecided; empty where it is not.
        why: the evidence, and for an undecided step what would help.
        severity: of the doubt; only the same reason may be compared.
    """

    judgement: Judgement
    reason: StepReason
    why: str
    severity: float = 0.0


def explain(judge: ObjectiveJudge, step: StepRun, rate: float) -> Explanation:
    """The judgement of one step, the reason and the words."""
    if step.end in _BROKEN:
        return _BROKEN[step.end](judge, step)
    if judge.judgement != "undecided":
        return _decided(judge, step)
    return _cut_short(step) or _undecided(judge, rate)


def _decided(judge: ObjectiveJudge, step: StepRun) -> Explanation:
    if judge.judgement == "pass":
        return Explanation("pass", "", "; ".join(_evidence(view) for view in judge.views))
    worst = max(judge.views, key=lambda view: view.missed_share / view.allowed)
    why = "; ".join(filter(None, (_evidence(worst, allowed=True), step.failures.describe())))
    return Explanation("fail", "", why)


def _cut_short(step: StepRun) -> Explanation | None:
    if step.stopped_by_user:
        return Explanation("undecided", "stopped", "stopped by the user")
    if step.end == "time":
        return Explanation("undecided", "time", "no time was left for more requests")
    return None


def _hopeless(_: ObjectiveJudge, step: StepRun) -> Explanation:
    """It says nothing of the load: a server that went away may come back."""
    return Explanation("undecided", "unanswered", step.failures.describe())


def _silent(judge: ObjectiveJudge, step: StepRun) -> Explanation:
    """A server that falls silent under a load fails; one that never answered is down."""
    why = f"no request ended for {seconds(step.patience)}: the server stopped answering"
    return Explanation("fail" if judge.seen else "undecided", "silent", why)


_BROKEN: dict[str, Callable[[ObjectiveJudge, StepRun], Explanation]] = {
    "hopeless": _hopeless,
    "silent": _silent,
}


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
            uncounted=view.uncounted,
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
            "undecided",
            "metric",
            no_metric([v.objective.text for v in judge.views if v.without and not v.requests]),
        )
    if doubt.reason == "slow":
        sent = format_rate(judge.sent_share * rate)
        words = f"this client sent {sent} instead of {format_rate(rate)}: {CLIENT_REMEDY}"
        return Explanation("undecided", "client", words, doubt.severity)
    if doubt.view is None:
        return Explanation("undecided", "short", _short(judge, rate))
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
    return Explanation("undecided", "client", words, doubt.severity)


def _correlated(doubt: Doubt, view: View) -> Explanation:
    words = (
        f"requests are correlated: {view.requests:,} requests carry the information of about"
        f" {view.requests / view.tau:,.0f} independent ones; more would tell (--step-requests)"
    )
    return Explanation("undecided", "correlated", f"{_evidence(view)}; {words}", doubt.severity)


def _near(doubt: Doubt, view: View) -> Explanation:
    words = "too near the limit to tell from so few requests; more would tell (--step-requests)"
    return Explanation(
        "undecided", "near", f"{_evidence(view, allowed=True)}; {words}", doubt.severity
    )


_OF_VIEW: dict[str, Callable[[Doubt, View], Explanation]] = {
    "late": _late,
    "correlated": _correlated,
    "near": _near,
}
