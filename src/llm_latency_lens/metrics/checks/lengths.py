"""Q15: do answers have the length that was asked for?"""

from llm_latency_lens.metrics.checks.effect import shifts_of
from llm_latency_lens.metrics.checks.evidence import THROUGHPUT, Evidence
from llm_latency_lens.metrics.lengths import Deviations
from llm_latency_lens.model.result import Check
from llm_latency_lens.units import NS_PER_S, format_duration

_FEW = 0.01
"""A smaller share of answers moves no percentile below p99."""
_FOLLOWING = ("ntpot", "tps_request", THROUGHPUT)


def asked_length(e: Evidence) -> tuple[Check, ...]:
    """Answers that are longer or shorter than was asked for, and those that ended by themselves."""
    fold = e.summary.lengths
    found = [
        _deviation(e, "longer", fold.longer, "--max-tokens allowed"),
        _deviation(e, "shorter", fold.shorter, _asked_how(fixed=fold.fixed)),
        _ended(e),
    ]
    return tuple(check for check in found if check is not None)


def _asked_how(*, fixed: bool) -> str:
    if fixed:
        return "--ignore-eos or --min-tokens asked for"
    return "--max-tokens allowed, though the server says that they reached their limit"


def _deviation(e: Evidence, which: str, found: Deviations, asked_how: str) -> Check | None:
    share = found.count / e.summary.lengths.answers if found.count else 0.0
    if share <= _FEW:
        return None
    asked, got = found.asked / found.count, found.got / found.count
    moved = _seconds(e, abs(got - asked))
    effect = shifts_of(e, {"e2e": moved})
    by = f", which moves e2e by about {_time(moved)}" if effect.metrics else ""
    return Check(
        id="Q15",
        name=f"answers {which} than asked for",
        verdict="WARN",
        value=got / asked - 1.0,
        unit="ratio",
        words=f"{share:.0%} of answers are {which} than {asked_how}: {got:.4g} tokens on average"
        f" instead of {asked:.4g}{by}",
        remedy="compare TTFT and TPOT, or have the server give the length that is asked for",
        metrics=("e2e", *_FOLLOWING),
        bound=_seconds(e, float(found.largest)) or None,
    )


def _ended(e: Evidence) -> Check | None:
    """Answers that ended before their limit are as the model wanted them: told, not doubted."""
    fold = e.summary.lengths
    if not fold.ended.count:
        return None
    share = fold.ended.count / fold.answers
    asked, got = fold.ended.asked / fold.ended.count, fold.ended.got / fold.ended.count
    return Check(
        id="Q15",
        name="answers that ended by themselves",
        verdict="VALID",
        value=share,
        unit="ratio",
        words=f"{share:.0%} of answers ended before --max-tokens: {got:.4g} tokens on average of"
        f" {asked:.4g}; --ignore-eos fixes the length where the server can",
    )


def _seconds(e: Evidence, tokens: float) -> float:
    """How long so many tokens take, at the median TPOT."""
    tpot = e.metrics.get("tpot")
    return tokens * ((tpot.p50 if tpot else None) or 0.0)


def _time(seconds: float) -> str:
    return format_duration(seconds * NS_PER_S)
