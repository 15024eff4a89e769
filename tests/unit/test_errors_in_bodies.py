"""Errors inside of responses: in any shape, wherever they stand, with the server's own words."""

import json

import pytest
from tests.support.responses import (
    FAILED,
    FILTERED,
    OK,
    Json,
    kind,
    read,
)
from tests.wire import corpus_gemini
from tests.wire.corpus import DONE, chunk, event

from llm_latency_lens.model.record import OutcomeKind

ERRORS: dict[str, tuple[str, bytes]] = {
    "vLLM": ("boom", event({"object": "error", "message": "boom", "type": "X", "code": 500})),
    "OpenRouter": (
        "boom",
        event(
            {
                "choices": [
                    {
                        "index": 0,
                        "delta": {"content": ""},
                        "finish_reason": "error",
                        "error": {"code": 502, "message": "boom"},
                    }
                ]
            }
        ),
    ),
    "OpenRouter's upstream": (
        "raw words",
        event(
            {
                "error": {
                    "code": 429,
                    "message": "Provider returned error",
                    "metadata": {"raw": "raw words"},
                }
            }
        ),
    ),
    "MiniMax": (
        "boom",
        event({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "boom"}}),
    ),
    "MiniMax with choices": (
        "boom",
        event(
            {
                "choices": [{"index": 0, "delta": {}}],
                "base_resp": {"status_code": 1002, "status_msg": "boom"},
            }
        ),
    ),
    "FastChat": ("boom", event({"text": "boom", "error_code": 50001})),
    "Baidu": ("boom", event({"error_code": 336100, "error_msg": "boom", "id": "x"})),
    "TGI": ("boom", event({"error": "boom", "error_type": "overloaded"})),
    "DashScope": ("boom", event({"code": "Throttling", "message": "boom", "request_id": "x"})),
    "iFlow": ("boom", event({"status": "449", "msg": "boom", "body": None})),
    "FastAPI": ("boom", event({"detail": "boom"})),
    "FastAPI's list": ("boom", event({"detail": [{"loc": ["body"], "msg": "boom"}]})),
    "Groq": ("boom", event({"choices": [], "x_groq": {"id": "x", "error": "boom"}})),
    "LiteLLM": (
        "boom",
        event({"error": {"message": "boom", "type": "None", "param": "None", "code": "500"}}),
    ),
    "Hunyuan": ("boom", event({"Response": {"Error": {"Code": "AuthFailure", "Message": "boom"}}})),
    "Hunyuan's stream": ("boom", event({"ErrorMsg": {"Msg": "boom", "Code": 4001}})),
    "Xunfei": ("boom", event({"header": {"code": 10013, "message": "boom", "status": 2}})),
    "Databricks": ("boom", event({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "boom"})),
    "Workers AI": (
        "boom",
        event({"success": False, "errors": [{"code": 7003, "message": "boom"}], "result": None}),
    ),
    "Mistral": (
        "boom",
        event({"object": "error", "message": {"detail": [{"msg": "boom"}]}, "type": "x"}),
    ),
    "success false": ("boom", event({"success": False, "message": "boom"})),
    "an array": ("boom", event([{"error": {"message": "boom"}}])),
    "two of them": ("boom", event({"errors": [{"message": "boom"}, {"message": "x"}]})),
    "an event of text": ("boom", b"event: error\ndata: boom\n\n"),
    "an event without a key": ("boom", b'event: error\ndata: {"code":"x","message":"boom"}\n\n'),
    "DashScope's event": (
        "boom",
        b'id:1\nevent:error\n:HTTP_STATUS/429\ndata:{"code":"T","message":"boom"}\n\n',
    ),
    "a field": ("boom", b'error: {"code":400,"message":"boom"}\n\n'),
    "raw JSON": ("boom", b'{"error":{"message":"boom"}}\n\n'),
    "raw JSON over lines": (
        "boom",
        b'{\r\n  "error": {\r\n    "code": 503,\r\n    "message": "boom"\r\n  }\r\n}\r\n',
    ),
    "raw array over lines": ("boom", b'[{\n  "error": {\n    "message": "boom"\n  }\n}]\n'),
    "data over lines that are not marked": (
        "boom",
        b'data: {\n  "error": {\n    "message": "boom"\n  }\n}\n\n',
    ),
}


@pytest.mark.parametrize(
    "dialect", ["openai_chat", "anthropic", "openai_responses", "cohere", "gemini"]
)
@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("place", ["alone", "after a token", "before [DONE]"])
def test_w15_an_error_is_found_in_any_shape_and_its_words_are_kept(
    name: str, dialect: str, place: str
) -> None:
    """W15: whatever the dialect, wherever in the stream."""
    if "choices" in json.dumps(str(ERRORS[name][1])) and dialect != "openai_chat":
        return  # a chunk of the chat API
    words, body = ERRORS[name]
    tokens = {
        "openai_chat": chunk({"content": "a"}),
        "anthropic": event({"type": "content_block_delta", "delta": {"text": "a"}}),
        "openai_responses": event({"type": "response.output_text.delta", "delta": "a"}),
        "cohere": event(
            {"type": "content-delta", "delta": {"message": {"content": {"text": "a"}}}}
        ),
        "gemini": corpus_gemini.sse(corpus_gemini.chunk([{"text": "a"}])),
    }
    body = {"alone": b"", "after a token": tokens[dialect], "before [DONE]": b""}[place] + body
    record = read(dialect, body + (DONE if place == "before [DONE]" else b""))
    assert record.outcome.kind is FAILED, record.outcome
    assert words in record.outcome.detail


def test_w15_a_status_of_success_is_no_error() -> None:
    """W15: what gateways say of requests that went well."""
    fine: tuple[Json, ...] = (
        {"base_resp": {"status_code": 0, "status_msg": "success"}},
        {"error": None},
        {"error": {}},
        {"error": {"code": 0, "message": ""}},
        {"code": 0, "message": "Success"},
        {"error_code": 0},
        {"header": {"code": 0, "message": "Success"}},
        {"x_groq": {"id": "x"}},
        {"success": True, "errors": []},
        {"code": 200, "msg": "ok"},
    )
    for fields in fine:
        body = chunk({"content": "a"}, **fields) + chunk({}, "stop", **fields) + DONE
        assert kind(read("openai_chat", body)) == (OK, "stop"), fields


@pytest.mark.parametrize(
    ("last", "outcome", "reason"),
    [
        ({"type": "response.failed", "response": {"error": None, "status": "failed"}}, FAILED, ""),
        ({"type": "response.failed", "response": {}}, FAILED, ""),
        ({"type": "response.failed"}, FAILED, ""),
        ({"type": "response.cancelled", "response": {"status": "cancelled"}}, FAILED, ""),
        ({"type": "response.completed", "response": {"status": "failed"}}, FAILED, ""),
        (
            {
                "type": "response.incomplete",
                "response": {"incomplete_details": {"reason": "max_output_tokens"}},
            },
            OK,
            "length",
        ),
        (
            {
                "type": "response.incomplete",
                "response": {"incomplete_details": {"reason": "content_filter"}},
            },
            FILTERED,
            "content_filter",
        ),
        ({"type": "response.incomplete", "response": {}}, OK, "incomplete"),
        ({"type": "response.completed", "response": {"status": "in_progress"}}, OK, "stop"),
        ({"type": "response.error", "message": "boom"}, FAILED, ""),
        ({"type": "error", "code": "x", "message": "boom"}, FAILED, ""),
    ],
)
def test_w15_the_names_of_responses_events_are_believed(
    last: Json, outcome: OutcomeKind, reason: str
) -> None:
    """W15: also where the response inside says nothing, and where only the event has the name."""
    begin = event({"type": "response.output_text.delta", "delta": "a"})
    assert kind(read("openai_responses", begin + event(last))) == (outcome, reason)
    name = last["type"]
    bare = json.dumps({key: value for key, value in last.items() if key != "type"})
    named = f"event: {name}\ndata: {bare}\n\n".encode()
    assert kind(read("openai_responses", begin + named)) == (outcome, reason)
