"""The capacity document: the highest load that keeps its objectives, as a bracket with confidence."""

from typing import Any, Literal

from msgspec import Struct

CAPACITY_SCHEMA = "llm-latency-lens/capacity/1"

StepReason = Literal[
    "",
    "near",
    "correlated",
    "short",
    "client",
    "metric",
    "untrusted",
    "silent",
    "unanswered",
    "stopped",
    "time",
]
CapacityEnd = Literal[
    "bracketed",
    "highest",
    "lowest",
    "steps",
    "alone",
    "unanswered",
    "quota",
    "metric",
    "untrusted",
    "client",
    "undecided",
    "time",
    "spend_limit",
    "stopped",
]


class ObjectiveValue(Struct, frozen=True, kw_only=True):
    """One objective under one load.

    Attributes:
        text: as it was given, such as `ttft.p95<200ms`.
        metric: its metric's name.
        p: its percentile, from 0 to 1.
        limit: seconds.
        value: the percentile over the judged requests (s); null where a failed request lies there.
        requests: how many were judged.
        missed: how many of them violate the objective; failed requests do.
        without: how many requests have no such metric; they are not judged.
        uncounted: how many requests' values take stream events for tokens, because the server did
            not count them; with several tokens an event such a value is too long.
        tau: autocorrelation time; n requests carry the information of n / tau independent ones.
    """

    text: str
    metric: str
    p: float
    limit: float
    value: float | None
    requests: int
    missed: int
    without: int
    tau: float
    uncounted: int = 0


class CapacityStep(Struct, frozen=True, kw_only=True):
    """One rate that was tried.

    Attributes:
        rate: requests per second.
        judgement: whether the load keeps the objectives.
        requests: how many had ended when the judgement was made.
        again: the rate had been judged before.
        ttft_p50, ttft_p95, tpot_p50: seconds, over all successful requests of the step.
        ok: successful requests.
        objectives: how each objective stood.
        reason: why the step is undecided: too near the limit, correlated requests, too short a time,
            a late client, a missing metric, a metric that is INVALID, a silent server, a server that no longer answers, stopped
            by the user, out of time; empty where the requests themselves decide.
        why: the evidence for the judgement, and for an undecided step what would help.
    """

    rate: float
    judgement: Literal["pass", "fail", "undecided"]
    requests: int
    again: bool
    ttft_p50: float | None = None
    ttft_p95: float | None = None
    tpot_p50: float | None = None
    ok: int
    objectives: tuple[ObjectiveValue, ...] = ()
    reason: StepReason = ""
    why: str = ""


class Capacity(Struct, frozen=True, kw_only=True):
    """The whole document: between `passed` and `failed` lies the capacity, with `confidence`.

    Attributes:
        passed: highest rate (requests/s) that passed three times; null where none did.
        failed: lowest rate that failed; null where none did.
        end: why the search ended, from a closed set.
        why: the same in words.
        rate_limited_from: the lowest rate at which the server refused requests with 429 and the
            objectives were not kept; null where there is none.
        alone: median duration (s) of requests that were sent one at a time.
        cost: USD.
    """

    run: dict[str, Any]
    objectives: tuple[str, ...]
    passed: float | None
    failed: float | None
    confidence: float
    steps: tuple[CapacityStep, ...]
    end: CapacityEnd
    why: str
    rate_limited_from: float | None = None
    alone: float | None = None
    cost: str | None = None
    schema: str = CAPACITY_SCHEMA
