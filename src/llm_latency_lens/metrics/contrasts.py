"""What pairs say: each metric of each target against the first, as one family of questions.

One question is primary and has the level to itself, shared among the targets; the others share
another 5 %. An interval that the family widens is what a finding rests on. Neighbouring pairs may
depend on each other: intervals and tests allow for it, and where the run is too short to know how
much, nothing is found.
"""

import math
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
from msgspec import Struct

from llm_latency_lens.metrics.bias import Bias
from llm_latency_lens.metrics.column import PERCENTILES, STEADY, bias_budget
from llm_latency_lens.metrics.pairs import COMPARED, Floats, Pairs
from llm_latency_lens.model.comparison import Contrast, Finding
from llm_latency_lens.stats.bootstrap import BLOCK, block_length
from llm_latency_lens.stats.compare import (
    Difference,
    holm,
    judge,
    paired_location,
    paired_quantile,
    pairs_wanted,
    sign_flip_permutation,
)
from llm_latency_lens.stats.dependence import (
    Autocorrelation,
    joint_tau,
    pair_tail_dependence,
    rank_autocorrelation,
)
from llm_latency_lens.stats.quantiles import minimum_samples, steady_range

_LEVEL = 0.05
_TAILED = ("ttft", "tpot", "e2e")
_TAIL = "p95"
_FEWEST = 6
_PAIRS_PER_TAU = 25
"""So many autocorrelation times the pairs must last; calibrated (tests/attack/calibrations.py)."""
_FEWEST_BLOCKS = 8
"""With fewer blocks a permutation of their signs reaches no level that decides."""
_SMALLEST = 1e-6
"""Where a bias could make a value vanish it is taken to be a microsecond."""
_FINDINGS: dict[str, Finding] = {
    "faster": "less",
    "slower": "more",
    "equivalent": "equivalent",
    "inconclusive": "inconclusive",
}

BiasOf = Callable[[str, str, int], Bias]
"""Of a metric, a statistic and the number of a target to its bias."""


class Question(Struct, frozen=True, kw_only=True):
    """What a comparison is to find out: primary metric and statistic, and the margin."""

    metric: str = "ttft"
    stat: str = "location"
    margin: float = 0.05


class _Sample(Struct, frozen=True, kw_only=True):
    """The pairs of one question, the biases of both sides, and the dependence between pairs."""

    a: Floats
    b: Floats
    biases: tuple[Bias, Bias]
    whole: Autocorrelation
    part: Autocorrelation
    seed: int


def contrasts(
    pairs: Pairs,
    labels: tuple[str, ...],
    question: Question,
    seed: int,
    bias_of: BiasOf = lambda metric, stat, arm: Bias(),  # noqa: ARG005 - nothing known is no bias
) -> tuple[Contrast, ...]:
    """Answer every question of every arm against the first, adjusted for there being so many."""
    asked = [
        (metric, stat, arm)
        for arm in range(1, len(labels))
        for metric, stat in _questions(question)
        if len(pairs.between(metric, 0, arm)[0])
    ]
    others = max(
        1, sum((metric, stat) != (question.metric, question.stat) for metric, stat, _ in asked)
    )
    answers = []
    for metric, stat, arm in asked:
        primary = (metric, stat) == (question.metric, question.stat)
        family = len(labels) - 1 if primary else others
        a, b = pairs.between(metric, 0, arm)
        biases = bias_of(metric, stat, 0), bias_of(metric, stat, arm)
        blank = Contrast(
            metric=metric,
            stat=stat,
            arm=labels[arm],
            primary=primary,
            pairs=len(a),
            confidence=1.0 - _LEVEL / family,
            invalid=any(bias.invalid for bias in biases),
        )
        answers.append(_answer(blank, _sample(blank, (a, b), biases, seed), question.margin))
    return _adjusted(answers)


def noise_floor(series: Floats, tau: float = 1.0) -> float | None:
    """Return how far a target's own neighbouring requests seem apart in 95 % of random pairings.

    Where `tau` pairs carry the information of one, neighbouring blocks of requests are paired. None
    with too few requests.
    """
    block = block_length(tau)
    count = len(series) // (2 * block)
    if count * block < _FEWEST * tau:
        return None
    halves = np.log(series[: 2 * count * block]).reshape(count, 2, block)
    apart = np.exp((halves[:, 1] - halves[:, 0]).ravel())
    found = paired_location(np.ones(len(apart)), apart, tau=tau)
    if found is None:
        return None
    low, high = found.interval
    return max(high / found.ratio, found.ratio / low) - 1.0


def noise_floors(pairs: Pairs, answers: tuple[Contrast, ...]) -> dict[str, float]:
    """Return the noise floor of the first target for every metric whose dependence is known."""
    floors = {}
    for metric in COMPARED:
        located = [one for one in answers if (one.metric, one.stat) == (metric, "location")]
        if located and all(one.interval is not None for one in located):
            floor = noise_floor(pairs.alone(metric, 0), max(one.tau for one in located))
            if floor is not None:
                floors[metric] = floor
    return floors


def _questions(question: Question) -> Iterator[tuple[str, str]]:
    yield question.metric, question.stat
    for metric in COMPARED:
        for stat in ("location", _TAIL) if metric in _TAILED else ("location",):
            if (metric, stat) != (question.metric, question.stat):
                yield metric, stat


def _sample(
    blank: Contrast, values: tuple[Floats, Floats], biases: tuple[Bias, Bias], seed: int
) -> _Sample:
    a, b = values
    # Differences below the bias budget do not count as dependence.
    median = float(np.median(a))
    grain = bias_budget(COMPARED[blank.metric].unit, median)
    whole = rank_autocorrelation(np.round((np.log(b) - np.log(a)) / math.log1p(grain / median)))
    part = whole
    p = PERCENTILES.get(blank.stat)
    if p is not None:
        part = pair_tail_dependence(np.round(a / grain), np.round(b / grain), p, whole)
    return _Sample(a=a, b=b, biases=biases, whole=whole, part=part, seed=seed)


def _answer(blank: Contrast, sample: _Sample, margin: float) -> Contrast:
    p = PERCENTILES.get(blank.stat)
    fewest = _FEWEST if p is None else minimum_samples(p)
    if blank.pairs < fewest:
        return msgspec.structs.replace(blank, needs=fewest)
    # The shortest runs leave a location few blocks; a tail asks for many, so for the upper limit.
    tau = joint_tau(sample.whole, sample.part, _PAIRS_PER_TAU, cautious=p is not None)
    if "strong" not in {sample.whole.evidence, sample.part.evidence}:
        # What may be chance costs precision, but never the answer.
        tau = min(tau, max(1.0, blank.pairs / max(fewest, _PAIRS_PER_TAU)))
    if blank.pairs >= fewest * tau:
        return _judged(msgspec.structs.replace(blank, tau=tau), sample, margin)
    reach = _steady_ratio(blank.metric, sample) if p is None else None
    if reach is None:
        return _withheld(blank, sample, fewest * tau)
    # Two servers as regular as clocks: as many blocks as a permutation needs to decide.
    tau = min(sample.whole.tau, blank.pairs / (BLOCK * _FEWEST_BLOCKS))
    return _judged(msgspec.structs.replace(blank, tau=max(1.0, tau)), sample, margin, reach)


def _steady_ratio(metric: str, sample: _Sample) -> tuple[float, float] | None:
    """How far apart the middle nine tenths of both sides lie; None where one side is not steady."""
    ranges = []
    for side in (sample.a, sample.b):
        budget = bias_budget(COMPARED[metric].unit, float(np.median(side)))
        ranges.append(steady_range(np.sort(side), STEADY * budget))
    first, second = ranges
    if first is None or second is None:
        return None
    return second[0] / first[1], second[1] / first[0]


def _withheld(blank: Contrast, sample: _Sample, fewest: float) -> Contrast:
    """The value without an interval: too few of the pairs are independent."""
    sides = sample.whole, sample.part
    needs = max(one.wanted(_PAIRS_PER_TAU) for one in sides)
    if not math.isinf(fewest):
        needs = max(needs, math.ceil(fewest))
    p = PERCENTILES.get(blank.stat)
    if p is None:
        ratio = math.exp(float(np.median(np.log(sample.b) - np.log(sample.a))))
    else:
        ratio = float(np.quantile(sample.b, p) / np.quantile(sample.a, p))
    return msgspec.structs.replace(
        blank,
        ratio=ratio,
        tau=max(one.tau for one in sides),
        needs=needs,
        pairs_wanted=needs,
        reason=_reason(sample),
    )


def _judged(
    blank: Contrast,
    sample: _Sample,
    margin: float,
    reach: tuple[float, float] = (math.inf, 0.0),
) -> Contrast:
    """The answer by the interval, which is at least as wide as `reach`, and by permutation."""
    plain, p_value = _difference(blank, sample, (0.0, 0.0))
    if plain is None:
        return blank
    low, high = plain.interval
    plain = msgspec.structs.replace(plain, interval=(min(low, reach[0]), max(high, reach[1])))
    found, p_value = _widened(blank, sample, plain, p_value)
    sure = p_value <= 1.0 - blank.confidence
    finding = _finding(found, margin, sure=sure)
    reason, wanted = _reason(sample), None
    if reason:
        finding = "inconclusive"
    elif finding == "inconclusive" and (
        found is plain or _finding(plain, margin, sure=True) == "inconclusive"
    ):
        wanted = pairs_wanted(plain, margin)
    return msgspec.structs.replace(
        blank,
        ratio=found.ratio,
        interval=found.interval,
        p_value=p_value,
        bias=max(max(bias.below, bias.above) for bias in sample.biases),
        finding=finding,
        reason=reason,
        pairs_wanted=wanted,
    )


def _finding(found: Difference, margin: float, *, sure: bool) -> Finding:
    """The judgement by interval, which a permutation test must bear out."""
    finding = _FINDINGS[judge(found, margin)]
    return finding if sure or finding == "equivalent" else "inconclusive"


def _reason(sample: _Sample) -> str:
    return "; ".join(dict.fromkeys(bias.reason for bias in sample.biases if bias.reason))


def _widened(
    blank: Contrast, sample: _Sample, plain: Difference, p_value: float
) -> tuple[Difference, float]:
    """The difference with an interval that holds whatever the known biases are, and its p-value."""
    first, second = sample.biases
    if not any((first.below, first.above, second.below, second.above)):
        return plain, p_value
    lowest, p_low = _difference(blank, sample, (first.above, -second.below))
    highest, p_high = _difference(blank, sample, (-first.below, second.above))
    if lowest is None or highest is None:
        return plain, 1.0
    p_value = p_low if lowest.ratio > 1.0 else p_high if highest.ratio < 1.0 else 1.0
    ends = min(lowest.interval[0], plain.interval[0]), max(highest.interval[1], plain.interval[1])
    return msgspec.structs.replace(plain, interval=ends), p_value


def _difference(
    blank: Contrast, sample: _Sample, shifts: tuple[float, float]
) -> tuple[Difference | None, float]:
    """The difference of the values, each side shifted by a bias, and its p-value."""
    a, b = (
        np.maximum(side + shift, _SMALLEST) if shift else side
        for side, shift in zip((sample.a, sample.b), shifts, strict=True)
    )
    p = PERCENTILES.get(blank.stat)
    if p is None:
        tau = blank.tau
        if sample.whole.evidence == "strong":
            tau = max(tau, sample.whole.student_tau(blank.confidence))
        found = paired_location(a, b, blank.confidence, tau)
        logs = np.log(b) - np.log(a)
        return found, sign_flip_permutation(logs, seed=sample.seed, tau=blank.tau)
    found = paired_quantile(a, b, p, seed=sample.seed, tau=blank.tau, confidence=blank.confidence)
    return found, found.p_value if found is not None and found.p_value is not None else 1.0


def _adjusted(answers: list[Contrast]) -> tuple[Contrast, ...]:
    """Holm's p-values, the primary questions as a family of their own."""
    adjusted: dict[str, float] = {}
    for primary in (True, False):
        known = {
            str(i): one.p_value
            for i, one in enumerate(answers)
            if one.primary is primary and one.p_value is not None
        }
        adjusted |= holm(known)
    return tuple(
        msgspec.structs.replace(one, p_value=adjusted.get(str(i))) for i, one in enumerate(answers)
    )
