"""Q8: who counted the tokens, and is it known how many of them streamed?"""

from llm_latency_lens.metrics.checks.evidence import Evidence, graded
from llm_latency_lens.model.result import Check

_UNCOUNTED = ("chunks", "estimate")
_PER_STREAMED = ("tpot", "decode_speed", "tps_request")
_PER_TOKEN = (*_PER_STREAMED, "itl", "ntpot", "output_tokens", "throughput", "goodput", "cost")
_CHARACTERS = 4.0
"""Characters of a token of English text, about."""
_DOUBTS = {
    "streamed_tokens_unknown": (
        "reasoning was withheld and not counted, so TPOT is not known",
        "compare chars_per_second, or ask for an answer without reasoning",
    ),
    "streamed_tokens_estimated": (
        "only a part of the reasoning streamed; its tokens are estimated from its characters",
        "compare chars_per_second, or ask for an answer without reasoning",
    ),
    "hidden_steps": (
        "tokens were counted with empty deltas, so TPOT depends on whether they count",
        "turn the server's parser of reasoning or tools off",
    ),
}
"""Flags of records, with what they mean for TPOT and what to do."""


def counted(e: Evidence) -> Check | None:
    """Answers whose tokens the server did not count."""
    sources = e.summary.tokens().sources
    uncounted = sum(sources.get(name, 0) for name in _UNCOUNTED)
    if not uncounted:
        return None
    share = uncounted / sum(sources.values())
    characters = e.summary.characters_per_event
    size = ""
    if characters is not None:
        tokens = max(characters / _CHARACTERS, 1.0)
        size = f": an event carries {characters:.1f} characters, so about {tokens:.1f} tokens"
    return Check(
        id="Q8",
        name="token counts",
        verdict="WARN",
        value=share,
        unit="ratio",
        words=f"the server gave no token count for {share:.1%} of answers; stream events are counted"
        f" for tokens{size}",
        remedy="have the server send its usage; until then compare TTFT, end to end and"
        " chars_per_second",
        metrics=_PER_TOKEN,
    )


def streamed(e: Evidence) -> Check | None:
    """Answers of which it is not known exactly how many tokens streamed."""
    n = e.summary.outcomes["ok"]
    flags = {flag: e.summary.flags[flag] for flag in _DOUBTS if e.summary.flags[flag]}
    if not n or not flags:
        return None
    share = min(sum(flags.values()) / n, 1.0)
    verdict = graded(share, 0.01, 1.0)
    parts = [f"{count / n:.1%} of answers: {_DOUBTS[flag][0]}" for flag, count in flags.items()]
    return Check(
        id="Q8",
        name="streamed tokens",
        verdict=verdict,
        value=share,
        unit="ratio",
        words="; ".join(parts),
        remedy="; ".join(dict.fromkeys(_DOUBTS[flag][1] for flag in flags)),
        metrics=_PER_STREAMED if verdict != "VALID" else (),
    )
