"""What pairs say: each metric of each target against the first, as one family of questions.

One question is primary and has the level to itself, shared among the targets; the others share another
5 %. An interval that the family widens is what a finding rests on.
"""

import math
from collections.abc import Iterator

import msgspec
import numpy as np
from msgspec import Struct

from llm_latency_lens.metrics.column import PERCENTILES
from llm_latency_lens.metrics.pairs import COMPARED, Floats, Pairs
from llm_latency_lens.model.comparison import Contrast, Finding
from llm_latency_lens.stats.compare import (
    Difference,
    holm,
    judge,
    paired_location,
    paired_quantile,
    pairs_wanted,
    sign_flip_permutation,
)
from llm_latency_lens.stats.quantiles import minimum_samples

_LEVEL = 0.05
_TAILED = ("ttft", "tpot", "e2e")
_TAIL = "p95"
_FEWEST = 6
_SPLITS = 400
_WORDS: dict[str, Finding] = {
    "faster": "less",
    "slower": "more",
    "equivalent": "equivalent",
    "inconclusive": "inconclusive",
}


class Question(Struct, frozen=True, kw_only=True):
    """What a comparison is to find out: the primary metric and statistic, and the margin that matters."""

    metric: str = "ttft"
    stat: str = "location"
    margin: float = 0.05


def contrasts(
    pairs: Pairs, labels: tuple[str, ...], question: Question, seed: int
) -> tuple[Contrast, ...]:
    """Every question of every arm against the first, adjusted for there being so many."""
    asked = [
        (metric, stat, arm)
        for arm in range(1, len(labels))
        for metric, stat in _questions(question)
        if len(pairs.between(metric, 0, arm)[0])
    ]
    others = max(
        1, sum((metric, stat) != (question.metric, question.stat) for metric, stat, _ in asked)
    )
    found = []
    for metric, stat, arm in asked:
        primary = (metric, stat) == (question.metric, question.stat)
        family = len(labels) - 1 if primary else others
        blank = Contrast(
            metric=metric, stat=stat, arm=labels[arm], primary=primary, pairs=0, confidence=1.0 - _LEVEL / family
        )  # fmt: skip
        found.append(_answered(blank, pairs.between(metric, 0, arm), question.margin, seed))
    return _adjusted(found)


def noise_floor(series: Floats, seed: int) -> float | None:
    """How far a target's own neighbouring requests, paired at random, seem apart in 95 % of pairings."""
    half = len(series) // 2
    if half < _FEWEST:
        return None
    logs = np.log(series[: 2 * half].reshape(half, 2))
    differences = logs[:, 1] - logs[:, 0]
    rng = np.random.Generator(np.random.PCG64(seed))
    signs = rng.choice(np.array([-1.0, 1.0]), (_SPLITS, half))
    apart = np.abs([_middle(row * differences) for row in signs])
    return math.expm1(float(np.quantile(apart, 1.0 - _LEVEL)))


def _middle(logs: Floats) -> float:
    found = paired_location(np.ones(len(logs)), np.exp(logs))
    return math.log(found.ratio) if found is not None else math.inf


def _questions(question: Question) -> Iterator[tuple[str, str]]:
    yield question.metric, question.stat
    for metric in COMPARED:
        for stat in ("location", _TAIL) if metric in _TAILED else ("location",):
            if (metric, stat) != (question.metric, question.stat):
                yield metric, stat


def _answered(blank: Contrast, values: tuple[Floats, Floats], margin: float, seed: int) -> Contrast:
    a, b = values
    blank = msgspec.structs.replace(blank, pairs=len(a))
    p = PERCENTILES.get(blank.stat)
    fewest = _FEWEST if p is None else minimum_samples(p)
    if len(a) < fewest:
        return msgspec.structs.replace(blank, needs=fewest)
    found: Difference | None
    if p is None:
        found = paired_location(a, b, blank.confidence)
        p_value = sign_flip_permutation(np.log(b) - np.log(a), seed=seed)
    else:
        found = paired_quantile(a, b, p, seed=seed, confidence=blank.confidence)
        p_value = found.p_value if found is not None and found.p_value is not None else 1.0
    if found is None:
        return blank
    finding = _WORDS[judge(found, margin)]
    if finding in {"less", "more"} and p_value > 1.0 - blank.confidence:
        # Interval and permutation disagree: not sure enough.
        finding = "inconclusive"
    return msgspec.structs.replace(
        blank,
        ratio=found.ratio,
        interval=found.interval,
        p_value=p_value,
        finding=finding,
        pairs_wanted=pairs_wanted(found, margin) if finding == "inconclusive" else None,
    )


def _adjusted(found: list[Contrast]) -> tuple[Contrast, ...]:
    """Holm's p-values, the primary questions as a family of their own."""
    adjusted: dict[str, float] = {}
    for primary in (True, False):
        known = {
            str(i): one.p_value
            for i, one in enumerate(found)
            if one.primary is primary and one.p_value is not None
        }
        adjusted |= holm(known)
    return tuple(
        msgspec.structs.replace(one, p_value=adjusted.get(str(i))) for i, one in enumerate(found)
    )
