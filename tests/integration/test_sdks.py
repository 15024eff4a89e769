"""The official SDKs read what our simulator writes: text, usage and finish reason, streamed and not.

This is the proof that the dialects are the providers' own: the SDKs know nothing of this project.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import Struct

from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

KEY = "sk-test-0123456789abcdef"
PROMPT = "count these four words"
WORDS = (" the", " quick", " brown", " fox", " jumps", " over", " a", " dog")
TOKENS, THINKING, CACHED = 10, 3, 2


class Read(Struct):
    """What an SDK made of an answer; usage is what it said last."""

    text: str = ""
    reasoning: str = ""
    finish: str = ""
    input: int | None = None
    output: int | None = None


def said(first: int, last: int) -> str:
    """The words of tokens `first` to `last`."""
    return "".join(WORDS[i % 8] for i in range(first, last))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A simulator that thinks before it speaks."""
    spec = SimulatorSpec(
        ttft=parse_latency("5ms"),
        itl=parse_latency("1ms"),
        tokens=TOKENS,
        thinking=THINKING,
        cached=CACHED,
    )
    with SimulatorProcess(spec) as process:
        yield process.address


def openai_chat(server: str, *, stream: bool) -> Read:
    """openai, chat completions."""
    from openai import OpenAI

    return _openai_chat(OpenAI(base_url=f"{server}/v1", api_key=KEY, max_retries=0), stream=stream)


def azure_chat(server: str, *, stream: bool) -> Read:
    """Openai's AzureOpenAI, by deployment."""
    from openai import AzureOpenAI

    client = AzureOpenAI(
        azure_endpoint=server, api_key=KEY, api_version="2024-10-21", max_retries=0
    )
    return _openai_chat(client, stream=stream)


def azure_v1(server: str, *, stream: bool) -> Read:
    """Openai on Azure's v1 path."""
    from openai import OpenAI

    client = OpenAI(base_url=f"{server}/openai/v1/", api_key=KEY, max_retries=0)
    return _openai_chat(client, stream=stream)


def _openai_chat(client: Any, *, stream: bool) -> Read:  # noqa: ANN401 - either client
    messages = [{"role": "user", "content": PROMPT}]
    read = Read()
    if not stream:
        whole = client.chat.completions.create(model="m", messages=messages)
        message = whole.choices[0].message
        read.text, read.reasoning = message.content, message.reasoning_content
        read.finish = whole.choices[0].finish_reason
        read.input, read.output = whole.usage.prompt_tokens, whole.usage.completion_tokens
        return read
    options = {"include_usage": True}
    for chunk in client.chat.completions.create(
        model="m", messages=messages, stream=True, stream_options=options
    ):
        for choice in chunk.choices:
            read.text += choice.delta.content or ""
            read.reasoning += getattr(choice.delta, "reasoning_content", None) or ""
            read.finish = choice.finish_reason or read.finish
        if chunk.usage:
            read.input, read.output = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
    return read


def openai_responses(server: str, *, stream: bool) -> Read:
    """openai, responses."""
    from openai import OpenAI

    client = OpenAI(base_url=f"{server}/v1", api_key=KEY, max_retries=0)
    if stream:
        with client.responses.stream(model="m", input=PROMPT) as events:
            seen = [event.delta for event in events if event.type == "response.output_text.delta"]
            whole = events.get_final_response()
        assert "".join(seen) == whole.output_text
    else:
        whole = client.responses.create(model="m", input=PROMPT)
    thoughts = [
        part.text for item in whole.output if item.type == "reasoning" for part in item.summary
    ]
    assert whole.usage is not None
    return Read(
        text=whole.output_text,
        reasoning="".join(thoughts),
        finish={"completed": "stop"}.get(whole.status or "", whole.status or ""),
        input=whole.usage.input_tokens,
        output=whole.usage.output_tokens,
    )


def anthropic_messages(server: str, *, stream: bool) -> Read:
    """Anthropic."""
    from anthropic import Anthropic

    client = Anthropic(base_url=server, api_key=KEY, max_retries=0)
    asked: dict[str, Any] = {
        "model": "m",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": PROMPT}],
    }
    if stream:
        with client.messages.stream(**asked) as events:
            text = "".join(events.text_stream)
            whole = events.get_final_message()
        assert text == whole.content[-1].text
    else:
        whole = client.messages.create(**asked)
    usage = whole.usage
    return Read(
        text=whole.content[-1].text,
        reasoning=whole.content[0].thinking,
        finish={"end_turn": "stop"}.get(whole.stop_reason or "", ""),
        input=usage.input_tokens + usage.cache_read_input_tokens,
        output=usage.output_tokens,
    )


def gemini(server: str, *, stream: bool) -> Read:
    """google-genai against the Gemini API."""
    from google import genai
    from google.genai import types

    return _gemini(
        genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=server)), stream=stream
    )


def vertex(server: str, *, stream: bool) -> Read:
    """google-genai against Vertex AI."""
    from google import genai
    from google.genai import types
    from google.oauth2.credentials import Credentials

    client = genai.Client(
        vertexai=True,
        project="p",
        location="us-central1",
        credentials=Credentials(token=KEY),  # type: ignore[no-untyped-call] # as it is published
        http_options=types.HttpOptions(base_url=server),
    )
    return _gemini(client, stream=stream)


def _gemini(client: Any, *, stream: bool) -> Read:  # noqa: ANN401 - imported late
    models = client.models
    chunks = (
        models.generate_content_stream(model="m", contents=PROMPT)
        if stream
        else [models.generate_content(model="m", contents=PROMPT)]
    )
    read = Read()
    for chunk in chunks:
        candidate = chunk.candidates[0]
        for part in candidate.content.parts:
            if part.thought:
                read.reasoning += part.text
            else:
                read.text += part.text or ""
        if candidate.finish_reason:
            read.finish = {"STOP": "stop"}.get(candidate.finish_reason.name, "")
        usage = chunk.usage_metadata
        read.input = usage.prompt_token_count
        read.output = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    return read


def bedrock(server: str, *, stream: bool) -> Read:
    """boto3, signed."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=server,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key=KEY,
        config=Config(retries={"max_attempts": 1}),
    )
    asked = {
        "modelId": "vendor.model-v1:0",
        "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
    }
    read = Read()
    if not stream:
        whole = client.converse(**asked)
        for block in whole["output"]["message"]["content"]:
            read.text += block.get("text", "")
            thought = block.get("reasoningContent", {}).get("reasoningText", {})
            read.reasoning += thought.get("text", "")
        read.finish, usage = whole["stopReason"], whole["usage"]
    else:
        usage = {}
        for event in client.converse_stream(**asked)["stream"]:
            delta = event.get("contentBlockDelta", {}).get("delta", {})
            read.text += delta.get("text", "")
            read.reasoning += delta.get("reasoningContent", {}).get("text", "")
            read.finish = event.get("messageStop", {}).get("stopReason", read.finish)
            usage = event.get("metadata", {}).get("usage", usage)
    read.finish = {"end_turn": "stop"}[read.finish]
    read.input = usage["inputTokens"] + usage["cacheReadInputTokens"]
    read.output = usage["outputTokens"]
    return read


def mistral(server: str, *, stream: bool) -> Read:
    """Mistralai."""
    from mistralai.client import Mistral

    client = Mistral(api_key=KEY, server_url=f"{server}/mistral")
    messages: Any = [{"role": "user", "content": PROMPT}]
    read = Read(reasoning=said(0, THINKING))
    if not stream:
        whole = client.chat.complete(model="m", messages=messages)
        read.text, read.finish = whole.choices[0].message.content, whole.choices[0].finish_reason
        read.input, read.output = whole.usage.prompt_tokens, whole.usage.completion_tokens
        return read
    for event in client.chat.stream(model="m", messages=messages):
        for choice in event.data.choices:
            content = choice.delta.content
            read.text += content if isinstance(content, str) else ""
            read.finish = choice.finish_reason or read.finish
        if event.data.usage:
            read.input, read.output = (
                event.data.usage.prompt_tokens,
                event.data.usage.completion_tokens,
            )
    return read


def cohere(server: str, *, stream: bool) -> Read:
    """cohere, version 2."""
    import cohere as sdk

    client = sdk.ClientV2(api_key=KEY, base_url=server)
    messages: Any = [{"role": "user", "content": PROMPT}]
    read = Read()
    if not stream:
        whole = client.chat(model="m", messages=messages)
        for block in whole.message.content or ():
            read.text += getattr(block, "text", None) or ""
            read.reasoning += getattr(block, "thinking", None) or ""
        read.finish, usage = whole.finish_reason, whole.usage
    else:
        usage = None
        for event in client.chat_stream(model="m", messages=messages):
            if event.type == "content-delta":
                content: Any = event.delta.message.content
                read.text += content.text or ""
                read.reasoning += getattr(content, "thinking", None) or ""
            elif event.type == "message-end":
                read.finish, usage = event.delta.finish_reason, event.delta.usage
    assert usage is not None
    assert usage.tokens is not None
    read.finish = {"COMPLETE": "stop"}[read.finish]
    read.input, read.output = int(usage.tokens.input_tokens), int(usage.tokens.output_tokens)
    return read


def ollama(server: str, *, stream: bool) -> Read:
    """Ollama."""
    from ollama import Client

    client = Client(host=server)
    messages = [{"role": "user", "content": PROMPT}]
    read = Read()
    if stream:
        chunks: Any = client.chat(model="m", messages=messages, stream=True)
    else:
        chunks = [client.chat(model="m", messages=messages)]
    for chunk in chunks:
        read.text += chunk.message.content or ""
        read.reasoning += chunk.message.thinking or ""
        if chunk.done:
            read.finish = chunk.done_reason
            read.input, read.output = chunk.prompt_eval_count, chunk.eval_count
    return read


SDKS: list[Callable[..., Read]] = [
    openai_chat,
    azure_chat,
    azure_v1,
    openai_responses,
    anthropic_messages,
    gemini,
    vertex,
    bedrock,
    mistral,
    cohere,
    ollama,
]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.__name__)
@pytest.mark.filterwarnings("ignore")
def test_the_sdk_reads_the_simulator(
    server: str, sdk: Callable[..., Read], *, stream: bool
) -> None:
    """Text, reasoning, finish reason and usage are those that were told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = sdk(server, stream=stream)
    assert read.text == said(THINKING, TOKENS)
    assert read.reasoning == said(0, THINKING)
    assert read.finish == "stop"
    assert (read.input, read.output) == (len(PROMPT.split()), TOKENS)
