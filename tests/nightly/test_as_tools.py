"""The real tools on one ledgered server: their files can be imported, and `--as` says what they say.

Needs their environments: LLL_PEERS=FOLDER, as `python -m benchmarks.peers --home FOLDER --setup` makes it.
"""

import os
import pathlib

import pytest
from benchmarks.peers.table import PEERS, Peer, Work
from benchmarks.peers.tree import run_on

from llm_latency_lens.load import Load
from llm_latency_lens.metrics.as_tools import as_tool
from llm_latency_lens.metrics.imports import read_import
from llm_latency_lens.model.record import Record
from llm_latency_lens.profiler import Profiler, run
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

HOME = pathlib.Path(os.environ.get("LLL_PEERS", "/nowhere"))
TOLD: dict[str, tuple[str, dict[str, str]]] = {
    "vllm": ("r.json", {"vllm:ttft": "TTFT", "tpot": "TPOT"}),
    "sglang": ("r.jsonl", {"sglang:ttft": "TTFT", "sglang:tpot": "TPOT"}),
    "aiperf": ("profile_export_aiperf.json", {"aiperf:time_to_first_token": "Time to First Token", "tpot": "Inter Token Latency"}),
    "guidellm": ("r.json", {"guidellm:time_to_first_token_ms": "TTFT", "tpot": "ITL", "guidellm:time_per_output_token_ms": "TPOT"}),
    "genai-bench": ("D*.json", {"genai-bench:ttft": "ttft", "genai-bench:tpot": "tpot"}),
    "evalscope": ("benchmark_summary.json", {"evalscope:ttft": "TTFT", "evalscope:tpot": "TPOT"}),
    "inference-perf": ("summary_lifecycle_metrics.json", {"inference-perf:time_to_first_token": "time_to_first_token", "tpot": "time_per_output_token"}),
    "llmeter": ("stats.json", {"llmeter:time_to_first_token": "time_to_first_token"}),
}  # fmt: skip
"""A tool's file, and what its imported numbers are called in the view of our records."""
CHOSEN = [peer for peer in PEERS if peer.name in TOLD]
SCALE = {"ms": 1e-3, "s": 1.0}

pytestmark = pytest.mark.skipif(
    not HOME.exists(), reason="needs the peers' environments; set LLL_PEERS (see benchmarks/peers)"
)


@pytest.mark.parametrize("peer", CHOSEN, ids=lambda peer: peer.name)
def test_a_real_tool_says_what_we_say_it_says(peer: Peer, tmp_path: pathlib.Path) -> None:
    """32 requests, 4 at once, 50 ms and 5 ms a token: imported and reckoned, within 15 ms or 5 %."""
    file, names = TOLD[peer.name]
    spec = SimulatorSpec(ttft=parse_latency("50ms"), itl=parse_latency("5ms"), tokens=32)
    records: list[Record] = []
    with SimulatorProcess(spec) as server:
        work = Work(base_url=server.base_url, concurrency=4, requests=32, tokens=32, out=tmp_path, home=HOME)  # fmt: skip
        env = {**dict(peer.env), **({"HF_HOME": str(HOME / "hub")} if peer.hub else {})}
        taken = run_on(0, peer.command(work), env, timeout=120)
        assert taken.code == 0, taken.words
        profiler = Profiler("openai:sim", base_url=server.base_url, environment={})
        run(profiler.benchmark(Load(requests=32, concurrency=4, workers=1), "w1", sinks=(records.append,)))  # fmt: skip
    (path,) = tmp_path.rglob(file)
    theirs = {one.name: one for one in read_import(peer.name, path.read_bytes(), str(path)).metrics}
    ours = {line.name: line for line in as_tool(peer.name, records).lines}
    for imported, reckoned in names.items():
        told, line = theirs[imported].mean, ours[reckoned]
        assert told is not None
        assert line.mean is not None
        mine = line.mean * SCALE[line.unit]
        tolerance = 0.015 if mine > 0.03 else 0.05 * mine
        assert told == pytest.approx(mine, abs=tolerance), imported
