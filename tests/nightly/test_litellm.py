"""Our decoders read what the LiteLLM proxy sends over a real model: chat, Responses, Anthropic, Gemini."""

import os
import pathlib
from collections.abc import Iterator

import pytest
from tests.support.litellm_proxy import KEY, litellm_proxy
from tests.support.llama_server import llama_server

from llm_latency_lens.load import Load
from llm_latency_lens.model.record import OutcomeKind
from llm_latency_lens.model.request import Request
from llm_latency_lens.profiler import Profiler, run
from llm_latency_lens.workload.workload import Workload, of_prompts

pytestmark = pytest.mark.skipif(
    not os.environ.get("LLL_NIGHTLY"), reason="installs 600 MB; run it with: make nightly"
)
ENVIRONMENT = {
    "LITELLM_API_KEY": KEY,
    "OPENAI_API_KEY": KEY,
    "ANTHROPIC_API_KEY": KEY,
    "GEMINI_API_KEY": KEY,
}
PATHS = {
    "litellm": "/v1",
    "openai-responses": "/v1",
    "anthropic": "/v1",
    "gemini": "/v1beta",
}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The proxy over llama.cpp over a random-weight model."""
    folder: pathlib.Path = tmp_path_factory.mktemp("litellm")
    with llama_server() as upstream, litellm_proxy(upstream, folder) as address:
        yield address


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("provider", PATHS)
def test_the_proxys_bytes_are_read(proxy: str, provider: str, *, stream: bool) -> None:
    """Tokens, usage and the end, in each of the four languages."""
    profiler = Profiler(
        f"{provider}:tiny", base_url=proxy + PATHS[provider], environment=ENVIRONMENT
    )
    workload = Workload(
        conversations=of_prompts(("Hello there",)),
        wish=Request(messages=(), max_tokens=16, stream=stream),
    )
    record = run(profiler.profile(workload)).record
    assert record.outcome.kind is OutcomeKind.OK, record.outcome
    if provider == "gemini" and stream:
        # The proxy's Gemini streams say that nothing was counted, whatever was generated.
        assert record.tokens.source == "chunks"
        assert "usage_contradictory" in record.flags
    else:
        assert (record.tokens.source, record.tokens.output) == ("usage", 16)
        assert record.tokens.input
    assert record.tokens.events >= (5 if stream else 1)
    assert record.first_kind == "text"


def test_load_through_the_proxy(proxy: str) -> None:
    """Many at once: every request is accounted for, none is lost."""
    profiler = Profiler("litellm:tiny", base_url=proxy + "/v1", environment=ENVIRONMENT)
    workload = Workload(
        conversations=of_prompts(("Hello there",)), wish=Request(messages=(), max_tokens=8)
    )
    result = run(profiler.benchmark(Load(requests=20, concurrency=4), workload))
    assert result.outcomes["ok"] == 20
