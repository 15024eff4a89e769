"""Gemini's streams as its documentation describes them, written by hand; SSE, and the array form beside it."""

import json
from typing import Any


def chunk(parts: list[dict[str, Any]], finish: str | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """One streamed response."""
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r1", **more}


def usage(prompt: int, answer: int, thoughts: int | None = None) -> dict[str, Any]:
    """Counts so far."""
    found = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": answer,
        "totalTokenCount": prompt + answer,
    }
    return found if thoughts is None else {**found, "thoughtsTokenCount": thoughts}


def sse(*chunks: dict[str, Any]) -> bytes:
    """The chunks as a stream, with CRLF as Google sends it."""
    return b"".join(
        b"data: " + json.dumps(c, ensure_ascii=False).encode() + b"\r\n\r\n" for c in chunks
    )


def array(*chunks: dict[str, Any]) -> bytes:
    """The chunks as one array."""
    return (
        b"["
        + b",\r\n".join(json.dumps(c, indent=2, ensure_ascii=False).encode() for c in chunks)
        + b"\n]"
    )


CHUNKS: dict[str, list[dict[str, Any]]] = {
    "text": [
        chunk([{"text": "Hel"}], usageMetadata=usage(4, 1)),
        chunk([{"text": 'l"o }] \\ 漢'}], "STOP", usageMetadata=usage(4, 3)),
    ],
    "thinking": [
        chunk([{"text": "Let me", "thought": True}]),
        chunk(
            [{"text": "42"}],
            "MAX_TOKENS",
            usageMetadata={**usage(4, 2, 7), "cachedContentTokenCount": 3},
        ),
    ],
    "tool": [
        chunk(
            [{"functionCall": {"name": "f", "args": {"a": 1}}}], "STOP", usageMetadata=usage(4, 9)
        )
    ],
    "blocked": [
        {
            "promptFeedback": {"blockReason": "SAFETY"},
            "modelVersion": "gemini-x",
            "usageMetadata": {"promptTokenCount": 4},
        }
    ],
    "filtered": [chunk([{"text": "I"}]), chunk([], "SAFETY")],
    "error": [
        chunk([{"text": "a"}]),
        {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}},
    ],
    "bare_error": [{}],
}
CORPUS = {name: sse(*chunks) for name, chunks in CHUNKS.items()}
ARRAYS = {name: array(*chunks) for name, chunks in CHUNKS.items()}
