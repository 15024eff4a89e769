"""Q15: were all these requests the same experiment? One model, no cache, no quota, answers of one kind."""

from llm_latency_lens.metrics.checks.evidence import SPEED, Evidence, graded
from llm_latency_lens.model.result import Check
from llm_latency_lens.stats.series import trend

_FEWEST = 100


def cached(e: Evidence) -> Check | None:
    """Prompts made unlike each other came from a cache nevertheless."""
    share = e.summary.cached_share
    if not e.nonce or share is None or share <= 0.05:
        return None
    return Check(
        id="Q15", name="cached prompts", verdict="WARN", value=share, unit="ratio",
        words=f"{share:.0%} of input tokens came from the provider's cache, though every prompt begins with a nonce",
        remedy="the cached part lies behind the nonce: shorten what prompts share, or measure caching on purpose",
        metrics=("ttft", "ttfvt", "e2e"),
    )  # fmt: skip


def one_model(e: Evidence) -> Check | None:
    """The server's own words for what answered changed."""
    kinds = e.summary.answerers
    if len(kinds) <= 1:
        return None
    shown = ", ".join(f"{name} ({count:,})" for name, count in kinds.most_common(3))
    return Check(
        id="Q15", name="changing model", verdict="WARN", value=float(len(kinds)), unit="models",
        words=f"the answers name {len(kinds)} models or fingerprints: {shown}",
        remedy="name a dated version of the model; judge each fingerprint by itself (analyze --where)",
        metrics=SPEED,
    )  # fmt: skip


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
        id="Q15", name="rate limit", verdict=graded(share, 0.01, 0.05), value=share, unit="ratio",
        words=f"{share:.1%} of requests were refused by a rate limit: this measures the quota, not the model",
        remedy="offer less than the quota, or ask for a higher one", metrics=SPEED,
    )  # fmt: skip


def lengths(e: Evidence) -> Check | None:
    """Answers that became longer or shorter while the run went on."""
    series = e.summary.output_lengths.series(e.summary.order)
    found = trend(series, 0.999) if len(series) >= _FEWEST else None
    if found is None or abs(found.change) <= 0.1 or found.interval[0] <= 0.0 <= found.interval[1]:
        return None
    return Check(
        id="Q15", name="answer length", verdict="WARN", value=found.change, unit="ratio",
        words=f"answers changed by {found.change:+.0%} in length over the run",
        remedy="fix their length (--max-tokens with --ignore-eos where the server allows it)",
        metrics=("e2e", "tps_request", "ntpot"),
    )  # fmt: skip
