"""What a wish becomes in each provider's language; what a language can't say is refused."""

import json
from typing import Any

import pytest

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import Image, Message, Request, Target, Tool, Url
from llm_latency_lens.wire.dialect import load_dialect

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = Tool("weather", "Tells the weather.", SCHEMA)
PICTURE = Image(data="iVBORw0=", media_type="image/png")
LINKED = Image(url="http://127.0.0.1/cat.png")
ASK = (Message("system", "Be brief."), Message("user", "Look."))


def target(dialect: str, **more: Any) -> Target:  # noqa: ANN401 - any field of a Target
    """Somewhere that speaks `dialect`."""
    fields = {"base_url": Url("http", "127.0.0.1", 80, "/v1"), **more}
    return Target(provider=dialect, dialect=dialect, model="m", **fields)


def body_of(dialect: str, images: tuple[Image, ...] = (), **wish: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    """The body that asks for `wish`."""
    messages = (*ASK[:-1], Message("user", "Look.", images))
    request = Request(messages=messages, **wish)
    body: dict[str, Any] = json.loads(load_dialect(dialect).encode(request, target(dialect)).body)
    return body


SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "openai_chat": {
        "max_tokens": {"max_tokens": 7},
        "temperature": {"temperature": 0.5},
        "top_p": {"top_p": 0.9},
        "top_k": {"top_k": 40},
        "sampling_seed": {"seed": 3},
        "stop": {"stop": ["END"]},
        "reasoning": {"reasoning_effort": "low"},
        "ignore_eos": {"ignore_eos": True},
        "min_tokens": {"min_tokens": 5},
    },
    "openai_responses": {
        "max_tokens": {"max_output_tokens": 7},
        "temperature": {"temperature": 0.5},
        "top_p": {"top_p": 0.9},
        "reasoning": {"reasoning": {"effort": "low"}},
    },
    "anthropic": {
        "max_tokens": {"max_tokens": 7},
        "temperature": {"temperature": 0.5},
        "top_p": {"top_p": 0.9},
        "top_k": {"top_k": 40},
        "stop": {"stop_sequences": ["END"]},
        "reasoning": {"output_config": {"effort": "low"}},
        "thinking_budget": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    },
    "gemini": {
        "max_tokens": {"generationConfig": {"maxOutputTokens": 7}},
        "temperature": {"generationConfig": {"temperature": 0.5}},
        "top_p": {"generationConfig": {"topP": 0.9}},
        "top_k": {"generationConfig": {"topK": 40}},
        "sampling_seed": {"generationConfig": {"seed": 3}},
        "stop": {"generationConfig": {"stopSequences": ["END"]}},
        "reasoning": {
            "generationConfig": {
                "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True}
            }
        },
        "thinking_budget": {
            "generationConfig": {
                "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True}
            }
        },
    },
    "cohere": {
        "max_tokens": {"max_tokens": 7},
        "temperature": {"temperature": 0.5},
        "top_p": {"p": 0.9},
        "top_k": {"k": 40},
        "sampling_seed": {"seed": 3},
        "stop": {"stop_sequences": ["END"]},
        "thinking_budget": {"thinking": {"type": "enabled", "token_budget": 1024}},
    },
    "ollama": {
        "max_tokens": {"options": {"num_predict": 7}},
        "temperature": {"options": {"temperature": 0.5}},
        "top_p": {"options": {"top_p": 0.9}},
        "top_k": {"options": {"top_k": 40}},
        "sampling_seed": {"options": {"seed": 3}},
        "stop": {"options": {"stop": ["END"]}},
        "reasoning": {"think": "low"},
    },
    "openai_embeddings": {},
}
VALUES: dict[str, Any] = {
    "max_tokens": 7,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "sampling_seed": 3,
    "stop": ("END",),
    "reasoning": "low",
    "thinking_budget": 1024,
    "ignore_eos": True,
    "min_tokens": 5,
}
ALL = [(dialect, field) for dialect in SETTINGS for field in VALUES]


@pytest.mark.parametrize(("dialect", "field"), ALL)
def test_each_setting_has_its_name_or_is_refused(dialect: str, field: str) -> None:
    """Whatever a language can't say is said to the user, not left out in silence."""
    expected = SETTINGS[dialect].get(field)
    if expected is None:
        with pytest.raises(UsageError, match="--" + field.replace("_", "-")):
            body_of(dialect, **{field: VALUES[field]})
        return
    body = body_of(dialect, **{field: VALUES[field]})
    assert {key: body[key] for key in expected} == expected


def test_openai_itself_and_azure_have_their_own_name_for_the_limit() -> None:
    """And no settings that only other servers know."""
    for host in ("api.openai.com", "x.openai.azure.com"):
        there = target("openai_chat", base_url=Url("https", host, 443, "/v1"))
        request = Request(messages=ASK, max_tokens=7)
        body = json.loads(load_dialect("openai_chat").encode(request, there).body)
        assert body["max_completion_tokens"] == 7
        with pytest.raises(UsageError, match="--top-k"):
            load_dialect("openai_chat").encode(Request(messages=ASK, top_k=1), there)


TOOLS: dict[str, Any] = {
    "openai_chat": [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "Tells the weather.",
                "parameters": SCHEMA,
            },
        }
    ],
    "openai_responses": [
        {
            "type": "function",
            "name": "weather",
            "description": "Tells the weather.",
            "parameters": SCHEMA,
        }
    ],
    "anthropic": [{"name": "weather", "description": "Tells the weather.", "input_schema": SCHEMA}],
    "gemini": [
        {
            "functionDeclarations": [
                {"name": "weather", "description": "Tells the weather.", "parameters": SCHEMA}
            ]
        }
    ],
}
TOOLS["cohere"] = TOOLS["ollama"] = TOOLS["openai_chat"]


@pytest.mark.parametrize("dialect", TOOLS)
def test_tools_are_offered_as_the_language_wants_them(dialect: str) -> None:
    """Name, description and JSON Schema."""
    assert body_of(dialect, tools=(TOOL,))["tools"] == TOOLS[dialect]
    assert "tools" not in body_of(dialect)


def test_images_go_with_the_message() -> None:
    """As data and by URL, where the language has both."""
    data = "data:image/png;base64,iVBORw0="
    chat = body_of("openai_chat", (PICTURE, LINKED))["messages"][-1]["content"]
    assert [part["type"] for part in chat] == ["text", "image_url", "image_url"]
    assert [part["image_url"]["url"] for part in chat[1:]] == [data, LINKED.url]
    responses = body_of("openai_responses", (PICTURE,))["input"][-1]["content"]
    assert responses[1] == {"type": "input_image", "image_url": data}
    anthropic = body_of("anthropic", (PICTURE, LINKED))["messages"][-1]["content"]
    assert anthropic[0]["source"] == {
        "type": "base64",
        "media_type": "image/png",
        "data": "iVBORw0=",
    }
    assert anthropic[1]["source"] == {"type": "url", "url": LINKED.url}
    gemini = body_of("gemini", (PICTURE, LINKED))["contents"][-1]["parts"]
    assert gemini[1] == {"inlineData": {"mimeType": "image/png", "data": "iVBORw0="}}
    assert gemini[2] == {"fileData": {"fileUri": LINKED.url}}
    ollama = body_of("ollama", (PICTURE,))["messages"][-1]
    assert (ollama["content"], ollama["images"]) == ("Look.", ["iVBORw0="])
    with pytest.raises(UsageError, match="--image PATH"):
        body_of("ollama", (LINKED,))


def test_extra_fields_are_merged_object_by_object() -> None:
    """So that one more field of an object does not cost the others."""
    body = body_of("gemini", max_tokens=7, extra={"generationConfig": {"seed": 1}, "x": 2})
    assert body["generationConfig"] == {"maxOutputTokens": 7, "seed": 1}
    assert body["x"] == 2


def test_a_target_has_its_query_on_every_path() -> None:
    """Also behind a path that has one."""
    there = target("openai_chat", query="api-version=2024-10-21")
    path = load_dialect("openai_chat").encode(Request(messages=ASK), there).url.path
    assert path == "/v1/chat/completions?api-version=2024-10-21"
    there = target("gemini", query="x=1")
    path = load_dialect("gemini").encode(Request(messages=ASK), there).url.path
    assert path.endswith(":streamGenerateContent?alt=sse&x=1")


def test_embeddings_take_text_alone() -> None:
    """One input for each message; tools are refused."""
    assert body_of("openai_embeddings")["input"] == "Look."
    with pytest.raises(UsageError, match="no tools"):
        body_of("openai_embeddings", tools=(TOOL,))
