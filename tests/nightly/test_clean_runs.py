"""Three hundred real runs with nothing wrong: the self-check may call fewer than one in a hundred invalid."""

import os
from collections import Counter

import pytest

from llm_latency_lens import Load, Profiler, run
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

RUNS = 300
SPEC = SimulatorSpec(ttft=parse_latency("lognormal:30ms,0.2"), itl=parse_latency("gamma:3ms,4"), tokens=12)  # fmt: skip

pytestmark = pytest.mark.skipif(
    not os.environ.get("LLL_NIGHTLY"), reason="takes ten minutes; run it with: make nightly"
)


def test_q_fewer_than_one_clean_run_in_a_hundred_is_called_invalid() -> None:
    """Closed and open loops in turn, each of a hundred requests."""
    verdicts: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    with SimulatorProcess(SPEC) as server:
        profiler = Profiler("openai:sim", base_url=server.base_url, environment={})
        for seed in range(RUNS):
            if seed % 2:
                load = Load(rate=60, requests=100, workers=1, seed=seed)
            else:
                load = Load(concurrency=4, requests=100, workers=1, seed=seed)
            result = run(profiler.benchmark(load, "hello"))
            verdicts[result.verdict] += 1
            causes.update(one.name for one in result.quality.checks if one.verdict == "INVALID")
    assert verdicts["INVALID"] < RUNS / 100, causes
