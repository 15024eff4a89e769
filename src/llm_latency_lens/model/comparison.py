"""The comparison document: two or more targets, asked the same in turn, and what can be said of them.

Base units and rules are those of the result document; ratios are B over A, so 1.10 is ten percent more.
"""

from typing import Any, Literal

from msgspec import Struct

from llm_latency_lens.model.result import (
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
    """One target: what it was asked for, and what came. `label` is A, B, ... in the order they were named."""

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

    `stat` is `location` (the Hodges-Lehmann ratio of pairs) or a percentile. The interval holds at the
    family's level (`confidence`); `p_value` is adjusted by Holm's method. `finding` says whether the arm
    has less or more of it, surely and by at least the margin; `pairs_wanted` about how many pairs would
    settle what is inconclusive. `needs` pairs are wanted where the quantity could not be looked at.
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
    finding: Finding = "inconclusive"
    pairs_wanted: int | None = None
    needs: int | None = None


class Comparison(Struct, frozen=True, kw_only=True):
    """The whole document.

    `noise_floor` is, by metric, the change that A shows against itself in 95 % of random pairings of its
    own neighbouring requests: nothing smaller can be seen with so many pairs.
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
    quality: Quality
    schema: str = COMPARISON_SCHEMA
