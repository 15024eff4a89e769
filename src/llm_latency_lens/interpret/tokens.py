"""How many tokens were generated, how many of them streamed, and how many came with the first read.

The server's own counts where it gives them; else tokens are apportioned over token events by their
characters, with the range that this leaves. What can't be known is None, and flags say why.
"""

import math

import msgspec
from msgspec import Struct

from llm_latency_lens.interpret.reading import Reading
from llm_latency_lens.interpret.tally import Tally
from llm_latency_lens.model.events import Usage
from llm_latency_lens.model.record import TokenCounts

UNKNOWN = "streamed_tokens_unknown"
"""Reasoning was withheld and not counted: nobody knows how many of the output tokens streamed."""
ESTIMATED = "streamed_tokens_estimated"
"""Reasoning streamed in part or as a summary: its streamed tokens are estimated from characters."""
HIDDEN_STEPS = "hidden_steps"
"""Tokens were counted with empty deltas: whether they streamed later is not known."""

_ONE_EACH = 1.05
"""Up to so many tokens per event, an event is taken for one token."""
_PARTLY = 0.5
"""What is less than this share of what it should be is not all there."""
_RATIO = 2.0
"""By how much characters per token of reasoning and of text may differ."""
_CHARACTERS = 4.0
"""Characters of a token, where no text tells."""
_DEVIATION = 1.2
"""Two standard deviations of one token's length in characters, relative to the mean."""
_SAME = 0.1
"""By this share the empty deltas may differ from the tokens without an event that they explain."""
_END_SEEN = 8
"""With so many events, one token more than events is the end-of-text token, which never streams."""


class _Hidden(Struct, frozen=True):
    """Output tokens that did not stream: the value, and its range."""

    value: int
    least: float
    most: float


def count_tokens(reading: Reading) -> TokenCounts:
    """Count the tokens of one response; adds the flags that say what is not known exactly."""
    usage, tally = reading.usage, reading.tally
    if usage is not None and usage.output == 0 and tally.total:
        # Tokens came, and the server says that none did: its count of output is no count.
        reading.flags.add("usage_contradictory")
        usage = msgspec.structs.replace(
            usage, output=None, reasoning=None, input=usage.input or None
        )
    if usage is None or usage.output is None:
        return _by_events(reading, usage)
    counts = TokenCounts(
        input=usage.input,
        output=usage.output,
        reasoning=usage.reasoning,
        cached=usage.cached,
        cache_write=usage.cache_write,
        source="usage",
        events=tally.total,
    )
    if not tally.total:
        return counts
    hidden = _hidden_reasoning(tally, usage.output, usage.reasoning)
    if hidden is not None and hidden.value and not tally.events["reasoning"]:
        counts = msgspec.structs.replace(counts, source="usage_minus_hidden")
    if hidden is None:
        reading.flags.add(UNKNOWN)
        return msgspec.structs.replace(counts, hidden=None)
    if hidden.least < hidden.most:
        reading.flags.add(ESTIMATED)
    return _with_streamed(reading, counts, hidden)


def _by_events(reading: Reading, usage: Usage | None) -> TokenCounts:
    """Count token events for want of the server's count."""
    usage, total = usage or Usage(), reading.tally.total
    return TokenCounts(
        input=usage.input,
        cached=usage.cached,
        cache_write=usage.cache_write,
        reasoning=usage.reasoning,
        output=total or None,
        source="chunks" if total else "none",
        events=total,
        first=float(reading.tally.first_events),
    )


def _hidden_reasoning(tally: Tally, output: int, reasoning: int | None) -> _Hidden | None:
    """How much of the reasoning did not stream; None where that is unknown."""
    if not reasoning:
        one_each = output <= tally.total * _ONE_EACH
        return _exactly(0) if one_each or not tally.withheld else None
    events, characters = tally.events["reasoning"], tally.characters["reasoning"]
    if not events:
        # More events than visible tokens: the reasoning came as text.
        return _exactly(max(min(reasoning, output - tally.total), 0))
    visible = sum(tally.characters.values()) - characters
    answer = output - reasoning
    per_token = visible / answer if answer > 0 and visible else _CHARACTERS
    streamed = min(max(characters / per_token, float(events)), float(reasoning))
    if streamed >= reasoning * (1.0 if tally.withheld else _PARTLY):
        return _exactly(0)
    return _Hidden(
        value=reasoning - round(streamed),
        least=reasoning - min(streamed * _RATIO, float(reasoning)),
        most=reasoning - streamed / _RATIO,
    )


def _exactly(count: int) -> _Hidden:
    return _Hidden(count, count, count)


def _with_streamed(reading: Reading, counts: TokenCounts, hidden: _Hidden) -> TokenCounts:
    """Tell the tokens that streamed from the others, and those of the first read from the rest."""
    tally, output = reading.tally, counts.output or 0
    by_count = hidden.least == hidden.most and _counted_throughout(tally, hidden)
    steps = _counted_steps(tally, hidden) if by_count else _empty_steps(tally, output, hidden)
    streamed = max(output - hidden.value - steps - _end_of_text(reading, output - hidden.value), 0)
    if by_count:
        streamed = min(streamed, (tally.count_at_last or 0) - hidden.value - steps)
    first, fewest, most_first = _first_tokens(tally, streamed)
    if by_count and tally.count_at_first is not None and tally.count_at_first > hidden.value:
        after = (tally.count_at_last or 0) - tally.count_at_first - tally.steps_between
        first = fewest = most_first = float(streamed - after)
    extra = output - hidden.value - tally.total
    unclear = tally.steps_between if by_count else _unclear_steps(tally, steps, extra)
    if unclear:
        reading.flags.add(HIDDEN_STEPS)
    least = streamed - most_first - (hidden.most - hidden.value)
    most = streamed - fewest + (hidden.value - hidden.least) + unclear
    return msgspec.structs.replace(
        counts,
        hidden=output - streamed,
        first=first,
        rest=None if least == most else (max(least, 0.0), most),
    )


def _counted_throughout(tally: Tally, hidden: _Hidden) -> bool:
    """Whether the server gave its count of all tokens so far between token events."""
    if not tally.continuous or tally.count_at_last is None:
        return False
    # A count of each chunk alone, or without the reasoning that is known, stays far below.
    streamed = tally.count_at_last - hidden.value - _counted_steps(tally, hidden)
    return streamed > 0 and tally.count_at_last >= _PARTLY * tally.total


def _counted_steps(tally: Tally, hidden: _Hidden) -> int:
    """Tokens that the server counted without a delta, reasoning that is known as hidden left out."""
    return max(tally.count_before - hidden.value, 0) + tally.steps_between


def _empty_steps(tally: Tally, output: int, hidden: _Hidden) -> int:
    """Empty deltas that may each stand for a token; the first one of a stream names the role."""
    return max(min(_empty(tally), output - hidden.value - tally.total), 0)


def _unclear_steps(tally: Tally, steps: int, extra: int) -> int:
    """Of the tokens taken for hidden, those that may have streamed after all.

    Of `extra` tokens without an event. As many empty deltas, all before the first token, explain them.
    """
    explained = abs(extra - _empty(tally)) <= _SAME * extra and not tally.empty_between
    return 0 if explained else steps


def _empty(tally: Tally) -> int:
    return max(tally.empty_before - 1, 0) + tally.empty_between


def _end_of_text(reading: Reading, tokens: int) -> int:
    """The end-of-text token, which is counted and never streams, where it is seen in the counts."""
    events = reading.tally.total
    return int(tokens == events + 1 and reading.finish == "stop" and events >= _END_SEEN)


def _first_tokens(tally: Tally, streamed: int) -> tuple[float, float, float]:
    """The tokens of the first read, the fewest that they can be, and the most."""
    events, first = tally.total, tally.first_events
    if events <= streamed <= events * _ONE_EACH or first == events:
        return float(first), float(first), float(first + max(streamed - events, 0))
    characters = sum(tally.characters.values())
    share = tally.first_characters / characters if characters else first / events
    tokens = streamed * share
    doubt = _DEVIATION * math.sqrt(tokens)
    return tokens, max(tokens - doubt, 0.0), tokens + doubt
