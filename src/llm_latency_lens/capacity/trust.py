"""Whether the answers allow a judgement on the metrics of the objectives.

A rate can't cure what is wrong with the answers: a stream that arrives whole has no TTFT, whatever
the load.
"""

from collections.abc import Collection, Iterable

import msgspec
from msgspec import Struct

from llm_latency_lens.capacity.explanation import Explanation
from llm_latency_lens.metrics.objective import Objective
from llm_latency_lens.metrics.objective_judge import View
from llm_latency_lens.model.result import Check

_ANSWERS = "Q8"
"""The checks of the answers themselves."""
_UNCOUNTED = "token counts"
"""Events counted for tokens make a time per token too long, never too short: what passes passes."""


class Distrust(Struct, frozen=True, kw_only=True):
    """What makes an objective's metric INVALID.

    Attributes:
        objective: the one whose metric it is.
        words: what was found, and what helps.
        passes: whether the objective is proven where it seems to be kept.
    """

    objective: Objective
    words: str
    passes: bool


def distrusted(checks: Iterable[Check], objectives: tuple[Objective, ...]) -> tuple[Distrust, ...]:
    """Return what these answers make of objectives that can't be judged by them."""
    blamed = [check for check in checks if check.id == _ANSWERS and check.verdict == "INVALID"]
    return tuple(
        Distrust(
            objective=objective,
            words=f"{objective.metric.name} is not to be used: {check.words}; {check.remedy}",
            passes=check.name == _UNCOUNTED,
        )
        for objective in objectives
        for check in blamed
        if {objective.metric.name, "*"} & set(check.metrics)
    )


def blocking(found: Iterable[Distrust], failed: Collection[Objective]) -> Distrust | None:
    """Return what forbids a judgement by objectives of which `failed` seem to be missed.

    A failure stands where an objective fails that can be judged.
    """
    doubts = tuple(found)
    if set(failed) - {doubt.objective for doubt in doubts}:
        return None
    return next((d for d in doubts if not d.passes or d.objective in failed), None)


def with_distrust(
    explanation: Explanation, views: Iterable[View], found: Iterable[Distrust]
) -> Explanation:
    """Return the explanation, undecided where the judgement rests on what is not to be used."""
    failed = [view.objective for view in views if view.judgement == "fail"]
    if explanation.judgement == "undecided" or (explanation.judgement == "fail" and not failed):
        return explanation
    doubt = blocking(found, failed)
    if doubt is None:
        return explanation
    return msgspec.structs.replace(
        explanation, judgement="undecided", reason="untrusted", why=doubt.words
    )
