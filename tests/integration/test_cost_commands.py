"""Money from end to end: the cap across workers against the ledger, estimates, consent, finished runs."""

import asyncio
import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal

import pytest
from tests.support.command import ENVIRONMENT, lll

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.cost.bound import worst_case
from llm_latency_lens.cost.price import Price
from llm_latency_lens.load import Load
from llm_latency_lens.profiler import Profiler, run
from llm_latency_lens.runner.books import Books
from llm_latency_lens.runner.messages import Order
from llm_latency_lens.runner.run import Run
from llm_latency_lens.simulator.fault import parse_fault
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec
from llm_latency_lens.workload.workload import Workload, of_prompts, request_for

PRICES = '[[price]]\nprovider = "openai"\nmodel = "sim"\ninput = "$2.50"\noutput = "$10"\n'
QUICK = SimulatorSpec(ttft=parse_latency("10ms"), itl=parse_latency("1ms"), tokens=20)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with a price file."""
    (tmp_path / "prices.toml").write_text(PRICES)
    return tmp_path


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorProcess]:
    """Answers of 20 tokens, whatever is allowed."""
    with SimulatorProcess(QUICK) as process:
        yield process


def asked(max_tokens: int = 30) -> Workload:
    """A short prompt with a limit."""
    wish = Workload(conversations=()).wish
    limited = type(wish)(messages=(), max_tokens=max_tokens)
    return Workload(conversations=of_prompts(("hello",)), wish=limited)


@pytest.mark.parametrize("workers", [1, 3])
def test_m1_the_cap_holds_across_workers(folder: pathlib.Path, workers: int) -> None:
    """M1: what the server's ledger says was generated costs less than the cap, and most of it was used."""
    cap = Decimal("0.02")
    with SimulatorProcess(QUICK) as server:
        profiler = Profiler(
            "openai:sim",
            base_url=server.base_url,
            environment={},
            prices=str(folder / "prices.toml"),
        )
        load = Load(requests=500, concurrency=6, workers=workers, max_cost="$0.02")
        result = run(profiler.benchmark(load, asked()))
        ledger = server.stop()
    truth = sum(
        (Decimal("2.5") * e.prompt_tokens + 10 * e.output_tokens) / 1_000_000
        for e in ledger.entries
    )
    assert result.cost is not None
    assert result.cost.cap is not None
    assert Decimal(result.cost.total or "NaN") == truth
    assert Decimal(result.cost.cap["spent"]) == truth
    assert truth <= cap
    assert truth > cap * Decimal("0.9")
    assert result.cost.cap["broke"]
    assert result.outcomes["not_sent"] == 500 - result.outcomes["ok"]
    assert sum(result.outcomes.values()) == 500


def test_m1_a_cap_that_is_enough_changes_nothing(
    folder: pathlib.Path, server: SimulatorProcess
) -> None:
    """M1: all are sent, the books balance, nothing is left reserved."""
    profiler = Profiler(
        "openai:sim", base_url=server.base_url, environment={}, prices=str(folder / "prices.toml")
    )
    load = Load(requests=40, concurrency=4, workers=2, warmup=4, max_cost="$1")
    result = run(profiler.benchmark(load, asked()))
    assert result.outcomes["ok"] == 40
    assert result.cost is not None
    assert result.cost.cap is not None
    assert not result.cost.cap["broke"]
    assert result.cost.priced == 44
    assert Decimal(result.cost.warmup) > 0


def test_m5_missing_usage_costs_the_worst_case(folder: pathlib.Path) -> None:
    """M5: a stream that is cut says no counts: the cap is charged all that was reserved.

    The run's own cost is an estimate of what had come, and says so.
    """
    faults = (parse_fault("cut:600"),)
    with SimulatorProcess(SimulatorSpec(ttft=QUICK.ttft, itl=QUICK.itl, faults=faults)) as server:
        profiler = Profiler(
            "openai:sim",
            base_url=server.base_url,
            environment={},
            prices=str(folder / "prices.toml"),
        )
        load = Load(requests=100, concurrency=2, workers=1, max_cost="$0.01")
        result = run(profiler.benchmark(load, asked(100)))
    assert result.cost is not None
    assert result.cost.cap is not None
    assert result.cost.priced == result.cost.estimated == result.cost.cap["assumed"] > 3
    assert Decimal(0) < Decimal(result.cost.total or 0) < Decimal("0.002")
    assert Decimal("0.008") < Decimal(result.cost.cap["spent"]) <= Decimal("0.01")


def test_m4_a_server_that_ignores_the_limit_is_told_of(folder: pathlib.Path) -> None:
    """M4: a server that is asked for 30 tokens bills for 5,000: the overrun is in the result.

    The first request goes out alone, and the others reserve as much: the cap holds all the same.
    """
    body = (
        b'data: {"id":"x","model":"sim","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
        b'data: {"id":"x","model":"sim","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":2,"completion_tokens":5000}}\n\ndata: [DONE]\n\n'
    )
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    )
    from tests.support.hostile import fin, hostile, request, send  # noqa: PLC0415 - this test's alone

    with hostile(request(), send(head + body), fin()) as server:
        profiler = Profiler(
            "openai:sim",
            base_url=f"http://127.0.0.1:{server.port}/v1",
            environment={},
            prices=str(folder / "prices.toml"),
        )
        load = Load(requests=50, concurrency=8, workers=2, max_cost="$0.11")
        result = run(profiler.benchmark(load, asked()))
    assert result.cost is not None
    assert result.cost.cap is not None
    assert result.cost.cap["broke"]
    assert result.cost.priced == 2
    assert Decimal("0.1") < Decimal(result.cost.cap["spent"]) <= Decimal("0.11")
    assert Decimal(result.cost.cap["overrun"]) > Decimal("0.09")


def test_m1_a_lost_worker_has_spent_its_reservation(folder: pathlib.Path) -> None:
    """M1: what a killed worker had in flight counts as spent, and nobody may spend it again."""
    slow = SimulatorSpec(ttft=parse_latency("30s"), itl=QUICK.itl, tokens=20)
    with SimulatorProcess(slow) as server:
        profiler = Profiler(
            "openai:sim",
            base_url=server.base_url,
            environment={},
            prices=str(folder / "prices.toml"),
        )
        load = Load(requests=100, concurrency=4, workers=2, warmup=0, max_cost="$0.01")
        prepared = profiler.prepare(load, asked(100))
        worst = worst_case(request_for(prepared.order.workload, "measure", 0), price_of(profiler))
        books = asyncio.run(_lose_a_worker(prepared.order))
    money, phase = books.money, books.phases["measure"]
    assert money is not None
    assert (books.lost_workers, phase.lost) == (1, 2)
    assert money.spent >= 4 * worst
    assert money.assumed == 2


async def _lose_a_worker(order: Order) -> Books:
    """Kill one of two workers once both wait for answers; then end the run at once."""
    run_ = Run(order, SystemClock(), ())
    work = asyncio.ensure_future(run_.execute())
    tick = asyncio.Event()
    while run_.in_flight < 4:
        asyncio.get_running_loop().call_later(0.02, tick.set)
        await tick.wait()
        tick.clear()
    os.kill(run_.worker_pids[0], signal.SIGKILL)
    while sum(books.lost for books in run_.books.values()) < 2:
        asyncio.get_running_loop().call_later(0.02, tick.set)
        await tick.wait()
        tick.clear()
    await run_.abort()
    return await work


def price_of(profiler: Profiler) -> Price:
    """The target's price, which is known."""
    found = profiler.price()
    assert found is not None
    return found


@pytest.mark.parametrize(("status", "sent"), [(503, 22), (504, 20)])
def test_m3_under_a_cap_only_what_cost_nothing_is_tried_again(
    folder: pathlib.Path, status: int, sent: int
) -> None:
    """M3: a gateway that gave up may be billed: one reservation does not pay two attempts."""
    faults = (parse_fault(f"status:{status},retry-after=0.01s"),)
    with SimulatorProcess(SimulatorSpec(faults=faults)) as server:
        profiler = Profiler(
            "openai:sim",
            base_url=server.base_url,
            environment={},
            prices=str(folder / "prices.toml"),
        )
        load = Load(requests=20, workers=1, warmup=0, retries=2, max_cost="$1")
        result = run(profiler.benchmark(load, asked()))
        assert len(server.stop().entries) == sent
    assert result.cost is not None
    assert result.cost.cap is not None
    assert result.cost.cap["assumed"] == (20 if status == 504 else 0)
    assert (Decimal(result.cost.cap["spent"]) > 0) == (status == 504)


def test_m4_an_endless_answer_is_left(folder: pathlib.Path) -> None:
    """M4: asked for 10 tokens, a server goes on and on: it is left after some hundred of them."""
    from tests.support.hostile import fin, hostile, request, send  # noqa: PLC0415 - this test's alone

    event = (
        b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"sim","choices":'
        b'[{"index":0,"delta":{"content":" and"},"finish_reason":null}]}\n\n'
    )
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    with hostile(request(), send(head), *([send(event * 100)] * 500), fin()) as server:
        profiler = Profiler(
            "openai:sim",
            base_url=f"http://127.0.0.1:{server.port}/v1",
            environment={},
            prices=str(folder / "prices.toml"),
        )
        load = Load(requests=2, concurrency=1, workers=1, max_cost="$1")
        result = run(profiler.benchmark(load, asked(10)))
    assert [f.cause for f in result.failures] == ["body_too_large"]
    assert result.cost is not None
    assert result.cost.estimated == 3
    spent = Decimal(result.cost.total or 0) / 3
    assert spent < Decimal("10e-6") * 2500, "50,000 tokens were offered"


def benchmark(server: SimulatorProcess, *more: str) -> list[str]:
    """The words of a benchmark command."""
    return ["benchmark", "openai:sim", "--base-url", server.base_url, "-p", "hello", *more]


def test_a_capped_run_ends_with_its_own_exit_code(
    folder: pathlib.Path, server: SimulatorProcess
) -> None:
    """6, with the report and the cap in it; and the finished run can be priced again."""
    words = ["--prices", "prices.toml", "--max-tokens", "30", "--max-cost", "$0.01"]
    found = lll(*benchmark(server, "-n", "300", "-c", "4", *words), cwd=folder)
    assert found.code == 6, found.err
    assert "the cap stopped the run" in found.out
    # What the cap withheld is no failing of the client.
    assert "failed or unsent" not in found.out
    priced = lll("cost", "--run", "last", "--prices", "prices.toml", "--json", cwd=folder)
    document = json.loads(priced.out)
    assert Decimal("0.008") < Decimal(document["cost"]["total"]) <= Decimal("0.01")
    unknown = lll("cost", "--run", "last", cwd=folder)
    assert "no price is known for openai:sim" in unknown.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--max-cost", "$1", "--max-tokens", "5"], "no price is known for openai:sim there"),
        (["--max-cost", "$1", "--prices", "prices.toml"], "give --max-tokens"),
        (["--max-cost", "2", "--max-tokens", "5"], "$0.05 or 2USD"),
        (
            ["--max-cost", "$0.000001", "--max-tokens", "5", "--prices", "prices.toml"],
            "one request can cost",
        ),
        (["--prices", "nowhere.toml"], "can't read price file"),
    ],
)
def test_m2_a_cap_that_cant_be_kept_is_refused(
    folder: pathlib.Path, server: SimulatorProcess, words: list[str], said: str
) -> None:
    """M2: before anything is sent."""
    found = lll(*benchmark(server, "-n", "5", *words), cwd=folder)
    assert (found.code, found.out) == (2, "")
    assert said in found.err


def test_m8_an_expensive_run_is_not_started_unasked(
    folder: pathlib.Path, server: SimulatorProcess
) -> None:
    """M8: a hundred times too many: where nobody can answer, --yes is asked for."""
    words = ["--prices", "prices.toml", "--max-tokens", "4000", "-n", "10000"]
    found = lll(*benchmark(server, *words), cwd=folder)
    assert found.code == 2
    assert "say --yes, or set --max-cost" in found.err
    assert not (folder / "lll-runs").exists()
    few = [
        "--prices",
        "prices.toml",
        "--max-tokens",
        "4000",
        "-n",
        "40",
        "--yes",
        "-c",
        "10",
        "--allow-invalid",
    ]
    assert lll(*benchmark(server, *few), cwd=folder).code == 0


def test_m8_a_search_is_priced_as_a_whole(folder: pathlib.Path, server: SimulatorProcess) -> None:
    """M8: one step would cost less than is asked about; all that it may try costs more."""
    words = ["--prices", "prices.toml", "--max-tokens", "16", "--step-requests", "300"]
    search = ["--find-capacity", "--slo", "e2e.p95<2s", "--max-rate", "50/s"]
    found = lll(*benchmark(server, *words, *search), cwd=folder)
    assert (found.code, found.out) == (2, "")
    assert "this search may cost up to $" in found.err
    assert "at most " in found.err


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 2), (b"y\n", 0)])
def test_m8_a_person_is_asked(
    folder: pathlib.Path, server: SimulatorProcess, answer: bytes, code: int
) -> None:
    """M8: on a terminal the estimate is shown, and the answer counts."""
    leader, follower = pty.openpty()
    words = [
        "--prices",
        "prices.toml",
        "--max-tokens",
        "8000",
        "-n",
        "20",
        "-c",
        "10",
        "--allow-invalid",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "llm_latency_lens", *benchmark(server, *words)],
        cwd=folder,
        env=ENVIRONMENT,
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.close(follower)
    os.write(leader, answer)
    out, err = process.communicate(timeout=60)
    os.close(leader)
    assert process.returncode == code, err
    assert b"this run may cost" in err
    assert b"Go on?" in err
    assert (b"requests succeeded" in out) == (code == 0)


def test_cost_estimates_without_a_key_and_sends_nothing(tmp_path: pathlib.Path) -> None:
    """For a hosted model, by the catalogue: low, expected, high, and of which date."""
    words = ["cost", "openai:gpt-4o", "-p", "hello there", "-n", "200", "--max-tokens", "256"]
    found = lll(*words, cwd=tmp_path)
    assert found.code == 0, found.err
    for word in ("low", "expected", "high", "genai-prices", "$2.50", "$10.00"):
        assert word in found.out
    document = json.loads(lll(*words, "--json", cwd=tmp_path).out)
    figures = [Decimal(document["estimate"][name]) for name in ("low", "expected", "high")]
    assert figures == sorted(figures)
    assert abs(figures[1] - 200 * (Decimal("2.5") * 7 + 10 * 128) / 1_000_000) < Decimal("0.02")
    assert document["price"]["as_of"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give either a TARGET"),
        (["openai:gpt-4o", "--run", "last"], "give either a TARGET"),
        (["openai:gpt-4o", "-p", "x", "-d", "30s"], "nothing bounds the number of requests"),
        (["--run", "last"], "no run"),
    ],
)
def test_cost_refuses_what_it_cant_do(tmp_path: pathlib.Path, words: list[str], said: str) -> None:
    """In one line."""
    found = lll("cost", *words, cwd=tmp_path)
    assert found.code in {1, 2}
    assert said in found.err.lower() or said in found.err


def test_cost_of_an_unknown_model_is_unknown(tmp_path: pathlib.Path) -> None:
    """Never 0."""
    found = lll("cost", "openai:no-such-model", "-p", "x", "-n", "5", cwd=tmp_path)
    assert found.code == 0
    assert "unknown" in found.out
    assert "$0" not in found.out
