"""Whole runs against the simulator: the books balance, the ledger agrees, nothing is lost."""

import json
import os
import pathlib
import signal

import pytest
from tests.support.command import eventually, lll, start
from tests.support.hostile import hostile, request, send, silence

from llm_latency_lens.load import Load
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.model.request import Request
from llm_latency_lens.profiler import Profiler, run
from llm_latency_lens.runner.run import Run
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec
from llm_latency_lens.store.runs import open_run

QUICK = SimulatorSpec(ttft=parse_latency("20ms"), itl=parse_latency("2ms"), tokens=8)


def profiler(simulator: SimulatorProcess) -> Profiler:
    """A profiler of the simulator, without a key."""
    return Profiler("openai:sim", base_url=simulator.base_url, environment={})


@pytest.mark.parametrize(
    "load",
    [
        Load(concurrency=4, requests=24, workers=1, seed=1, warmup=0),
        Load(concurrency=5, requests=23, workers=2, seed=1, warmup=0),
        Load(concurrency=2, duration="400ms", workers=2, warmup=0),
        Load(rate="100/s", requests=30, workers=2, seed=3, warmup=0),
        Load(rate=80.0, duration="500ms", arrival="constant", workers=1, warmup=0),
        Load(rate="60/s", duration="10s", requests=20, warmup=5),
    ],
)
def test_the_books_balance_and_the_ledger_agrees(load: Load) -> None:
    """Every load shape, one worker and two: each planned request once in our records and in the ledger."""
    records: list[Record] = []
    with SimulatorProcess(QUICK) as simulator:
        result = run(profiler(simulator).benchmark(load, "Hello there", sinks=[records.append]))
        ledger = simulator.stop()
    measured = [record for record in records if record.phase == "measure"]
    assert len(measured) > 5
    assert sum(result.outcomes.values()) == result.offered.planned == len(measured)
    assert {record.outcome.kind for record in records} == {OutcomeKind.OK}
    numbers = sorted(record.number for record in measured)
    if load.requests or load.rate:
        assert numbers == list(range(len(measured)))
    else:  # each worker numbers its own, and one may get further than the other
        assert len(set(numbers)) == len(numbers)
    assert result.offered.warmup == load.warmup == len(records) - len(measured)
    entries = ledger.by_response_id()
    assert {record.response_id for record in records} == set(entries)
    assert (
        result.tokens.output
        == sum(record.tokens.events for record in measured)
        == 8 * len(measured)
    )
    assert result.throughput.max_in_flight <= (load.concurrency or 1000)


def test_open_loop_requests_leave_at_their_seeded_instants() -> None:
    """The ledger's arrivals have the schedule's gaps; the same seed plans the same, on any number of workers."""
    intended: list[list[int]] = []
    for workers in (1, 2):
        records: list[Record] = []
        with SimulatorProcess(QUICK) as simulator:
            load = Load(rate="100/s", requests=30, seed=11, workers=workers, warmup=0)
            run(profiler(simulator).benchmark(load, "x", sinks=[records.append]))
            entries = simulator.stop().by_response_id()
        records.sort(key=lambda record: record.number)
        first = records[0].intended
        intended.append([record.intended - first for record in records])
        arrived = [entries[record.response_id or ""].received for record in records]
        late = sorted(at - record.intended for at, record in zip(arrived, records, strict=True))
        assert late[0] >= 0
        assert late[len(late) // 2] < 20_000_000
    assert intended[0] == intended[1]


def test_closed_loop_slots_are_never_exceeded() -> None:
    """The server never saw more than the concurrency at once."""
    with SimulatorProcess(QUICK) as simulator:
        run(profiler(simulator).benchmark(Load(concurrency=3, requests=30, workers=2), "x"))
        ledger = simulator.stop()
    steps = sorted(
        [(e.received, 1) for e in ledger.entries] + [(e.sent[-1], -1) for e in ledger.entries]
    )
    level = most = 0
    for _, step in steps:
        level += step
        most = max(most, level)
    assert 2 <= most <= 3


def test_unstreamed_answers_are_measured_too() -> None:
    """One document each: tokens by usage, one arrival, an end and no first token."""
    from llm_latency_lens.workload.workload import Workload, of_prompts  # noqa: PLC0415

    workload = Workload(conversations=of_prompts(("x",)), wish=Request(messages=(), stream=False))
    records: list[Record] = []
    with SimulatorProcess(QUICK) as simulator:
        load = Load(requests=3, warmup=0)
        result = run(profiler(simulator).benchmark(load, workload, sinks=[records.append]))
    assert [record.tokens.output for record in records] == [8, 8, 8]
    assert {len(record.arrivals) for record in records} == {1}
    assert not {"ttft", "ttfvt", "ttfe", "tpot", "icl", "itl"} & result.metrics.keys()
    assert "coalesced reads" not in {check.name for check in result.quality.checks}
    ended = [r.marks.ended - (r.marks.sent or 0) for r in records]
    assert (result.metrics["e2e"].n, result.metrics["e2e"].max) == (3, max(ended) / 1e9)


def test_failures_are_records_with_outcomes_and_advice() -> None:
    """429 with Retry-After, as a status, a cause and a remedy; never in a latency."""
    body = b'{"error":{"message":"slow down","type":"rate_limit"}}'
    answer = (
        b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    )
    records: list[Record] = []
    with hostile(request(), send(answer + body), silence()) as server:
        client = Profiler("openai:m", base_url=f"http://127.0.0.1:{server.port}/v1", environment={})
        result = run(client.benchmark(Load(requests=1, warmup=0), "x", sinks=[records.append]))
    assert result.outcomes["error_http"] == 1
    assert (records[0].outcome.cause, records[0].outcome.detail, records[0].retry_after) == (
        "rate_limited",
        "slow down",
        7.0,
    )
    assert "ttft" not in result.metrics
    assert "--rate" in result.failures[0].advice


def test_l5_a_killed_worker_is_accounted_for() -> None:
    """L5: its requests under way are cancelled(worker lost), the rest not sent; the books balance."""
    slow = SimulatorSpec(ttft=parse_latency("5s"), itl=parse_latency("1ms"), tokens=2)
    runs: list[Run] = []
    with SimulatorProcess(slow) as simulator:

        async def killed() -> object:
            import asyncio  # noqa: PLC0415

            work = asyncio.create_task(
                profiler(simulator).benchmark(
                    Load(concurrency=4, requests=12, workers=1), "x", on_run=runs.append
                )
            )
            while not (runs and runs[0].started >= 4):
                await asyncio.wait([work], timeout=0.02)
                assert not work.done()
            os.kill(runs[0].worker_pids[0], signal.SIGKILL)
            return await asyncio.gather(work, return_exceptions=True)

        found = run(killed())
    assert isinstance(found, list)
    assert "has died" in str(found[0])


def test_ctrl_c_drains_reports_and_keeps(tmp_path: pathlib.Path) -> None:
    """First Ctrl-C: what is under way is finished and reported, the rest counts as not sent; exit 130."""
    with SimulatorProcess(QUICK) as simulator:
        arguments = (
            "benchmark",
            "openai:sim",
            "--base-url",
            simulator.base_url,
            "-p",
            "x",
            "--rate",
            "50/s",
            "--warmup",
            "0",
            "-n",
            "100000",
            "--json",
        )
        with start(*arguments, cwd=tmp_path) as process:
            eventually(lambda: records_so_far(tmp_path) > 10)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=30)
    result = json.loads(out)
    assert process.returncode == 130
    assert result["outcomes"]["ok"] > 10
    assert result["outcomes"]["not_sent"] > 90_000
    assert sum(result["outcomes"].values()) == 100_000
    assert open_run(tmp_path / "lll-runs", "last").status() == "complete"


def test_a_second_ctrl_c_stops_at_once(tmp_path: pathlib.Path) -> None:
    """What is under way ends as cancelled, long before its answer."""
    slow = SimulatorSpec(ttft=parse_latency("60s"), tokens=2)
    with SimulatorProcess(slow) as simulator:
        arguments = (
            "benchmark",
            "openai:sim",
            "--base-url",
            simulator.base_url,
            "-p",
            "x",
            "-c",
            "3",
            "--warmup",
            "0",
            "-n",
            "9",
            "--json",
        )
        with start(*arguments, cwd=tmp_path) as process:
            assert process.stderr is not None
            eventually(lambda: (tmp_path / "lll-runs").exists() and connections(simulator) >= 3)
            process.send_signal(signal.SIGINT)
            process.stderr.readline()
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=20)
    outcomes = json.loads(out)["outcomes"]
    assert (process.returncode, outcomes["cancelled"], outcomes["not_sent"]) == (130, 3, 6)


def test_a_killed_run_is_recovered(tmp_path: pathlib.Path) -> None:
    """Kill -9 of the whole command: `runs recover` gives the result of what was acknowledged."""
    with SimulatorProcess(QUICK) as simulator:
        arguments = (
            "benchmark",
            "openai:sim",
            "--base-url",
            simulator.base_url,
            "-p",
            "x",
            "--rate",
            "50/s",
            "--warmup",
            "0",
            "-n",
            "500",
        )
        with start(*arguments, cwd=tmp_path) as process:
            eventually(lambda: records_so_far(tmp_path) > 20)
            process.kill()
            process.wait()
    before = records_so_far(tmp_path)
    listed = json.loads(lll("runs", "list", "--json", cwd=tmp_path).out)
    assert [entry["status"] for entry in listed] == ["interrupted"]
    recovered = lll("runs", "recover", "last", "--json", cwd=tmp_path)
    outcomes = json.loads(recovered.out)["outcomes"]
    assert recovered.code == 0
    assert outcomes["ok"] == before
    assert sum(outcomes.values()) == 500


def records_so_far(folder: pathlib.Path) -> int:
    """Whole record lines in the journal of the only run."""
    return sum(
        line.endswith(b"\n") and b'"kind":"record"' in line
        for path in folder.glob("lll-runs/*/journal.jsonl")
        for line in path.read_bytes().splitlines(keepends=True)
    )


def connections(simulator: SimulatorProcess) -> int:
    """How many clients are connected to the simulator now (Linux)."""
    port = int(simulator.address.rpartition(":")[2])
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(
        line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines
    )
