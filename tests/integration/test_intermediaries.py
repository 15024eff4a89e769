"""nginx, HAProxy and mitmproxy between a run and its server: only buffering is found."""

import os
from typing import Any

import pytest
from tests.support.intermediary import INTERMEDIARIES, between, program

from llm_latency_lens.load import Load
from llm_latency_lens.model.result import Result
from llm_latency_lens.profiler import Profiler, run
from llm_latency_lens.simulator.fault import parse_fault
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

STREAM = {"ttft": parse_latency("100ms"), "itl": parse_latency("20ms"), "tokens": 25}
CLOSED = {
    **STREAM,
    "itl": parse_latency("5ms"),
    "tokens": 40,
    "faults": (parse_fault("close-delimited"),),
}
"""nginx passes chunks on at once; it fills its buffer where the upstream closes the connection."""

NAMES = ("buffered delivery", "delayed first token")

BUFFERING: list[tuple[str, dict[str, Any], str, float]] = [
    ("nginx, proxy_buffering on", CLOSED, "delayed first token", 0.085),
    ("haproxy", STREAM, "delayed first token", 0.200),
    ("mitmproxy", STREAM, "buffered delivery", 1.0),
]
"""Where a stream is held: the check that finds it, and the delay or share that it states."""

STREAMING: list[tuple[str, dict[str, Any]]] = [
    ("nginx, proxy_buffering off", CLOSED),
    ("nginx, proxy_buffering on", STREAM),
    ("haproxy, option http-no-delay", STREAM),
    ("mitmproxy, stream_large_bodies", STREAM),
]


def measured(name: str, spec: dict[str, Any]) -> Result:
    """A run through an intermediary; skipped where the program is missing and not required."""
    if not program(INTERMEDIARIES[name].program) and not os.environ.get("LLL_REQUIRE_REAL"):
        pytest.skip(f"{INTERMEDIARIES[name].program} is not installed; .ci/run installs it")
    with SimulatorProcess(SimulatorSpec(**spec)) as server, between(name, server.port) as base_url:
        profiler = Profiler("openai:sim", base_url=base_url, environment={})
        result = run(profiler.benchmark(Load(requests=30, concurrency=10, seed=1), "hello"))
    assert result.outcomes["ok"] == 30
    return result


@pytest.mark.parametrize(("name", "spec", "check", "value"), BUFFERING)
def test_w37_a_stream_that_is_held_is_not_valid(
    name: str, spec: dict[str, Any], check: str, value: float
) -> None:
    """TTFT is INVALID, with the amount; a proxy is named only where a header names it."""
    result = measured(name, spec)
    found = next(one for one in result.quality.checks if one.name == check)
    assert result.metrics["ttft"].verdict == "INVALID"
    assert found.value == pytest.approx(value, rel=0.15)
    if check == "buffered delivery":
        assert "tpot" not in result.metrics or result.metrics["tpot"].verdict == "INVALID"
    if name.startswith("nginx"):
        assert "nginx/" in found.words
        assert "(server header) stands between" in found.words
    else:
        assert "no response header names an intermediary" in found.words


@pytest.mark.parametrize(("name", "spec"), STREAMING)
def test_a_stream_that_is_passed_on_is_not_accused(name: str, spec: dict[str, Any]) -> None:
    """The same programs, streaming: neither check fires, and nothing else names an intermediary."""
    result = measured(name, spec)
    texts = [text for c in result.quality.checks for text in (c.name, c.words, c.remedy)]
    assert not set(NAMES) & {one.name for one in result.quality.checks}
    assert not [text for text in texts if "intermediary" in text or "stands between" in text]
    assert not [c for c in result.quality.checks if c.id == "Q8" and "ttft" in c.metrics]
    assert result.metrics["ttft"].verdict != "INVALID"
