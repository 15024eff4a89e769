"""Token counts under the names of OpenAI's two APIs, and under those that other servers gave them.

`Usage.output` includes reasoning and `Usage.input` what was cached, whatever the server adds up;
its own total tells which it does.
"""

from collections.abc import Iterable

import msgspec

from llm_latency_lens.model.events import Usage
from llm_latency_lens.wire.json_object import count_of, object_of

_INPUT = ("prompt_tokens", "input_tokens")
_OUTPUT = ("completion_tokens", "output_tokens")
_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details")
_REASONING = ("reasoning_tokens", "thinking_tokens", "thoughts_tokens")
_CACHED = (
    "cached_tokens",
    "prompt_cache_hit_tokens",
    "cache_read_input_tokens",
    "cache_read_tokens",
)
_WRITTEN = ("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens")
_AUDIO = ("audio_tokens",)
_FEW, _LITTLE = 2, 0.05
"""A total that is larger than its parts by so little is imprecise, and tells of nothing else."""


def usage_of(value: object) -> Usage | None:
    """Return the token counts of a usage object; what is no whole number from 0 on is unknown."""
    if not isinstance(value, dict):
        return None
    outputs = (*(object_of(value, name) for name in _OUTPUT_DETAILS), value)
    inputs = (*(object_of(value, name) for name in _INPUT_DETAILS), value)
    return whole_usage(
        Usage(
            input=_count((value,), _INPUT),
            output=_count((value,), _OUTPUT),
            reasoning=_count(outputs, _REASONING),
            cached=_count(inputs, _CACHED),
            cache_write=_count(inputs, _WRITTEN),
            audio_input=_count(inputs[:-1], _AUDIO),
            audio_output=_count(outputs[:-1], _AUDIO),
        ),
        count_of(value, "total_tokens"),
    )


def whole_usage(told: Usage, total: int | None) -> Usage:
    """Return the counts with reasoning and cached input added, where a server counts them beside.

    Its total tells whether it does; without one, a part that is larger than the whole does.
    """
    given, output, reasoning = told.input, told.output, told.reasoning or 0
    cached = (told.cached or 0) + (told.cache_write or 0)
    if given is None or output is None or not total:
        return msgspec.structs.replace(
            told,
            input=given + cached if given is not None and cached > given else given,
            output=output + reasoning if output is not None and reasoning > output else output,
        )
    rest = total - given - output
    if not reasoning and rest != cached and rest > max(_FEW, _LITTLE * total):
        # What neither the prompt nor the answer accounts for is reasoning that is not reported.
        reasoning = rest
    add_reasoning = rest > 0 and rest in (reasoning, reasoning + cached)
    add_cached = rest > 0 and rest in (cached, reasoning + cached) and rest != reasoning
    return msgspec.structs.replace(
        told,
        input=given + cached if add_cached else given,
        output=output + reasoning if add_reasoning else output,
        reasoning=reasoning or told.reasoning,
    )


def _count(places: Iterable[object], names: tuple[str, ...]) -> int | None:
    """The first count above 0 in one of the places under one of the names; else the first of 0."""
    found = [count_of(place, name) for place in places for name in names]
    known = [count for count in found if count is not None]
    return next((count for count in known if count), known[0] if known else None)
