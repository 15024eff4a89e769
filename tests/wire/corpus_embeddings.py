"""OpenAI's embeddings as its documentation describes them, written by hand."""

import json
from typing import Any


def answer(vectors: list[Any], **more: Any) -> bytes:  # noqa: ANN401 - JSON
    """A whole answer with these vectors."""
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    return json.dumps(
        {"object": "list", "data": data, "model": "e-1", "usage": usage, **more}
    ).encode()


FLOATS = answer([[0.5, -0.25, 1.0], [0.0, 0.125, 2.0]])
BASE64 = answer(["AAAAPwAAgL4AAIA/"])
EMPTY = answer([])
FAILED = json.dumps({"error": {"message": "boom", "type": "server_error"}}).encode()

CORPUS = {"floats": FLOATS, "base64": BASE64, "empty": EMPTY, "failed": FAILED, "cut": FLOATS[:40]}
