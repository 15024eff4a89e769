"""Byte streams as real servers send them, written by hand from their documentation and observed traffic."""

import json
from typing import Any


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:  # noqa: ANN401 - JSON
    """One stream chunk with a single choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "model": "m",
            "choices": [choice],
            **more,
        }
    )


def event(value: object) -> bytes:
    """One SSE event holding JSON."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
USAGE_CHUNK = event({"id": "chatcmpl-1", "model": "m", "choices": [], "usage": USAGE})

OPENAI = (
    chunk({"role": "assistant", "content": ""}, system_fingerprint="fp_1", usage=None)
    + chunk({"content": "Hel"}, system_fingerprint="fp_1", usage=None)
    + chunk({"content": "lo"}, system_fingerprint="fp_1", usage=None)
    + chunk({}, "stop", system_fingerprint="fp_1", usage=None)
    + event(
        {
            "id": "chatcmpl-1",
            "model": "m",
            "system_fingerprint": "fp_1",
            "choices": [],
            "usage": USAGE,
        }
    )
    + DONE
)
LLAMA_CPP = (
    chunk({"role": "assistant", "content": None})
    + chunk({"content": " gara"})
    + chunk({}, "length")
    + event(
        {
            "choices": [],
            "model": "m",
            "id": "chatcmpl-1",
            "usage": USAGE,
            "timings": {"prompt_n": 29, "prompt_ms": 4.2, "predicted_n": 5, "predicted_ms": 2.5},
        }
    )
    + DONE
)
DEEPSEEK = (
    chunk({"role": "assistant", "content": None, "reasoning_content": ""})
    + chunk({"content": None, "reasoning_content": "Let me"})
    + chunk({"content": None, "reasoning_content": " think"})
    + chunk({"content": "42", "reasoning_content": None})
    + chunk(
        {"content": ""},
        "stop",
        usage={**USAGE, "completion_tokens_details": {"reasoning_tokens": 2}},
    )
    + DONE
)
TOOLS = (
    chunk(
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}],
        }
    )
    + chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]})
    + chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]})
    + chunk({}, "tool_calls")
    + DONE
)
AZURE = (
    event({"choices": [], "id": "", "model": "", "prompt_filter_results": [{"prompt_index": 0}]})
    + chunk({"role": "assistant", "content": ""})
    + chunk({"content": "Hi"})
    + chunk({}, "stop")
    + DONE
)
OPENROUTER = (
    b": OPENROUTER PROCESSING\n\n" * 3
    + chunk({"content": "Hi"})
    + chunk({"content": ""}, "stop")
    + DONE
)
REFUSAL = (
    chunk({"role": "assistant", "refusal": ""})
    + chunk({"refusal": "I can't"})
    + chunk({}, "stop")
    + DONE
)
ERROR_INSIDE = chunk({"content": "a"}) + event(
    {"error": {"message": "overloaded", "type": "server_error", "code": 503}}
)
UNICODE = chunk({"content": "a\u2028b\u0085c\x0bd\x1ce 😀 漢"}) + chunk({}, "stop") + DONE
MULTI_LINE = b'data: {"choices":[{"index":0,\ndata: "delta":{"content":"x"}}]}\n\n' + DONE
FIELDS = b"retry: 10\nid: 7\nevent: message\ndata:" + chunk({"content": "x"})[6:] + DONE
BOM = b"\xef\xbb\xbf" + chunk({"content": "x"}) + b": \xef\xbb\xbf\n\n" + DONE
TWO_CHOICES = (
    event(
        {
            "choices": [
                {"index": 0, "delta": {"content": "a"}},
                {"index": 1, "delta": {"content": "b"}},
            ]
        }
    )
    + event({"choices": [{"index": 1, "delta": {"content": "c"}, "finish_reason": "stop"}]})
    + event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    + DONE
)
PADDED = (
    chunk({"content": "x"}, obfuscation="qwertyuiop") + chunk({}, "stop", obfuscation="zz") + DONE
)

CORPUS: dict[str, bytes] = {
    "openai": OPENAI,
    "llama_cpp": LLAMA_CPP,
    "deepseek": DEEPSEEK,
    "tools": TOOLS,
    "azure": AZURE,
    "openrouter": OPENROUTER,
    "refusal": REFUSAL,
    "error_inside": ERROR_INSIDE,
    "unicode": UNICODE,
    "multi_line": MULTI_LINE,
    "fields": FIELDS,
    "bom": BOM,
    "two_choices": TWO_CHOICES,
    "padded": PADDED,
    "unterminated": OPENAI[:-2],
    "cut_inside": OPENAI[: len(OPENAI) // 2],
}
