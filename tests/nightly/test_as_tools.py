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
from llm_latency_lens.metrics.imports import READERS, read_import
from llm_latency_lens.model.record import Record
from llm_latency_lens.profiler import Profiler, run
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

HOME = pathlib.Path(os.environ.get("LLL_PEERS", "/nowhere"))
FILES = {"vllm": "r.json", "sglang": "r.jsonl", "aiperf": "profile_export_aiperf.json"}
TTFT = {"vllm": "TTFT", "sglang": "TTFT", "aiperf": "Time to First Token"}
PER_TOKEN = {"vllm": "TPOT", "sglang": "TPOT", "aiperf": "Inter Token Latency"}
CHOSEN = [peer for peer in PEERS if peer.name in FILES]

pytestmark = pytest.mark.skipif(
    not HOME.exists(), reason="needs the peers' environments; set LLL_PEERS (see benchmarks/peers)"
)


@pytest.mark.parametrize("peer", CHOSEN, ids=lambda peer: peer.name)
def test_a_real_tool_says_what_we_say_it_says(peer: Peer, tmp_path: pathlib.Path) -> None:
    """32 requests, 4 at once, 50 ms and 5 ms a token: imported and reckoned, TTFT within 15 ms, TPOT within 5 %."""
    spec = SimulatorSpec(ttft=parse_latency("50ms"), itl=parse_latency("5ms"), tokens=32)
    records: list[Record] = []
    with SimulatorProcess(spec) as server:
        work = Work(base_url=server.base_url, concurrency=4, requests=32, tokens=32, out=tmp_path, home=HOME)  # fmt: skip
        env = {**dict(peer.env), **({"HF_HOME": str(HOME / "hub")} if peer.hub else {})}
        taken = run_on(0, peer.command(work), env, timeout=120)
        assert taken.code == 0, taken.words
        profiler = Profiler("openai:sim", base_url=server.base_url, environment={})
        run(profiler.benchmark(Load(requests=32, concurrency=4, workers=1), "w1", sinks=(records.append,)))  # fmt: skip
    (path,) = tmp_path.rglob(FILES[peer.name])
    theirs = {one.name: one for one in read_import(peer.name, path.read_bytes(), str(path)).metrics}
    assert peer.name in READERS
    ours = {line.name: line for line in as_tool(peer.name, records).lines}
    first = next(one for name, one in theirs.items() if name.endswith(("ttft", "time_to_first_token")))  # fmt: skip
    each = next(one for name, one in theirs.items() if name.endswith("tpot"))
    told, reckoned = first.mean, ours[TTFT[peer.name]].mean
    assert told is not None
    assert reckoned is not None
    assert told == pytest.approx(reckoned / 1000.0, abs=0.015)
    per_token, mine = each.mean, ours[PER_TOKEN[peer.name]].mean
    assert per_token is not None
    assert mine is not None
    assert per_token == pytest.approx(mine / 1000.0, rel=0.05)
