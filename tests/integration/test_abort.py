"""L6: a dead target is not hammered: few requests reach it, and the headline says why."""

import json
import pathlib

import pytest
from tests.support.command import lll

from llm_latency_lens.load import Load
from llm_latency_lens.profiler import Profiler, run
from llm_latency_lens.simulator.fault import parse_fault
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

QUICK = parse_latency("1ms")


def faulty(*faults: str) -> SimulatorProcess:
    """A quick server with these faults."""
    parsed = tuple(parse_fault(text) for text in faults)
    return SimulatorProcess(SimulatorSpec(ttft=QUICK, itl=QUICK, tokens=2, faults=parsed))


@pytest.mark.parametrize("load", [["-c", "4", "-d", "20s"], ["--rate", "500/s", "-d", "20s"]])
def test_l6_a_refused_key_ends_a_run_after_a_few_requests(
    tmp_path: pathlib.Path, load: list[str]
) -> None:
    """L6: exit 3, the cause in the headline, and fewer than twenty requests in the ledger."""
    with faulty("status:401") as server:
        words = ["benchmark", "openai:sim", "--base-url", server.base_url, "-p", "x", *load]
        found = lll(*words, "--workers", "2", "--warmup", "4", cwd=tmp_path)
        assert len(server.stop().entries) < 20
    headline = " ".join(found.out.split())
    assert found.code == 3, found.err
    assert (
        "stopped: the first 5 requests all failed alike, with error_http/auth (HTTP 401)"
        in headline
    )


def test_l6_a_closed_port_ends_a_run_and_its_document_says_so(tmp_path: pathlib.Path) -> None:
    """L6: the document has the condition and the failure; what was not sent was withheld."""
    words = ["benchmark", "openai:sim", "--base-url", "http://127.0.0.1:1/v1", "-p", "x"]
    found = lll(*words, "-n", "500", "-c", "4", "--json", cwd=tmp_path)
    document = json.loads(found.out)
    assert found.code == 3
    assert document["abort"]["failure"]["cause"] == "refused"
    assert document["offered"]["sent"] < 20
    assert document["offered"]["withheld"] == 500 - document["offered"]["sent"]


def test_l6_a_share_of_failures_ends_a_run_only_where_it_was_asked_for() -> None:
    """L6: half of the requests fail: the run goes on, unless a condition ends it."""
    with faulty("status:503@every=2") as server:
        profiler = Profiler("openai:sim", base_url=server.base_url, environment={})
        whole = run(profiler.benchmark(Load(requests=300, concurrency=4, workers=1), "x"))
        load = Load(requests=5000, concurrency=4, workers=1, abort_on="error_rate>20%")
        ended = run(profiler.benchmark(load, "x"))
    assert whole.abort is None
    assert whole.outcomes["error_http"] == 150
    assert ended.abort is not None
    assert ended.abort.condition == "error_rate>20%"
    assert ended.offered.sent < 2500


def test_l6_never_sends_every_request() -> None:
    """L6: failures can be measured on purpose, at full speed."""
    with faulty("status:401") as server:
        profiler = Profiler("openai:sim", base_url=server.base_url, environment={})
        load = Load(requests=150, concurrency=4, workers=1, abort_on="never")
        result = run(profiler.benchmark(load, "x"))
    assert result.abort is None
    assert result.outcomes["error_http"] == 150


def test_a_schedule_without_a_request_is_refused(tmp_path: pathlib.Path) -> None:
    """Nothing is sent, and no rate of nothing is printed."""
    words = ["benchmark", "openai:sim", "--base-url", "http://127.0.0.1:1/v1", "-p", "x"]
    found = lll(*words, "--rate", "0.1/s", "-d", "1s", "--seed", "3", cwd=tmp_path)
    assert (found.code, found.out) == (2, "")
    assert "no request would be sent" in found.err
