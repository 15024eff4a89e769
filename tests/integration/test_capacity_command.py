"""`--find-capacity` and `--until-precise` against real servers whose queue and spread are known."""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.command import lll

from llm_latency_lens.simulator.batching import parse_batching
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorProcess]:
    """Eight slots, each answer of three tokens in some 15 ms: idle at 40/s."""
    model = parse_batching("prefill=100000tok/s,step=4ms+0.25ms*batch,slots=8")
    with SimulatorProcess(SimulatorSpec(batching=model, tokens=3)) as process:
        yield process


def searched(server: SimulatorProcess, slo: str, cwd: pathlib.Path) -> tuple[int, dict[str, Any]]:
    """A search from 40/s to 80/s; its exit code and its document."""
    words = ["benchmark", "openai:sim", "--base-url", server.base_url, "-p", "hello", "--json"]
    search = ["--find-capacity", "--slo", slo, "--rate", "40/s", "--max-rate", "80/s"]
    found = lll(*words, *search, "--step-requests", "1000", cwd=cwd, timeout=170)
    document: dict[str, Any] = json.loads(found.out)
    return found.code, document


def test_a_server_that_holds_the_most_that_is_tried(
    server: SimulatorProcess, tmp_path: pathlib.Path
) -> None:
    """The highest rate that is tried keeps the objective, three times; the steps are stored and shown."""
    code, document = searched(server, "ttft.p90<200ms", tmp_path)
    assert code == 0, document["steps"]
    # On a machine that is busy elsewhere the client may not have been able to make 80/s in time.
    passed = document["passed"]
    assert document["failed"] is None
    assert 20.0 <= passed <= 80.0
    assert sum(s["rate"] == passed and s["judgement"] == "pass" for s in document["steps"]) >= 3
    shown = lll("runs", "show", "last", cwd=tmp_path)
    assert "holds at least" in shown.out


def test_an_objective_that_nothing_keeps_ends_the_search_at_once(
    server: SimulatorProcess, tmp_path: pathlib.Path
) -> None:
    """A first token takes 4 ms: 1 ms fails at 40/s, with less than one request under way; exit 3."""
    code, document = searched(server, "ttft.p95<1ms", tmp_path)
    assert code == 3
    assert (document["passed"], document["failed"]) == (None, 40.0)
    assert "one request at a time" in document["why"]
    assert document["end"] == "alone"
    assert document["steps"][0]["requests"] < 100


def test_a_run_ends_when_it_knows_enough(tmp_path: pathlib.Path) -> None:
    """A spread of 20 %: +-10 % of the median takes some hundred requests, not the 5,000 allowed; too few exit 5."""
    spec = SimulatorSpec(
        ttft=parse_latency("lognormal:8ms,0.2"), itl=parse_latency("1ms"), tokens=4
    )
    with SimulatorProcess(spec) as server:
        words = ["benchmark", "openai:sim", "--base-url", server.base_url, "-p", "hello", "-c", "4"]
        found = lll(
            *words, "-n", "5000", "--until-precise", "ttft.p50+-10%", "--json", cwd=tmp_path
        )
        few = lll(*words, "-n", "40", "--until-precise", "ttft.p99+-1%", cwd=tmp_path)
    assert found.code == 0, found.err
    document = json.loads(found.out)
    assert document["precision"]["reached"]
    assert document["precision"]["width"] <= 0.1
    assert 20 <= document["outcomes"]["ok"] < 1000
    assert few.code == 5
    assert "no interval yet" in few.out


def test_what_a_reached_goal_left_unsent_is_no_failure(tmp_path: pathlib.Path) -> None:
    """A run of 5,000 that ended early: all of what was offered is good, at the end and read again."""
    spec = SimulatorSpec(
        ttft=parse_latency("lognormal:8ms,0.2"), itl=parse_latency("1ms"), tokens=4
    )
    with SimulatorProcess(spec) as server:
        words = ["benchmark", "openai:sim", "--base-url", server.base_url, "-p", "hello", "-c", "4"]
        aim = ["--until-precise", "ttft.p50+-20%", "--goodput", "e2e<60s", "--allow-invalid"]
        found = lll(*words, "-n", "5000", *aim, "--json", cwd=tmp_path)
    document = json.loads(found.out)
    assert document["outcomes"]["not_sent"] > 3000
    assert document["goodput"]["ratio"] == 1.0
    assert document["goodput"]["by_limit"][0]["missed"] == 0
    require = "success_rate>=50%,goodput.ratio>=50%"
    for command in (["gate", "last", "--require"], ["analyze", "last", "--sla"]):
        held = lll(*command, require, cwd=tmp_path)
        assert held.code == 0, held.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--find-capacity"], "needs --slo"),
        (["--slo", "ttft.p95<1s"], "goes with --find-capacity"),
        (["--find-capacity", "--slo", "ttft<1s"], "is not an objective"),
        (["--find-capacity", "--slo", "ttft.p95<1s", "-c", "4"], "--concurrency contradicts"),
        (
            ["--find-capacity", "--slo", "ttft.p95<1s", "--rate", "1/s", "--max-rate", "0.5/s"],
            "--max-rate must be above",
        ),
        (
            ["--find-capacity", "--slo", "ttft.p99.9<1s"],
            "set --step-requests to",
        ),
        (["--until-precise", "ttft"], "is not a precision"),
        (
            ["--until-precise", "tpot.p50+-5%", "--no-stream"],
            "an answer that is not streamed has no tpot",
        ),
    ],
)
def test_contradictions_are_refused(tmp_path: pathlib.Path, words: list[str], said: str) -> None:
    """Before anything is sent."""
    found = lll(
        "benchmark",
        "openai:m",
        "--base-url",
        "http://127.0.0.1:9/v1",
        "-p",
        "x",
        *words,
        cwd=tmp_path,
    )
    assert (found.code, found.out) == (2, "")
    assert said in found.err
