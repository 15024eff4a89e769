"""Q8: who counted the tokens, and is it known how many of them streamed?"""

from llm_latency_lens.metrics.checks.arrivals import Cause, doubted
from llm_latency_lens.metrics.checks.evidence import Evidence, graded, worst
from llm_latency_lens.metrics.definitions import COUNTS, UNCOUNTED, resting_on
from llm_latency_lens.model.result import Check, Verdict
from llm_latency_lens.units import NS_PER_S, format_duration

_COUNTED = resting_on(*COUNTS)
_STREAMED = resting_on("tokens.streamed")
_HIDDEN = 0.01
"""A smaller share of hidden tokens is within the bias budget."""
_MANY = 0.05
"""A larger share of answers moves percentiles that are judged."""
_SEVERAL = 2.0
"""Where an event surely holds several tokens, what takes it for one is wrong by more than it bears."""
_CHARACTERS = 4.0
"""Characters of a token of English text, about."""
_DOUBTS = {
    "streamed_tokens_unknown": (
        "reasoning was withheld and not counted, so TPOT is not known",
        "compare chars_per_second, or ask for an answer without reasoning",
    ),
    "streamed_tokens_estimated": (
        "not all counted tokens can have streamed: how many did is estimated, TPOT may be left out",
        "compare chars_per_second, or ask for an answer without reasoning",
    ),
    "hidden_steps": (
        "tokens were counted with empty deltas: they stayed hidden, or came with the next delta",
        "turn the server's parser of reasoning or tools off",
    ),
    "several_choices": (
        "several choices were generated, so TPOT, decode speed and ITL of one are not known",
        "ask for one choice (n = 1); TTFT, throughput and tps_request hold for all together",
    ),
}
"""Flags of records, with what they mean for TPOT and what to do."""


def counted(e: Evidence) -> Check | None:
    """Answers whose tokens the server did not count."""
    sources = e.summary.tokens().sources
    uncounted = sum(sources.get(name, 0) for name in UNCOUNTED)
    if not uncounted:
        return None
    share = uncounted / sum(sources.values())
    characters, size = e.summary.characters_per_event, ""
    verdict: Verdict = "WARN"
    if characters is not None:
        tokens = max(characters / _CHARACTERS, 1.0)
        size = f": an event carries {characters:.1f} characters, so about {tokens:.1f} tokens"
        if tokens >= _SEVERAL and share > _MANY:
            verdict = "INVALID"
    return Check(
        id="Q8",
        name="token counts",
        verdict=verdict,
        value=share,
        unit="ratio",
        words=f"the server gave no token count for {share:.1%} of answers; stream events are counted"
        f" for tokens{size}",
        remedy="have the server send its usage; until then compare TTFT, end to end and"
        " chars_per_second",
        metrics=_COUNTED,
        size="unknown" if share > _MANY else "bound",
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
        metrics=_STREAMED if verdict != "VALID" else (),
    )


def ranged(e: Evidence) -> Check | None:
    """TPOT where it is not known exactly how many tokens came after the first read."""
    found = doubted(e, Cause.COUNT)
    if not found:
        return None
    name, doubt = max(found.items(), key=lambda item: item[1].width)
    return Check(
        id="Q8",
        name="tokens after the first read",
        verdict=worst([each.verdict for each in found.values()]),
        value=doubt.width,
        unit="s",
        words=f"how many tokens streamed after those of the first read is not known exactly:"
        f" {name} {doubt.percentile} is only known within"
        f" {format_duration(doubt.width * NS_PER_S)}",
        remedy="have the server send one token an event, or its token count with each event"
        " (vLLM, SGLang: stream_options.continuous_usage_stats), or ask for longer answers",
        metrics=_STREAMED,
        bound=doubt.width,
        size="in_bounds",
    )


def hidden(e: Evidence) -> Check | None:
    """Output tokens that did not stream: some metrics count them, others do not."""
    share = e.summary.hidden_share
    if share <= _HIDDEN:
        return None
    return Check(
        id="Q8",
        name="generated and streamed tokens",
        verdict="VALID",
        value=share,
        unit="ratio",
        words=f"{share:.1%} of the output tokens did not stream: throughput, tps_request and ntpot"
        " count them, TPOT and decode speed do not",
    )


_REPEATS = {
    "cumulative_text": (
        "each event repeats the text before it, so characters are counted several times",
        "ask the server for incremental output",
        ("characters",),
    ),
    "repeated_text": (
        "an event repeats the whole text before it: it is counted as output, and as the last token",
        "have the server leave the repetition out; TTFT holds",
        ("characters", "last_token", "arrivals"),
    ),
}
"""Flags of records: what they mean, what to do, and what the metrics that they move rest on."""


def repeated(e: Evidence) -> tuple[Check, ...]:
    """Answers whose deltas repeat text that came before."""
    n = e.summary.outcomes["ok"]
    return tuple(
        Check(
            id="Q8",
            name="repeated text",
            verdict="INVALID" if count > _MANY * n else "WARN",
            value=count / n,
            unit="ratio",
            words=f"in {count / n:.1%} of answers {words}",
            remedy=remedy,
            metrics=resting_on(*needs),
        )
        for flag, (words, remedy, needs) in _REPEATS.items()
        if n and (count := e.summary.flags[flag])
    )
