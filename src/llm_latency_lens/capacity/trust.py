"""Whether the answers allow a judgement on the metrics of the objectives.

A rate can't cure what is wrong with the answers: a stream that arrives whole has no TTFT, whatever
the load.
"""

import msgspec
from msgspec import Struct

from llm_latency_lens.capacity.explanation import Explanation
from llm_latency_lens.metrics.objective import Objective
from llm_latency_lens.model.result import Check

_ANSWERS = "Q8"
"""The checks of the answers themselves."""
_UNCOUNTED = "token counts"
"""Events counted for tokens make a time per token too long, never too short: what passes passes."""


class Distrust(Struct, frozen=True, kw_only=True):
    """What makes an objective's metric INVALID.

    Attributes:
        objective: the first whose metric is.
        words: what was found, and what helps.
        passes: whether an objective that is kept is kept all the same.
    """

    objective: Objective
    words: str
    passes: bool


def distrust(checks: tuple[Check, ...], objectives: tuple[Objective, ...]) -> Distrust | None:
    """Return why an objective can't be judged by these answers; None where all can."""
    found = [
        Distrust(
            objective=objective,
            words=f"{objective.metric.name} is not to be used: {check.words}; {check.remedy}",
            passes=check.name == _UNCOUNTED,
        )
        for objective in objectives
        for check in checks
        if check.id == _ANSWERS
        and check.verdict == "INVALID"
        and {objective.metric.name, "*"} & set(check.metrics)
    ]
    return min(found, key=lambda each: each.passes, default=None)


def with_distrust(explanation: Explanation, found: Distrust | None) -> Explanation:
    """Return the explanation, undecided where the judgement rests on what is not to be used."""
    kept = found is not None and found.passes and explanation.judgement == "pass"
    if found is None or kept or explanation.judgement == "undecided":
        return explanation
    return msgspec.structs.replace(
        explanation, judgement="undecided", reason="untrusted", why=found.words
    )
