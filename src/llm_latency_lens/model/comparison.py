"""The comparison document: two or more targets, asked the same in turn, and what was found.

Base units and rules are those of the result document; ratios are B over A, so 1.10 is ten percent
more.
"""

from typing import Any, Literal

from msgspec import Struct

from llm_latency_lens.model.result import (
    Abort,
    Check,
    Cost,
    Distribution,
    Failure,
    Goodput,
    Offered,
    Quality,
    Tokens,
    Verdict,
)

COMPARISON_SCHEMA = "llm-latency-lens/comparison/1"

Finding = Literal["less", "more", "equivalent", "inconclusive"]


class ArmResult(Struct, frozen=True, kw_only=True):
    """One target: what was asked and what came; `label` is A, B, ... in the order of naming."""

    label: str
    target: str
    base_url: str
    verdict: Verdict
    outcomes: dict[str, int]
    failures: tuple[Failure, ...]
    metrics: dict[str, Distribution]
    tokens: Tokens
    goodput: Goodput | None
    cost: Cost | None
    checks: tuple[Check, ...]


class Contrast(Struct, frozen=True, kw_only=True):
    """One quantity of `arm` against A.

    Attributes:
        metric: its name; a key of the targets' metrics, or `cost`, `output_tokens`.
        stat: `location` (the Hodges-Lehmann ratio of pairs) or a percentile.
        arm: the label of the target that is compared with A.
        primary: whether it is the question asked first, which has a level of its own.
        pairs: how many rounds have a value of both.
        ratio: arm over A; 1.10 is ten percent more.
        interval: of the ratio, at the level `confidence` of the family; null where too few pairs
            are independent. Known biases are in it.
        p_value: of equal quantities, by permutation, adjusted by Holm's method.
        tau: how many neighbouring pairs carry the information of one independent pair.
        invalid: whether a check found the quantity INVALID for either target.
        bias: the most by which known biases can move a value of either target (s); 0 where none is
            known.
        finding: whether the arm has less or more of it, surely and by at least the margin.
        reason: why nothing is found, where that has another cause than the number of pairs.
        pairs_wanted: about how many pairs would settle what is inconclusive.
        needs: how many pairs it takes to look at the quantity at all, where there are fewer.
    """

    metric: str
    stat: str
    arm: str
    primary: bool
    pairs: int
    ratio: float | None = None
    interval: tuple[float, float] | None = None
    confidence: float
    p_value: float | None = None
    tau: float = 1.0
    invalid: bool = False
    bias: float = 0.0
    finding: Finding = "inconclusive"
    reason: str = ""
    pairs_wanted: int | None = None
    needs: int | None = None


class Comparison(Struct, frozen=True, kw_only=True):
    """The whole document.

    `noise_floor` is, by metric, the change that A shows against itself in 95 % of random pairings
    of its own neighbouring requests (of blocks of them where pairs depend on each other): nothing
    smaller can be seen with so many pairs. `caveats` says in words what the targets' numbers do not
    have in common; `abort` why the run was ended before its time, where it was.
    """

    run: dict[str, Any]
    verdict: Verdict
    finding: Finding
    primary: str
    margin: float
    offered: Offered
    arms: tuple[ArmResult, ...]
    contrasts: tuple[Contrast, ...]
    noise_floor: dict[str, float]
    caveats: tuple[str, ...] = ()
    abort: Abort | None = None
    quality: Quality
    schema: str = COMPARISON_SCHEMA
