"""`--find-capacity` against servers that are quick, overloaded, refusing, dying or silent."""

import json
import pathlib
import signal
from typing import Any

import pytest
from tests.support.bounded_server import Behaviour, BoundedServer
from tests.support.command import lll, start
from tests.support.repetition import SLOW

from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec


def words_for(base_url: str, slo: str, *more: str) -> list[str]:
    """The command line of a search."""
    target = ["benchmark", "openai:sim", "--base-url", base_url, "-p", "hi"]
    return [*target, "--find-capacity", "--slo", slo, *more]


def searched(
    behaviour: Behaviour, cwd: pathlib.Path, slo: str, *more: str
) -> tuple[int, dict[str, Any], int]:
    """The exit code, the document, and how many requests the server saw."""
    with BoundedServer(behaviour) as server:
        found = lll(*words_for(server.base_url, slo, *more), "--json", cwd=cwd, timeout=150)
        document: dict[str, Any] = json.loads(found.out)
        return found.code, document, server.requests


def test_a_quick_server_holds_at_least_the_highest_rate_within_thirty_seconds(
    tmp_path: pathlib.Path,
) -> None:
    """20 ms to the first token, a limit of 200 ms, up to 100/s: the answer stands first."""
    spec = SimulatorSpec(ttft=parse_latency("20ms"), itl=parse_latency("2ms"), tokens=16)
    with SimulatorProcess(spec) as server:
        words = words_for(server.base_url, "ttft.p95<200ms", "--max-rate", "100/s")
        found = lll(*words, cwd=tmp_path, timeout=30)
    assert found.code == 0, found.out + found.err
    answer = found.out.split("\n\n")[1]
    assert "holds at least 100/s" in answer
    assert "TTFT p95 2" in answer
    assert "(limit 200 ms)" in answer
    # What went on was said while it did, with the evidence and the bound of time.
    assert "for at most 30m 00s (--duration)" in found.err
    assert found.err.count("100/s: ") >= 3
    assert "of 1" in found.err
    assert "requests missed it" in found.err


@pytest.mark.parametrize(
    ("behaviour", "end", "said"),
    [
        (
            Behaviour(status=401),
            "unanswered",
            "sent with no key (the environment variable OPENAI_API_KEY",
        ),
        (Behaviour(status=404), "unanswered", "/v1/chat/completions: refused"),
        (Behaviour(status=503), "unanswered", "the server failed"),
        (Behaviour(status=429), "quota", "the provider's limit is reached"),
    ],
)
def test_a_server_that_answers_nothing_is_not_searched(
    tmp_path: pathlib.Path, behaviour: Behaviour, end: str, said: str
) -> None:
    """No request succeeds, sent one at a time: no load is made, and no rate is halved on and on."""
    code, document, requests = searched(behaviour, tmp_path, "ttft.p95<200ms")
    assert (code, document["end"], document["steps"]) == (3, end, [])
    assert said in document["why"]
    assert requests <= 5


def test_an_unreachable_server_is_told_at_once(tmp_path: pathlib.Path) -> None:
    """A closed port: exit 3 with what to do, and no step."""
    with BoundedServer(Behaviour()) as server:
        closed = server.base_url
    found = lll(*words_for(closed, "ttft.p95<200ms"), cwd=tmp_path)
    assert found.code == 3
    assert "nothing listens there" in found.out


def test_an_objective_on_a_metric_that_no_request_has(tmp_path: pathlib.Path) -> None:
    """Answers of one token have no TPOT: neither kept nor missed, so the search exits with 5."""
    code, document, requests = searched(Behaviour(tokens=1), tmp_path, "tpot.p95<50ms")
    assert (code, document["end"], document["failed"]) == (5, "metric", None)
    assert "neither kept nor missed" in document["why"]
    assert requests <= 5


@pytest.mark.parametrize(
    ("behaviour", "slo", "said"),
    [
        (Behaviour(tokens=30, gap_s=0.01, whole=True), "ttft.p95<600ms", "delivered whole"),
        (
            Behaviour(tokens=10, gap_s=0.02, word=" four words an event", counts=False),
            "tpot.p95<10ms",
            "stream events are counted for tokens",
        ),
    ],
)
def test_what_the_answers_do_not_tell_is_not_judged(
    tmp_path: pathlib.Path, behaviour: Behaviour, slo: str, said: str
) -> None:
    """A stream that comes whole has no TTFT, one without counts fails no TPOT: exit 4, no load."""
    code, document, requests = searched(behaviour, tmp_path, slo)
    assert (code, document["end"], document["steps"]) == (4, "untrusted", [])
    assert said in document["why"]
    assert requests <= 5


def test_a_server_that_dies_ends_the_search(tmp_path: pathlib.Path) -> None:
    """The port closes after the first step: no further rate is tried, and what passed is told."""
    behaviour = Behaviour(dies_after=130)
    search = ("--rate", "50/s", "--max-rate", "100/s")
    with BoundedServer(behaviour) as server:
        found = lll(*words_for(server.base_url, "ttft.p90<200ms", *search), cwd=tmp_path)
    assert found.code == 3, found.out
    assert "100/s undecided" in found.out or "100/s again undecided" in found.out
    assert "passed, and was not tested often enough" in " ".join(found.out.split())
    assert "the server no longer answers" in " ".join(found.out.split())


@SLOW
def test_a_server_that_falls_silent_does_not_hang_the_search(tmp_path: pathlib.Path) -> None:
    """Nothing ends for ten seconds: the load is broken off, long before requests time out."""
    behaviour = Behaviour(silent_after=9)
    code, document, _ = searched(behaviour, tmp_path, "ttft.p90<200ms", "--rate", "20/s")
    assert (code, document["end"], len(document["steps"])) == (3, "unanswered", 1)
    assert document["steps"][0]["reason"] == "silent"
    assert "no request ended for" in document["why"]


@SLOW
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_refuses_above_a_rate(tmp_path: pathlib.Path, status: int) -> None:
    """120/s are served: 60/s hold, 240/s fail; a 429 says that a quota is the bound."""
    behaviour = Behaviour(quota=120.0, burst=10.0, refusal=status)
    search = ("--rate", "60/s", "--max-rate", "240/s", "--step-requests", "300")
    code, document, _ = searched(behaviour, tmp_path, "ttft.p90<200ms", *search)
    assert code == 0, document["steps"]
    assert 60.0 <= document["passed"] < 150.0
    fails = [step for step in document["steps"] if step["judgement"] == "fail"]
    assert fails[0]["rate"] == 240.0
    assert f" {status}" in fails[0]["why"]
    assert all(step["why"] for step in document["steps"])
    shown = " ".join(lll("runs", "show", "last", cwd=tmp_path).out.split())
    if status == 429:
        assert document["passed"] < document["rate_limited_from"] <= 240.0
        assert "its quota is the bound, not its speed" in shown
    else:
        assert document["rate_limited_from"] is None
        assert "quota" not in shown


def test_a_server_that_is_overloaded_at_the_first_rate(tmp_path: pathlib.Path) -> None:
    """One slot of 10 ms: 400/s fail soon, and each lower rate is a quarter until one holds."""
    behaviour = Behaviour(first_s=0.005, slots=1)
    search = ("--rate", "400/s", "--max-rate", "800/s", "--duration", "6s")
    code, document, _ = searched(behaviour, tmp_path, "ttft.p90<300ms", *search)
    steps = document["steps"]
    assert (steps[0]["judgement"], steps[0]["rate"]) == ("fail", 400.0)
    assert steps[0]["requests"] < 300
    assert steps[1]["rate"] == 100.0
    assert code in {0, 5}
    assert document["passed"] is None or document["passed"] < 100.0


def test_a_step_that_no_time_is_left_for_is_not_begun(tmp_path: pathlib.Path) -> None:
    """At 1/s a p95 takes more than 20 s: said before it is tried, with how long it takes."""
    search = ("--rate", "1/s", "--max-rate", "10/s", "--duration", "20s")
    code, document, requests = searched(Behaviour(), tmp_path, "ttft.p95<200ms", *search)
    assert (code, document["end"], document["steps"]) == (5, "time", [])
    assert "the next step, 1/s, takes about 2m" in document["why"]
    assert requests <= 5


def test_an_interrupted_search_keeps_what_it_knows(tmp_path: pathlib.Path) -> None:
    """Ctrl-C after the first step: exit 130, the step is kept, and no other follows."""
    with BoundedServer(Behaviour()) as server:
        words = words_for(server.base_url, "ttft.p90<200ms", "--rate", "60/s", "--max-rate", "90/s")
        with start(*words, cwd=tmp_path) as process:
            assert process.stderr is not None
            while "60/s: pass" not in (line := process.stderr.readline()):
                assert line, "ended before its first step did"
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "60/s passed, and was not tested often enough: stopped by the user" in " ".join(
        out.split()
    )
