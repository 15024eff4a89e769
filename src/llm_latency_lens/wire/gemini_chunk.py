"""The JSON of Gemini's responses as typed values, for the quick way; what has another shape is read leniently."""

from typing import Any

import msgspec
from msgspec import Struct

from llm_latency_lens.wire.json_object import LARGEST

_Known = tuple[int | None, int | None, int | None, int | None]
"""Counts of the prompt, the answer, the thoughts, and what was cached."""


class Part(Struct, gc=False, rename="camel"):
    """A piece of content."""

    text: str | None = None
    thought: bool = False
    function_call: Any = None


class Content(Struct, gc=False):
    """A candidate's content."""

    parts: list[Part] | None = None


class Candidate(Struct, gc=False, rename="camel"):
    """One of the answers."""

    content: Content | None = None
    finish_reason: str | None = None
    index: int = 0


class Counts(Struct, gc=False, rename="camel"):
    """Token counts so far."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None


class Chunk(Struct, gc=False, rename="camel"):
    """One streamed response."""

    candidates: list[Candidate] | None = None
    usage_metadata: Counts | None = None
    prompt_feedback: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(Chunk).decode


def plain_text(data: bytes) -> tuple[str, _Known | None] | None:
    """The text of a chunk that holds one visible part of candidate 0 and counts, and nothing else."""
    try:
        chunk = _decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    candidates = chunk.candidates
    if (
        not candidates
        or len(candidates) > 1
        or chunk.error is not None
        or chunk.prompt_feedback is not None
    ):
        return None
    candidate = candidates[0]
    parts = candidate.content.parts if candidate.content is not None else None
    if candidate.finish_reason or candidate.index or not parts or len(parts) > 1:
        return None
    part = parts[0]
    if not part.text or part.thought or part.function_call is not None:
        return None
    return part.text, _known(chunk.usage_metadata)


def _known(counts: Counts | None) -> _Known | None:
    if counts is None:
        return None
    return (
        _count(counts.prompt_token_count),
        _count(counts.candidates_token_count),
        _count(counts.thoughts_token_count),
        _count(counts.cached_content_token_count),
    )


def _count(count: int | None) -> int | None:
    return count if count is not None and 0 <= count <= LARGEST else None
