"""Q15: were all these requests the same experiment? One model, no cache, no quota, answers of one kind."""

import numpy as np

from llm_latency_lens.metrics.checks.effect import shifts_of, without
from llm_latency_lens.metrics.checks.evidence import ANSWER, THROUGHPUT, Evidence, graded
from llm_latency_lens.model.result import Check
from llm_latency_lens.stats.series import trend
from llm_latency_lens.units import NS_PER_S, format_duration

_FEWEST = 100
_SURE = 0.999
_CACHED = 0.05


def cached(e: Evidence) -> Check | None:
    """Prompts made unlike each other came from a cache nevertheless."""
    share = e.summary.cached_share
    if not e.nonce or share is None or share <= _CACHED:
        return None
    from_cache = np.frombuffer(e.summary.cached_input.values, np.float64) > 0.0
    metrics: tuple[str, ...] = ("ttft", "ttfvt", "e2e")
    bound, moved = None, "by how much is not known, as every prompt was cached in part"
    if not from_cache.all():
        effect = without(e, from_cache)
        if effect.bound is None:
            return None
        metrics, bound = effect.metrics, effect.bound
        moved = f"without these requests percentiles move by up to {_time(bound)}"
    return Check(
        id="Q15",
        name="cached prompts",
        verdict="WARN",
        value=share,
        unit="ratio",
        words=f"{share:.0%} of input tokens came from the provider's cache, though every prompt begins with a"
        f" nonce: {moved}",
        remedy="the cached part lies behind the nonce: shorten what prompts share, or measure caching on purpose",
        metrics=metrics,
        bound=bound,
    )


def one_model(e: Evidence) -> Check | None:
    """Several models or fingerprints answered: do their times differ?"""
    kinds = e.summary.answerers
    if len(kinds) <= 1:
        return None
    shown = ", ".join(f"{name} ({count:,})" for name, count in kinds.most_common(3))
    words = f"the answers name {len(kinds)} models or fingerprints: {shown}"
    usual = kinds.most_common(1)[0][0]
    effect = without(e, np.array([name != usual for name in e.summary.answered_by], np.bool_))
    if effect.bound is None:
        return Check(
            id="Q15",
            name="changing model",
            verdict="VALID",
            value=float(len(kinds)),
            unit="models",
            words=f"{words}; their times do not differ measurably",
        )
    return Check(
        id="Q15",
        name="changing model",
        verdict="WARN",
        value=float(len(kinds)),
        unit="models",
        words=f"{words}; without all but the first, percentiles move by up to {_time(effect.bound)}",
        remedy="name a dated version of the model; judge each fingerprint by itself (analyze --where)",
        metrics=effect.metrics,
        bound=effect.bound,
    )


def quota(e: Evidence) -> Check | None:
    """Requests that were refused for their number."""
    limited = sum(
        f.count for (_, cause), f in e.summary.failures.items() if cause == "rate_limited"
    )
    planned = e.counts.planned
    share = limited / planned if planned else 0.0
    if share <= 0.01:
        return None
    return Check(
        id="Q15",
        name="rate limit",
        verdict=graded(share, 0.01, 0.05),
        value=share,
        unit="ratio",
        words=f"{share:.1%} of requests were refused by a rate limit: this measures the quota, not the model",
        remedy="offer less than the quota, or ask for a higher one",
        metrics=(*ANSWER, THROUGHPUT),
    )


def lengths(e: Evidence) -> Check | None:
    """Answers that became longer or shorter while the run went on."""
    series = e.summary.output_lengths.series(e.summary.order)
    found = trend(series, _SURE) if len(series) >= _FEWEST else None
    if found is None or abs(found.change) <= 0.1 or found.interval[0] <= 0.0 <= found.interval[1]:
        return None
    first, whole = (e.metrics.get(name) for name in ("ttft", "e2e"))
    begun = (first.p50 if first else None) or 0.0
    generating = max(((whole.p50 if whole else None) or 0.0) - begun, 0.0)
    effect = shifts_of(e, {"e2e": found.change * generating})
    if effect.bound is None:
        return None
    return Check(
        id="Q15",
        name="answer length",
        verdict="WARN",
        value=found.change,
        unit="ratio",
        words=f"answers changed by {found.change:+.0%} in length over the run, and e2e by about"
        f" {_time(effect.bound)} with them",
        remedy="fix their length (--max-tokens with --ignore-eos where the server allows it)",
        metrics=(*effect.metrics, "ntpot"),
        bound=effect.bound,
    )


def _time(seconds: float) -> str:
    return format_duration(seconds * NS_PER_S)
