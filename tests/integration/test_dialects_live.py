"""Every provider measured against the simulator at its own paths; the ledger is the truth."""

import os
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from llm_latency_lens.interpret.interpret import Subject, interpret
from llm_latency_lens.metrics.definitions import BY_NAME
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.model.recording import Attempt, Recording
from llm_latency_lens.model.request import HttpRequest, Limits, Request, Tool, Url
from llm_latency_lens.profiler import Profiler, run
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec
from llm_latency_lens.transport.exchange import LiveTransport
from llm_latency_lens.workload.workload import Workload, of_prompts

KEY = "sk-test-0123456789abcdef"
ENVIRONMENT = {
    "OPENAI_API_KEY": KEY,
    "ANTHROPIC_API_KEY": KEY,
    "GEMINI_API_KEY": KEY,
    "COHERE_API_KEY": KEY,
    "OLLAMA_API_KEY": KEY,
    "MISTRAL_API_KEY": KEY,
    "AZURE_OPENAI_API_KEY": KEY,
    "GOOGLE_OAUTH_ACCESS_TOKEN": KEY,
    "GOOGLE_CLOUD_PROJECT": "p",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": KEY,
    "AWS_REGION": "us-east-1",
}
DATED = {**ENVIRONMENT, "OPENAI_API_VERSION": "2024-10-21"}
BEARER = {**ENVIRONMENT, "AWS_BEARER_TOKEN_BEDROCK": KEY}
PROVIDERS: dict[str, tuple[str, str, dict[str, str]]] = {
    "openai": ("openai", "/v1", ENVIRONMENT),
    "openai-responses": ("openai-responses", "/v1", ENVIRONMENT),
    "anthropic": ("anthropic", "/v1", ENVIRONMENT),
    "gemini": ("gemini", "/v1beta", ENVIRONMENT),
    "vertex": ("vertex", "/v1", ENVIRONMENT),
    "bedrock": ("bedrock", "", ENVIRONMENT),
    "bedrock-bearer": ("bedrock", "", BEARER),
    "azure-v1": ("azure", "", ENVIRONMENT),
    "azure-deployment": ("azure", "", DATED),
    "cohere": ("cohere", "/v2", ENVIRONMENT),
    "ollama": ("ollama", "", ENVIRONMENT),
    "mistral": ("mistral", "/mistral/v1", ENVIRONMENT),
}


@pytest.fixture(scope="module")
def thinker() -> Iterator[SimulatorProcess]:
    """A server that demands the key, thinks first and calls a tool where it is offered one."""
    os.environ["LLL_TEST_KEY"] = KEY
    spec = SimulatorSpec(
        ttft=parse_latency("20ms"),
        itl=parse_latency("1ms"),
        tokens=12,
        thinking=4,
        cached=2,
        calls_tools=True,
        key_env="LLL_TEST_KEY",
    )
    with SimulatorProcess(spec) as process:
        yield process
    del os.environ["LLL_TEST_KEY"]


def measured(server: SimulatorProcess, name: str, **wish: Any) -> Record:  # noqa: ANN401 - any field
    """One request of a provider, measured."""
    provider, path, environment = PROVIDERS[name]
    profiler = Profiler(f"{provider}:sim", base_url=server.address + path, environment=environment)
    workload = Workload(
        conversations=of_prompts(("four words of prompt",)),
        wish=Request(messages=(), max_tokens=100, **wish),
        nonce=False,
    )
    return run(profiler.profile(workload)).record


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_stream_is_read_as_it_was_told(thinker: SimulatorProcess, name: str) -> None:
    """Tokens by kind, usage, finish reason, TTFT; the key is accepted as the provider wants it."""
    record = measured(thinker, name)
    assert record.outcome.kind is OutcomeKind.OK, record.outcome
    assert record.tokens.events == 12
    assert (record.tokens.input, record.tokens.output) == (4, 12)
    assert record.tokens.cached == (None if name == "ollama" else 2)
    assert record.tokens.source in {"usage", "usage_minus_hidden"}
    assert (record.first_kind, record.finish_reason) == ("reasoning", "stop")
    assert record.first_visible is not None
    assert record.first_token is not None
    assert record.first_visible >= record.first_token
    assert record.marks.sent is not None
    assert 20e6 <= record.first_token - record.marks.sent < 200e6
    assert record.response_id is not None
    assert record.response_id.startswith("sim-")
    told = record.server_total or record.server_until_response
    assert told is not None
    assert 0.015 <= told < 0.2
    assert not {"unknown_events", "no_end_marker"} & set(record.flags)


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_whole_answer_is_read_as_it_was_told(thinker: SimulatorProcess, name: str) -> None:
    """Without streaming: the same tokens, all at once."""
    record = measured(thinker, name, stream=False)
    assert record.outcome.kind is OutcomeKind.OK, record.outcome
    assert (record.tokens.input, record.tokens.output) == (4, 12)
    assert record.tokens.cached == (None if name == "ollama" else 2)
    assert (record.first_kind, record.finish_reason) == ("reasoning", "stop")
    assert len(record.arrivals) == 1


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_tool_call_is_read_as_it_was_told(thinker: SimulatorProcess, name: str) -> None:
    """W27: tool deltas are tokens, and the flag says so."""
    record = measured(thinker, name, tools=(Tool("find", "Finds."),))
    assert record.outcome.kind is OutcomeKind.OK, record.outcome
    assert "tool_call" in record.flags
    assert record.tokens.output == 12


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_wrong_key_is_an_auth_error_in_the_providers_words(
    thinker: SimulatorProcess, name: str
) -> None:
    """A signature by another secret is refused too; the key is nowhere in the record."""
    provider, path, environment = PROVIDERS[name]
    wrong = {key: value.replace(KEY, "sk-wrong-9876543210") for key, value in environment.items()}
    profiler = Profiler(f"{provider}:sim", base_url=thinker.address + path, environment=wrong)
    record = run(profiler.profile("x")).record
    assert (record.outcome.kind, record.outcome.cause) == (OutcomeKind.ERROR_HTTP, "auth")
    assert (
        record.outcome.detail
        == f"sent with {profiler.target.credential}: the key is wrong or missing"
    )
    assert b"sk-wrong" not in msgspec.json.encode(record)


def test_embeddings_are_measured_as_one_answer(thinker: SimulatorProcess) -> None:
    """No token, and yet a success: what is timed is the whole answer."""
    profiler = Profiler(
        "openai-embeddings:e", base_url=thinker.address + "/v1", environment=ENVIRONMENT
    )
    record = run(profiler.profile("embed these words")).record
    assert record.outcome.kind is OutcomeKind.OK, record.outcome
    assert (record.tokens.input, record.tokens.output) == (3, 0)
    assert record.first_token is None
    assert record.first_event is not None
    assert record.marks.sent is not None
    assert BY_NAME["ttft"].of(record) is None
    assert BY_NAME["e2e"].of(record) == (record.marks.ended - record.marks.sent) / 1e9


def test_geminis_array_form_streams_too(thinker: SimulatorProcess) -> None:
    """W33: without `alt=sse` the answer is an array that grows; each element is an event."""
    url = Url("http", "127.0.0.1", thinker.port, "/v1beta/models/sim:streamGenerateContent")
    body = b'{"contents": [{"role": "user", "parts": [{"text": "one two"}]}]}'
    headers = (("x-goog-api-key", KEY),)
    request = HttpRequest(method="POST", url=url, headers=headers, body=body)
    recording = run(exchanged(request))
    attempt = Attempt(
        number=0, phase="measure", worker=0, intended=0, dequeued=0, recording=recording
    )
    record = interpret(attempt, Subject(target="gemini:sim", dialect="gemini"))
    assert record.outcome.kind is OutcomeKind.OK, record.outcome
    assert (record.tokens.events, record.tokens.output) == (12, 12)
    assert len(record.arrivals) > 6


async def exchanged(request: HttpRequest) -> Recording:
    """One exchange over a live transport."""
    transport = LiveTransport()
    try:
        return await transport.exchange(request, Limits())
    finally:
        transport.close()
