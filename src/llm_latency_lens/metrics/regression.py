"""Regressions against a baseline, such as `ttft.p95<+10%`: is it worse by more than is allowed?

A change is a ratio (or a difference in percentage points) with an interval made of both results' own.
Only a change whose whole interval keeps the allowance passes, only one whose whole interval breaks it
fails. Results of different experiments are not compared.
"""

import math
import re
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.threshold import (
    Estimate,
    State,
    check_quantity,
    ends_of,
    estimate,
    unit_of,
    wanting,
)
from llm_latency_lens.model.comparison import Comparison
from llm_latency_lens.model.result import Result

_ALLOWANCE = re.compile(r"\s*([a-z_0-9.]+)\s*(<=|<|>=|>)\s*([+-]\d+(?:\.\d+)?)\s*(%|pp)\s*")
_LEVEL = 0.05


class Allowance(Struct, frozen=True, kw_only=True):
    """A quantity, which side is allowed, and by how much: a share, or percentage points of a ratio."""

    text: str
    quantity: str
    below: bool
    limit: float
    points: bool


class RegressionVerdict(Struct, frozen=True, kw_only=True):
    """What became of an allowance: the change (0.1 is +10 %, or ten points) and its interval."""

    text: str
    state: State
    baseline: float | None
    value: float | None
    change: float | None
    interval: tuple[float, float] | None
    unit: str
    words: str
    trusted: bool = True


def parse_allowances(text: str) -> tuple[Allowance, ...]:
    """Parse `ttft.p95<+10%,success_rate>-0.5pp`; a metric without a statistic is for comparisons.

    Raises:
        UsageError: not an allowance, or an unknown quantity (with the nearest name).
    """
    found = tuple(_parse(part) for part in text.split(",") if part.strip())
    if not found:
        raise UsageError("no allowance: write it like ttft.p95<+10%")
    return found


def judge_regression(
    allowance: Allowance, result: Result, baseline: Result, family: int
) -> RegressionVerdict:
    """Hold a result to an allowance over the baseline; `family` allowances share the level."""
    before, after = estimate(allowance.quantity, baseline), estimate(allowance.quantity, result)
    ends, words = None, ""
    if "INVALID" in {before.verdict, after.verdict}:
        words = "an invalid measurement is not compared: see the report"
    else:
        ends, words = _change(allowance, before, after, _wider(family))
    return _verdict(allowance, (before.value, after.value), ends, words)


def judge_contrast(allowance: Allowance, comparison: Comparison) -> RegressionVerdict:
    """Hold an interleaved comparison's last target to an allowance over its first."""
    metric, _, stat = allowance.quantity.partition(".")
    label = comparison.arms[-1].label
    for one in comparison.contrasts:
        if (one.metric, one.stat, one.arm) == (metric, stat or "location", label):
            break
    else:
        known = sorted(
            {f"{c.metric}.{c.stat}".removesuffix(".location") for c in comparison.contrasts}
        )
        raise UsageError(f"{allowance.text!r}: the comparison has {', '.join(known)}")
    if comparison.verdict == "INVALID":
        return _verdict(
            allowance, (None, None), None, "an invalid measurement is not compared: see the report"
        )
    if one.ratio is None or one.interval is None:
        return _verdict(
            allowance, (None, None), None, f"needs {(one.needs or 0) - one.pairs:,} more pairs"
        )
    ends = (one.ratio - 1.0, one.interval[0] - 1.0, one.interval[1] - 1.0)
    return _verdict(allowance, (None, None), ends, "")


def differences(result: Result, baseline: Result) -> tuple[str, ...]:
    """What makes them different experiments, in words; empty where they may be compared."""
    pairs = ((what, of(result.run["spec"]), of(baseline.run["spec"])) for what, of in _ALIKE)
    return tuple(
        f"{what}: {now!r}, in the baseline {then!r}" for what, now, then in pairs if now != then
    )


def _parse(text: str) -> Allowance:
    match = _ALLOWANCE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text.strip()!r} is not an allowance; write it like ttft.p95<+10%")
    name, sign, amount, kind = match.groups()
    quantity = name if name in _LOCATED else check_quantity(name, text.strip())
    points = kind == "pp"
    if points and unit_of(quantity) != "ratio":
        raise UsageError(f"{text.strip()!r}: percentage points are for rates, such as success_rate")
    return Allowance(
        text=text.strip(), quantity=quantity, below=sign[0] == "<", limit=float(amount) / 100.0, points=points
    )  # fmt: skip


_LOCATED = frozenset({"ttft", "tpot", "e2e", "cost", "output_tokens"})
"""What a comparison of pairs knows without a statistic."""


def _change(
    allowance: Allowance, before: Estimate, after: Estimate, wider: float
) -> tuple[tuple[float, float, float] | None, str]:
    """The change and its ends; None with the reason."""
    old, new = ends_of(before), ends_of(after)
    for found, ends, whose in ((after, new, "the run"), (before, old, "the baseline")):
        if ends is None or found.value is None:
            return None, f"{whose} has no interval of it{wanting(found)}"
    if before.value is None or after.value is None or old is None or new is None:
        return None, "unknown"
    if allowance.points:
        rise = math.hypot(new[1] - after.value, before.value - old[0]) * wider
        fall = math.hypot(after.value - new[0], old[1] - before.value) * wider
        change = after.value - before.value
        return (change, change - fall, change + rise), ""
    if min(old[0], new[0]) <= 0.0:
        return None, "a ratio needs values above 0"
    log = math.log(after.value / before.value)
    rise = math.hypot(math.log(new[1] / after.value), math.log(before.value / old[0])) * wider
    fall = math.hypot(math.log(after.value / new[0]), math.log(old[1] / before.value)) * wider
    return (math.expm1(log), math.expm1(log - fall), math.expm1(log + rise)), ""


def _verdict(
    allowance: Allowance,
    values: tuple[float | None, float | None],
    ends: tuple[float, float, float] | None,
    words: str,
) -> RegressionVerdict:
    state: State = "NO VERDICT"
    if ends is not None:
        state, words = _judged(allowance, ends)
    unit = "" if allowance.quantity in _LOCATED else unit_of(allowance.quantity)
    return RegressionVerdict(
        text=allowance.text,
        state=state,
        baseline=values[0],
        value=values[1],
        change=ends[0] if ends else None,
        interval=ends[1:] if ends else None,
        unit=unit,
        words=words,
        trusted=not words.startswith("an invalid"),
    )


def _judged(allowance: Allowance, ends: tuple[float, float, float]) -> tuple[State, str]:
    change, low, high = ends
    limit = allowance.limit
    good = [end < limit if allowance.below else end > limit for end in (low, high)]
    if all(good):
        return "PASS", ""
    if not any(good):
        return "FAIL", "the whole interval is beyond what is allowed"
    distance, half = abs(change - limit), (high - low) / 2.0
    times = math.ceil((half / distance) ** 2) if distance else 0
    more = f": about {times:,} times the requests would settle it" if 1 < times < 10_000 else ""
    return "NO VERDICT", f"what is allowed lies inside the interval{more}"


def _wider(family: int) -> float:
    """By how much 95 % intervals grow where several allowances share the level."""
    normal = NormalDist()
    return normal.inv_cdf(1.0 - _LEVEL / (2.0 * family)) / normal.inv_cdf(1.0 - _LEVEL / 2.0)


def _at(*keys: str | int) -> Callable[[dict[str, Any]], Any]:
    def of(spec: Any) -> Any:  # noqa: ANN401 - a part of a document
        for key in keys:
            spec = spec[key] if isinstance(key, int) or key in spec else None
            if spec is None:
                return None
        return spec

    return of


_ALIKE: tuple[tuple[str, Callable[[dict[str, Any]], Any]], ...] = (
    ("prompts", _at("workload", "conversations", "sha256")),
    ("max_tokens", _at("workload", "wish", "max_tokens")),
    ("stream", _at("workload", "wish", "stream")),
    ("nonce", _at("workload", "nonce")),
    ("load", _at("plan", "phases", -1, "arrival", "kind")),
    ("rate", _at("plan", "phases", -1, "arrival", "rate")),
    ("concurrency", _at("plan", "phases", -1, "arrival", "concurrency")),
    ("dialect", _at("dialect")),
)
"""What two runs must have in common."""
