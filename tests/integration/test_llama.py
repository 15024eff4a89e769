"""A real inference server: llama.cpp over a random-weight model; its own timings are the cross-check."""

import os
import pathlib
from collections.abc import Iterator

import pytest
from tests.support.command import lll
from tests.support.llama_server import llama_server

from llm_latency_lens.load import Load
from llm_latency_lens.model.record import OutcomeKind
from llm_latency_lens.model.request import Request
from llm_latency_lens.profiler import Profile, Profiler, run
from llm_latency_lens.workload.workload import Workload, of_prompts

if not os.environ.get("LLL_REQUIRE_REAL"):
    pytest.importorskip(
        "xllamacpp", reason="llama.cpp is not installed (pip install xllamacpp gguf)"
    )


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """The server, once for this module."""
    with llama_server() as url:
        yield url


def profiled(base_url: str, prompt: str, max_tokens: int) -> Profile:
    """One request."""
    workload = Workload(
        conversations=of_prompts((prompt,)),
        wish=Request(messages=(), max_tokens=max_tokens),
        nonce=False,
    )
    return run(Profiler("openai:tiny", base_url=base_url, environment={}).profile(workload))


def test_our_ttft_and_generation_agree_with_the_servers_own_timings(base_url: str) -> None:
    """TTFT is at least its prompt time and little more; generation spans what it says it took."""
    closest = []
    for turn in range(5):
        record = profiled(base_url, f"{turn} " + "tell me a story " * 60, 48).record
        assert record.outcome.kind is OutcomeKind.OK
        assert record.tokens.source == "usage"
        assert record.tokens.output == 48
        assert record.marks.sent is not None
        assert record.first_token is not None
        assert record.last_token is not None
        assert record.server_prompt is not None
        assert record.server_generation is not None
        ttft = (record.first_token - record.marks.sent) / 1e9
        assert ttft > record.server_prompt
        span = (record.last_token - record.first_token) / 1e9
        closest.append((ttft - record.server_prompt, abs(span - record.server_generation)))
    assert min(rest for rest, _ in closest) < 0.02
    assert min(difference for _, difference in closest) < 0.02


def test_the_prompt_cache_is_seen(base_url: str) -> None:
    """A repeated prompt is served from the cache, and the record says so."""
    prompt = "the same long words " * 40
    first, second = (profiled(base_url, prompt, 4).record for _ in range(2))
    assert second.tokens.cached is not None
    assert second.tokens.cached > (first.tokens.cached or 0)
    assert second.server_prompt is not None
    assert first.server_prompt is not None
    assert second.server_prompt < first.server_prompt


def test_a_nonce_keeps_the_cache_out(base_url: str) -> None:
    """Under load, every prompt begins differently: next to nothing comes from the cache."""
    workload = Workload(
        conversations=of_prompts(("the very same words " * 30,)),
        wish=Request(messages=(), max_tokens=4),
    )
    profiler = Profiler("openai:tiny", base_url=base_url, environment={})
    result = run(profiler.benchmark(Load(requests=8, concurrency=2), workload))
    assert result.outcomes["ok"] == 8
    assert result.tokens.input is not None
    assert (result.tokens.cached or 0) < 0.3 * result.tokens.input


def test_profile_prints_the_servers_account(base_url: str, tmp_path: pathlib.Path) -> None:
    """The command, as the README has it."""
    found = lll(
        "profile",
        "openai:tiny",
        "--base-url",
        base_url,
        "-p",
        "Hello",
        "--max-tokens",
        "8",
        cwd=tmp_path,
    )
    assert found.code == 0, found.err
    assert "server: prompt" in found.out
    assert "unexplained" in found.out


@pytest.mark.parametrize(
    ("provider", "first_kind"), [("anthropic", "text"), ("openai-responses", "text")]
)
def test_the_other_dialects_read_what_a_real_server_sends(
    base_url: str, provider: str, first_kind: str
) -> None:
    """llama.cpp speaks Anthropic's and the Responses API too: tokens, usage and the end, streamed and not."""
    environment = {"ANTHROPIC_API_KEY": "x" * 20, "OPENAI_API_KEY": "x" * 20}
    profiler = Profiler(f"{provider}:tiny", base_url=base_url, environment=environment)
    for stream in (True, False):
        workload = Workload(
            conversations=of_prompts(("Hello there",)),
            wish=Request(messages=(), max_tokens=12, stream=stream),
        )
        record = run(profiler.profile(workload)).record
        assert record.outcome.kind is OutcomeKind.OK, record.outcome
        assert (record.first_kind, record.tokens.source) == (first_kind, "usage")
        assert record.tokens.output == 12
        assert record.tokens.input
        assert "unknown_events" not in record.flags
        assert record.finish_reason in {"length", "stop"}
