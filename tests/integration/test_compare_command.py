"""`compare` as people run it, against two simulators whose difference is known."""

import json
import pathlib
from collections import Counter

from tests.support.command import lll

from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec


def spec(ttft: str) -> SimulatorSpec:
    """A quick server."""
    return SimulatorSpec(ttft=parse_latency(ttft), itl=parse_latency("1ms"), tokens=10)


def test_the_slower_of_two_servers_is_told(tmp_path: pathlib.Path) -> None:
    """30 ms against 40 ms: found, stored, shown again, recovered; each server was asked equally often."""
    with SimulatorProcess(spec("30ms")) as first, SimulatorProcess(spec("40ms")) as second:
        words = ["compare", "openai:sim", "openai:sim", "-p", "hi", "-n", "30", "-c", "2"]
        urls = ["--base-url", first.base_url, "--base-url", second.base_url]
        found = lll(*words, *urls, "--json", cwd=tmp_path)
        ledgers = [len(server.stop().entries) for server in (first, second)]
    assert found.code == 0, found.err
    document = json.loads(found.out)
    assert document["schema"] == "llm-latency-lens/comparison/1"
    primary = next(one for one in document["contrasts"] if one["primary"])
    assert (primary["finding"], primary["pairs"]) == ("more", 30)
    assert 1.25 < primary["ratio"] < 1.4
    assert ledgers == [32, 32]
    shown = lll("runs", "show", "last", cwd=tmp_path)
    assert "TTFT 3" in shown.out
    assert "slower" in shown.out
    again = lll("runs", "recover", "last", "--json", cwd=tmp_path)
    assert json.loads(again.out)["contrasts"] == document["contrasts"]


def test_a_server_against_itself_is_not_different(tmp_path: pathlib.Path) -> None:
    """Equivalent, by the interval; with too few pairs it says so and exits 5."""
    with SimulatorProcess(spec("30ms")) as server:
        words = ["compare", "openai:sim", "openai:sim", "--base-url", server.base_url, "-p", "hi"]
        found = lll(*words, "-n", "30", "--margin", "20%", "--json", cwd=tmp_path)
        few = lll(*words, "-n", "3", cwd=tmp_path)
    assert found.code == 0, found.err
    findings = Counter(one["finding"] for one in json.loads(found.out)["contrasts"] if one["ratio"])
    assert findings["more"] + findings["less"] == 0
    assert few.code == 5
    assert "needs 3 more pairs" in few.out


def test_wrong_questions_are_refused_before_anything_is_sent(tmp_path: pathlib.Path) -> None:
    """One target, three addresses for two, an unknown metric, a margin without its sign."""
    base = ["compare", "openai:a", "openai:b", "-p", "hi"]
    url = ["--base-url", "http://127.0.0.1:9/v1"]
    cases = [
        (["compare", "openai:a", "-p", "hi", *url], "takes 2 to 8 targets"),
        ([*base, *url, *url, *url], "3 times --base-url for 2 targets"),
        ([*base, *url, "--metric", "speed"], "can't be compared; choose from ttft"),
        ([*base, *url, "--metric", "ttft.p99"], "only p95"),
        ([*base, *url, "--margin", "5"], "write it like 5%"),
    ]
    for words, said in cases:
        found = lll(*words, cwd=tmp_path)
        assert (found.code, found.out) == (2, ""), words
        assert said in found.err
    assert not (tmp_path / "lll-runs").exists()
