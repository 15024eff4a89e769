"""The JSON of Gemini's responses as typed values, for the quick way; what has another shape is read leniently."""

from typing import Any

import msgspec
from msgspec import Struct

from llm_latency_lens.model.events import Usage


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


def plain_text(data: bytes) -> tuple[str, Usage | None] | None:
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
    return part.text, _usage(chunk.usage_metadata)


def _usage(counts: Counts | None) -> Usage | None:
    if counts is None:
        return None
    known = (
        counts.prompt_token_count,
        counts.candidates_token_count,
        counts.thoughts_token_count,
        counts.cached_content_token_count,
    )
    prompt, answer, thoughts, cached = (c if c is not None and c >= 0 else None for c in known)
    total = None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0)
    return Usage(prompt, total, thoughts, cached)
