"""Ollama's streams as its documentation describes them, written by hand: newline-delimited JSON."""

import json
from typing import Any


def line(**fields: Any) -> bytes:  # noqa: ANN401 - JSON
    """One line."""
    return (
        json.dumps(
            {"model": "llama3", "created_at": "2026-01-01T00:00:00Z", **fields}, ensure_ascii=False
        ).encode()
        + b"\n"
    )


def message(**fields: Any) -> bytes:  # noqa: ANN401 - JSON
    """A piece of the answer."""
    return line(message={"role": "assistant", "content": "", **fields}, done=False)


END = line(
    message={"role": "assistant", "content": ""}, done=True, done_reason="stop", total_duration=4_883_583_458,
    prompt_eval_count=26, prompt_eval_duration=342_546_000, eval_count=290, eval_duration=4_535_599_000,
)  # fmt: skip
TEXT = message(content="Hel") + message(content="lo 漢") + END
THINKING = (
    message(thinking="hm")
    + message(content="42")
    + line(
        message={"role": "assistant", "content": ""}, done=True, done_reason="length", eval_count=4
    )
)
TOOL = message(tool_calls=[{"function": {"name": "f", "arguments": {"a": 1}}}]) + END
ERROR = message(content="a") + b'{"error":"an error was encountered while running the model"}\n'

CORPUS = {
    "text": TEXT,
    "thinking": THINKING,
    "tool": TOOL,
    "error": ERROR,
    "empty": message() + END,
    "cut": TEXT[:-40],
    "unterminated": TEXT[:-1],
}
