"""From the command's options to what is asked, and back: tags, salts, lengths of single prompts."""

from tests.unit.test_checks import check

from llm_latency_lens.load import Load
from llm_latency_lens.profiler import Benchmark, Profiler, run
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec
from llm_latency_lens.workload.workload import Workload, of_prompts, request_for

SHORTER = "answers shorter than asked for"


def planned(salt: str | None = None) -> Benchmark:
    """A run with seed 1; nothing is sent."""
    profiler = Profiler("openai:m", base_url="http://127.0.0.1:1/v1", environment={})
    return profiler.prepare(Load(requests=3, seed=1, nonce_salt=salt), "hello")


def test_two_runs_with_one_seed_ask_different_prompts() -> None:
    """Else a server's prefix cache answers the second; the hash of the settings is the same."""
    first, other, again = planned(), planned(), planned("abc")
    prompts = [request_for(p.order.workload, "measure", 0).messages for p in (first, other, again)]
    assert len(set(prompts)) == 3
    assert first.header.spec_sha256 == other.header.spec_sha256 == again.header.spec_sha256
    assert first.header.schedule_sha256 == other.header.schedule_sha256
    assert again.header.spec["workload"]["salt"] == "abc"
    repeated = planned(str(first.header.spec["workload"]["salt"])).order.workload
    assert request_for(repeated, "measure", 0).messages == prompts[0]


def test_q15_a_server_that_ignores_min_tokens_is_found() -> None:
    """Q15: from the command's options to the check; each prompt has a length of its own."""
    quick = parse_latency("1ms")
    with SimulatorProcess(SimulatorSpec(ttft=quick, itl=quick, tokens=8)) as server:
        profiler = Profiler("vllm:sim", base_url=server.base_url, environment={})
        asked = Workload(
            conversations=of_prompts(("one", "two")),
            changes=({"min_tokens": 100, "max_tokens": 100}, {"min_tokens": 8, "max_tokens": 8}),
        )
        result = run(profiler.benchmark(Load(requests=40, concurrency=4), asked))
    found = check(result, SHORTER)
    assert found is not None
    assert "50% of answers" in found.words
    assert "8 tokens on average instead of 100" in found.words
