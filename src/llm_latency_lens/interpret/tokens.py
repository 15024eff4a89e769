"""How many tokens were generated, how many of them streamed, and how many came with the first read.

The server's own counts where it gives them; else tokens are apportioned over token events by their
characters, with the range that this leaves. What can't be known is None, and flags say why.
"""

import math

import msgspec
from msgspec import Struct

from llm_latency_lens.interpret.reading import SEVERAL_CHOICES, Reading
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
_FEW_BYTES = 1.5
"""Text of fewer bytes a token is not to be expected."""
_DEVIATION = 1.2
"""Two standard deviations of one token's length in characters, relative to the mean."""
_MOST_CHARACTERS = 32
"""Answers with more characters a token have more tokens than were counted."""
_SAME = 0.1
"""By this share the empty deltas may differ from the tokens without an event that they explain."""
_END_SEEN = 8
"""With so many events, one token more than events is the end-of-text token, which never streams."""


_LONGEST_CHARACTER = 4
"""Bytes of a character in UTF-8, at most. A token has at least one byte."""
_FITS = 0.5
"""Steps are taken for delivered late where so many of them have room in the next delta."""
_SOON, _LATE = 0.5, 2.0
"""Within so many gaps between tokens after the last one, the end came a decoding step after it."""


class _Steps(Struct, frozen=True):
    """Tokens for which no delta came at once.

    Attributes:
        all: how many there are.
        held_before, held: those taken for delivered with the next delta, before the first token
            event and after it.
        most_held_before: as many of those before the first as may have come with it.
        unclear: those that may have streamed after the first read.
        fewer: tokens that may have been made after the last token event.
    """

    all: int
    held_before: int
    held: int
    most_held_before: int
    unclear: int
    fewer: int = 0


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
        audio_input=usage.audio_input,
        audio_output=usage.audio_output,
        billed_input=usage.billed_input,
        final=_is_final(reading, usage),
        source="usage",
        events=tally.total,
    )
    if not tally.total:
        return counts
    if SEVERAL_CHOICES in reading.flags:
        return msgspec.structs.replace(counts, hidden=None)
    hidden = _hidden_reasoning(tally, usage.output, usage.reasoning)
    if hidden is not None and hidden.value and not tally.events["reasoning"]:
        counts = msgspec.structs.replace(counts, source="usage_minus_hidden")
    if hidden is None:
        reading.flags.add(UNKNOWN)
        return msgspec.structs.replace(counts, hidden=None)
    if hidden.least < hidden.most:
        reading.flags.add(ESTIMATED)
    return _with_streamed(reading, counts, hidden)


def _is_final(reading: Reading, usage: Usage) -> bool:
    """Whether a bill can be expected to say what this usage says.

    It came with the end of an answer that has ended, and its counts do not contradict each other
    or what has streamed.
    """
    tally, output = reading.tally, usage.output or 0
    ended = reading.done or reading.finish is not None
    characters = sum(tally.characters.values())
    return (
        usage.final
        and "usage_contradictory" not in reading.flags
        and ended
        and tally.is_counted_to_the_end
        and bool(usage.input)
        and (usage.cached or 0) + (usage.cache_write or 0) <= (usage.input or 0)
        and (usage.reasoning or 0) <= output
        and characters <= _MOST_CHARACTERS * output
    )


def _by_events(reading: Reading, usage: Usage | None) -> TokenCounts:
    """Count token events for want of the server's count."""
    usage, total = usage or Usage(), reading.tally.total
    return TokenCounts(
        input=usage.input,
        cached=usage.cached,
        cache_write=usage.cache_write,
        audio_input=usage.audio_input,
        audio_output=usage.audio_output,
        billed_input=usage.billed_input,
        final=False,
        reasoning=usage.reasoning,
        output=total or None,
        hidden=None if SEVERAL_CHOICES in reading.flags else 0,
        source="chunks" if total else "none",
        events=total,
        first=float(reading.tally.first_events),
    )


def _hidden_reasoning(tally: Tally, output: int, reasoning: int | None) -> _Hidden | None:
    """How much of the reasoning did not stream; None where that is unknown."""
    if not reasoning:
        if output <= tally.total * _ONE_EACH:
            return _exactly(0)
        return None if tally.withheld else _beyond_the_text(tally, output)
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


def _beyond_the_text(tally: Tally, output: int) -> _Hidden:
    """The tokens that the text that streamed has no room for: reasoning of which nobody speaks.

    A token has at least one byte, and on average more: where less than that is left for each, all
    that is not one token an event may be hidden.
    """
    characters = sum(tally.characters.values())
    stepped = tally.empty_before > 1 or tally.empty_between or tally.empty_after
    if tally.continuous or stepped or output * _FEW_BYTES <= characters:
        return _exactly(0)
    size = tally.bytes
    if output * _FEW_BYTES <= size:
        return _exactly(0)
    tokens = characters / _CHARACTERS
    streamed = round(tokens) if tokens >= _RATIO * tally.total else tally.total
    hidden = output - streamed if output > size else 0
    return _Hidden(hidden, max(output - size, 0), output - tally.total)


def _exactly(count: int) -> _Hidden:
    return _Hidden(count, count, count)


def _with_streamed(reading: Reading, counts: TokenCounts, hidden: _Hidden) -> TokenCounts:
    """Tell the tokens that streamed from the others, and those of the first read from the rest."""
    tally, output = reading.tally, counts.output or 0
    by_count = hidden.least == hidden.most and _counted_throughout(tally, hidden)
    steps = _counted(tally, hidden) if by_count else _uncounted(tally, output, hidden)
    end, end_unseen = _end_of_text(reading, output - hidden.value)
    after = max(output - (tally.count_at_last or 0), 0) if by_count else end
    # What streamed if no step without a delta was delivered later.
    base = max(output - hidden.value - steps.all - max(end, after), 0)
    streamed = base + steps.held_before + steps.held
    if by_count and tally.count_at_first is not None and tally.count_at_first > hidden.value:
        later = (tally.count_at_last or 0) - tally.count_at_first - tally.steps_between
        first = fewest = most_first = float(base - later)
    else:
        _, _, most_first = _first_tokens(tally, base)
        first, fewest, _ = _first_tokens(tally, base + steps.held)
    if steps.unclear or steps.fewer:
        reading.flags.add(HIDDEN_STEPS)
    unclear = steps.unclear + (0 if by_count else end_unseen)
    over, under = hidden.most - hidden.value, hidden.value - hidden.least
    most = base + steps.most_held_before + unclear + under
    return msgspec.structs.replace(
        counts,
        hidden=output - streamed,
        first=first + steps.held_before,
        rest=_range(base - most_first - steps.fewer - over, base - fewest + under + unclear),
        streamed=_range(base - steps.fewer - over, min(most, output)),
        after=after,
    )


def _range(least: float, most: float) -> tuple[float, float] | None:
    return None if least == most else (max(least, 0.0), most)


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


def _counted(tally: Tally, hidden: _Hidden) -> _Steps:
    """Steps by the server's own count; it tells those of the first token event from the rest."""
    before = max(tally.count_before - hidden.value, 0)
    most_before = min(tally.room.get("count_before", 0), before)
    return _Steps(
        all=before + tally.steps_between,
        held_before=_likely(most_before, before),
        held=_likely(tally.room.get("steps_between", 0), tally.steps_between),
        most_held_before=most_before,
        unclear=tally.steps_between,
    )


def _uncounted(tally: Tally, output: int, hidden: _Hidden) -> _Steps:
    """Empty deltas that may each stand for a token; the first one of a stream names the role."""
    extra = max(output - hidden.value - tally.total, 0)
    before, between = max(tally.empty_before - 1, 0), tally.empty_between
    steps = min(before + between, extra)
    held = min(_likely(tally.room.get("empty_between", 0), between), steps)
    most_before = min(tally.room.get("empty_before", 0), steps)
    # As many empty deltas, all before the first token, explain the tokens without an event.
    explained = abs(extra - before - between) <= _SAME * extra and not between
    return _Steps(
        all=steps,
        held_before=min(_likely(most_before, before), steps - held),
        held=held,
        most_held_before=most_before,
        unclear=0 if explained else steps,
        fewer=min(tally.empty_after, extra - steps),
    )


def _likely(room: int, steps: int) -> int:
    """How many of the steps are taken for delivered with the next delta."""
    return room if room >= _FITS * steps else 0


def _end_of_text(reading: Reading, tokens: int) -> tuple[int, int]:
    """The end-of-text token, which is counted and never streams, and whether it may be another.

    One token more than events is that token, or an event has two. It is seen where the end came a
    decoding step after the last token.
    """
    events, arrivals = reading.tally.total, reading.reads.arrivals
    if (
        tokens != events + 1
        or reading.finish is None
        or reading.finish.reason != "stop"
        or events < _END_SEEN
    ):
        return 0, 0
    if reading.finish_at is None or len(arrivals) < _END_SEEN:
        return 1, 1
    gap = (arrivals[-1] - arrivals[0]) / (len(arrivals) - 1)
    step = reading.finish_at - arrivals[-1]
    return 1, int(not _SOON * gap <= step <= _LATE * gap)


def _first_tokens(tally: Tally, streamed: int) -> tuple[float, float, float]:
    """The tokens of the first read, the fewest that they can be, and the most."""
    events, first = tally.total, tally.first_events
    if events <= streamed <= events * _ONE_EACH or first == events:
        return float(first), float(first), float(first + max(streamed - events, 0))
    characters = sum(tally.characters.values())
    share = tally.first_characters / characters if characters else first / events
    tokens = streamed * share
    if streamed < events:
        doubt = _DEVIATION * math.sqrt(tokens)
        return tokens, max(tokens - doubt, 0.0), tokens + doubt
    # Each event has at least one token, and each token at least one byte.
    room_later = _LONGEST_CHARACTER * (characters - tally.first_characters)
    fewest = max(float(first), float(streamed - room_later))
    most = max(min(float(streamed - (events - first)), float(tally.first_bytes)), fewest)
    return min(max(tokens, fewest), most), fewest, most
