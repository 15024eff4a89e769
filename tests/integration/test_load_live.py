"""The load on real sockets: what a closed loop omits, rates that are possible, warm-up, clean runs without a warning."""

import json
import pathlib
import re
from typing import Any

import pytest
from tests.support.command import lll
from tests.support.hostile import hostile
from tests.support.repetition import repetitions
from tests.support.whole_answers import SERVICE, whole_answers

from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

QUICK = SimulatorSpec(ttft=parse_latency("20ms"), itl=parse_latency("2ms"), tokens=16)


def benchmark(address: str, folder: pathlib.Path, *more: str) -> dict[str, Any]:
    """The result document of a run."""
    found = lll("benchmark", "openai:sim", "--base-url", address, "-p", "hello", "--json", *more, cwd=folder)  # fmt: skip
    document: dict[str, Any] = json.loads(found.out)
    return {**document, "exit": found.code}


def checks_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its checks by name."""
    return {check["name"]: check for check in document["quality"]["checks"]}


def test_a_closed_loop_tells_what_a_stalled_server_kept_it_from_sending(
    tmp_path: pathlib.Path,
) -> None:
    """Two seconds of silence on four slots: about 160 requests were not sent; an open loop sees the stall itself."""
    with whole_answers(stall=(0.7, 2.7)) as server:
        address = f"http://127.0.0.1:{server.port}/v1"
        closed = benchmark(address, tmp_path, "--no-stream", "-c", "4", "-n", "120")
    found = checks_of(closed)["coordinated omission"]
    assert found["verdict"] == "WARN"
    assert found["value"] == pytest.approx(4 * 2.0 / SERVICE, rel=0.15)
    assert "e2e" in found["metrics"]
    assert closed["metrics"]["e2e"]["p95"] < 0.2
    assert found["bound"] > 1.0
    with whole_answers(stall=(0.7, 2.7)) as server:
        address = f"http://127.0.0.1:{server.port}/v1"
        opened = benchmark(address, tmp_path, "--no-stream", "--rate", "75/s", "-d", "3s")
    assert "coordinated omission" not in checks_of(opened)
    assert opened["metrics"]["e2e"]["p95"] > 1.0


@pytest.mark.parametrize(("requests", "slots"), [(20, 8), (24, 8), (6, 2), (40, 16)])
def test_whole_answers_give_no_rate_beyond_what_is_possible(
    tmp_path: pathlib.Path, requests: int, slots: int
) -> None:
    """At most one answer of ten tokens a slot in 50 ms, and hardly less than over the whole run."""
    with whole_answers() as server:
        address = f"http://127.0.0.1:{server.port}/v1"
        found = benchmark(address, tmp_path, "--no-stream", "-n", str(requests), "-c", str(slots))
    rates, possible = found["throughput"], slots / SERVICE
    assert 0.7 * rates["wall_requests"] < rates["requests"] <= possible
    assert 0.7 * rates["wall_output_tokens"] < rates["output_tokens"] <= 10 * possible
    assert found["offered"]["achieved"] == pytest.approx(rates["requests"])


def test_the_same_clean_run_has_no_warning_and_the_same_exit_code(tmp_path: pathlib.Path) -> None:
    """Four runs with the defaults, ten at night: exit 0 each, and no check of the load objects to any."""
    alarms, codes = [], set()
    with SimulatorProcess(QUICK) as server:
        for turn in range(repetitions(4, nightly=10)):
            load = ("-c", "4", "-n", "100") if turn % 2 else ("--rate", "60/s", "-n", "100")
            found = benchmark(server.base_url, tmp_path, *load)
            codes.add(found["exit"])
            alarms += [
                (check["name"], check["words"])
                for check in found["quality"]["checks"]
                if check["verdict"] != "VALID" and check["id"] in {"Q3", "Q6", "Q9", "Q10", "Q11", "Q15"}
            ]  # fmt: skip
    assert codes == {0}
    assert not [alarm for alarm in alarms if alarm[0] != "schedule slip"], alarms


def test_a_run_warms_its_connections_up_and_says_what_that_cost(tmp_path: pathlib.Path) -> None:
    """One request for each slot, in the cost, within the limit, in no latency; `--warmup 0` sends none."""
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '[[price]]\nprovider = "openai"\nmodel = "sim"\ninput = "$1"\noutput = "$10"\n'
    )
    load = ("-c", "4", "-n", "20", "--max-tokens", "16", "--prices", str(prices), "--yes")
    with SimulatorProcess(QUICK) as server:
        found = benchmark(server.base_url, tmp_path, *load)
        shown = lll("runs", "show", "last", cwd=tmp_path)
        capped = benchmark(server.base_url, tmp_path, *load, "--max-cost", "$0.01")
        cold = benchmark(server.base_url, tmp_path, *load, "--warmup", "0")
        entries = len(server.stop().entries)
    assert (found["offered"]["warmup"], found["outcomes"]["ok"]) == (4, 20)
    assert found["quality"]["new_connections"] == 0
    assert 0 < float(found["cost"]["warmup"]) < float(found["cost"]["total"])
    assert re.search(r"4 warm-up requests before, in no latency; \$[\d.]+ of the\s+cost", shown.out)
    assert (cold["offered"]["warmup"], cold["quality"]["new_connections"] > 0) == (0, True)
    assert float(capped["cost"]["total"]) <= 0.01
    assert entries == 24 + capped["offered"]["warmup"] + capped["offered"]["sent"] + 20


def test_a_schedule_without_an_arrival_is_refused(tmp_path: pathlib.Path) -> None:
    """One request in ten seconds, for one second: nothing is sent, and what to change is said."""
    with hostile() as server:
        words = ["benchmark", "openai:m", "--base-url", f"http://127.0.0.1:{server.port}/v1", "-p", "x"]  # fmt: skip
        found = lll(*words, "--rate", "0.1/s", "-d", "1s", "--seed", "3", cwd=tmp_path)
        assert (found.code, found.out, server.accepted) == (2, "", 0)
    assert "no request would be sent" in found.err
    assert "--duration" in found.err


def test_the_headline_says_which_metric_is_wrong_and_why(tmp_path: pathlib.Path) -> None:
    """All requests succeeded and the run is INVALID: first what is wrong with which metric."""
    burst = SimulatorSpec(ttft=parse_latency("20ms"), itl=parse_latency("2ms"), tokens=2)
    with SimulatorProcess(burst) as server:
        words = ["benchmark", "openai:sim", "--base-url", server.base_url, "-p", "hello"]
        few = lll(*words, "-n", "4", cwd=tmp_path)
        failed = lll(*words, "-n", "4", "--base-url", "http://127.0.0.1:9/v1", cwd=tmp_path)
    assert "INSUFFICIENT: too few requests for TTFT, TPOT and end to end: 4 successful" in few.out
    headline = " ".join(failed.out.split())
    assert "stopped: the first 5 requests all failed alike, with error_connect/refused" in headline
    assert "0 of 4 requests succeeded" in headline
