"""The document of a search for capacity, built from what its steps found."""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from llm_latency_lens.capacity.ending import Ending, out_of_time
from llm_latency_lens.capacity.explanation import Explanation, objective_values
from llm_latency_lens.metrics.objective_judge import ObjectiveJudge
from llm_latency_lens.model.capacity import Capacity, CapacityStep
from llm_latency_lens.model.result import Result
from llm_latency_lens.profiler import Benchmark
from llm_latency_lens.stats.capacity import Bracket, SearchEnd
from llm_latency_lens.units import format_rate


class Outlook(Struct, frozen=True, kw_only=True):
    """What a search knows beside its bracket; as in the document, with the search's own limits."""

    objectives: tuple[str, ...]
    alone: float | None
    rate_limited_from: float | None
    spent: Decimal
    most: float
    time_limit: float


def build_step(
    rate: float, judge: ObjectiveJudge, explanation: Explanation, result: Result, *, again: bool
) -> CapacityStep:
    """One step's entry."""

    def percentile(metric: str, name: str) -> Any:  # noqa: ANN401 - a float or None
        distribution = result.metrics.get(metric)
        return getattr(distribution, name) if distribution is not None else None

    return CapacityStep(
        rate=rate,
        judgement=explanation.judgement,
        requests=judge.seen,
        again=again,
        ttft_p50=percentile("ttft", "p50"),
        ttft_p95=percentile("ttft", "p95"),
        tpot_p50=percentile("tpot", "p50"),
        ok=result.outcomes["ok"],
        objectives=objective_values(judge),
        reason=explanation.reason,
        why=explanation.why,
    )


def build_capacity(
    first: Benchmark,
    bracket: Bracket,
    steps: tuple[CapacityStep, ...],
    ending: Ending | None,
    outlook: Outlook,
) -> Capacity:
    """The whole document."""
    end, why = ending or _natural(bracket.end, outlook, steps)
    return Capacity(
        run=msgspec.to_builtins(first.header),
        objectives=outlook.objectives,
        passed=bracket.passed,
        failed=bracket.failed,
        confidence=bracket.confidence,
        steps=steps,
        end=end,
        why=why,
        rate_limited_from=outlook.rate_limited_from,
        alone=outlook.alone,
        cost=str(outlook.spent) if outlook.spent else None,
    )


def _natural(end: SearchEnd, outlook: Outlook, steps: tuple[CapacityStep, ...]) -> Ending:
    """The words for an end to which the search came by itself."""
    if end == "settled":
        return out_of_time(outlook.time_limit)
    lowest = min((step.rate for step in steps), default=0.0)
    if end == "bracketed":
        return Ending("bracketed", "the ends of the bracket are as close as was asked for")
    if end == "highest":
        return Ending(
            "highest", f"the highest rate allowed (--max-rate {format_rate(outlook.most)}) passed"
        )
    if end == "lowest":
        return Ending("lowest", f"not even {format_rate(lowest)} passed")
    why = f"stopped after {len(steps)} steps: the same rates were judged differently over time"
    return Ending("steps", why)
