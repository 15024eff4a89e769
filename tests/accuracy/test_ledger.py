"""Our clock against the server's: arrivals and TTFT, value by value, at several loads.

Wall-clock assertions are against the ledger only. A machine too busy to keep the simulator's own
schedule is unfit as an instrument; then the load is tried once more.
"""

import asyncio

import pytest

from llm_latency_lens.load import Load
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.truth import Truth
from llm_latency_lens.profiler import Profiler, run
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec
from llm_latency_lens.simulator.truth import compare_with_ledger

MS = 0.001


def measured(streams: int, rate: int, **spec: object) -> Truth:
    """`streams` at once, `rate` tokens/s each, two rounds."""
    sim = SimulatorSpec(
        ttft=parse_latency("100ms"),
        itl=parse_latency(f"{1_000_000 // rate}us"),
        tokens=24,
        **spec,  # type: ignore[arg-type] # fields
    )
    records: list[Record] = []
    with SimulatorProcess(sim) as simulator:
        profiler = Profiler("openai:sim", base_url=simulator.base_url, environment={})
        load = Load(concurrency=streams, requests=2 * streams, workers=1)
        run(profiler.benchmark(load, "x", sinks=[records.append]))
        return compare_with_ledger(records, simulator.stop())


@pytest.mark.parametrize("streams", [1, 10, 64])
@pytest.mark.parametrize("rate", [20, 100])
def test_arrivals_and_ttft_agree_with_the_ledger(streams: int, rate: int) -> None:
    """Error p99 at most 1 ms, bias at most 0.3 ms; every token is there."""
    for last in (False, True):
        truth = measured(streams, rate)
        found = {comparison.name: comparison for comparison in truth.comparisons}
        assert (truth.matched, truth.unmatched) == (2 * streams, 0)
        assert truth.tokens_ours == truth.tokens_ledger == 48 * streams
        errors = found["token arrival"].error
        unfit = truth.lag_p99 > 20 * MS and not last
        if not unfit:
            assert -0.05 * MS < errors.p50 < 0.3 * MS
            assert errors.p99 < 1 * MS
            assert found["TTFT"].error.p50 < 0.3 * MS
            return


def test_w25_an_early_role_chunk_is_not_the_first_token() -> None:
    """W25: the role is sent at once, the first token 100 ms later; TTFT is the token's."""
    truth = measured(4, 50, role_early=True)
    ttft = next(comparison for comparison in truth.comparisons if comparison.name == "TTFT")
    assert ttft.ours.p50 > 0.09
    assert abs(ttft.error.p50) < 0.5 * MS


def test_a_cold_start_is_in_the_ledger_and_in_our_numbers() -> None:
    """The first request waits for the model to load; the next does not."""
    sim = SimulatorSpec(
        ttft=parse_latency("20ms"),
        itl=parse_latency("1ms"),
        tokens=2,
        cold_after=60_000_000_000,
        cold_penalty=300_000_000,
    )
    records: list[Record] = []
    with SimulatorProcess(sim) as simulator:
        profiler = Profiler("openai:sim", base_url=simulator.base_url, environment={})
        run(profiler.benchmark(Load(requests=3, warmup=0), "x", sinks=[records.append]))
        ledger = simulator.stop()
    assert [entry.cold for entry in ledger.entries] == [True, False, False]
    first, second = ((r.first_token or 0) - (r.marks.sent or 0) for r in records[:2])
    assert first > 300_000_000 > second


def test_the_simulator_never_sends_early_and_loses_no_byte() -> None:
    """Each write at or after its due instant; sizes add up to what a raw client received."""
    sim = SimulatorSpec(
        ttft=parse_latency("uniform:5ms..30ms"), itl=parse_latency("gamma:2ms,3"), tokens=30
    )
    request = b'{"model":"sim","messages":[{"role":"user","content":"a b c"}],"stream":true,"stream_options":{"include_usage":true}}'
    with SimulatorProcess(sim) as simulator:
        host, port = simulator.address.removeprefix("http://").split(":")

        async def raw() -> int:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                % len(request)
                + request
            )
            data = await reader.readuntil(b"\r\n0\r\n\r\n")
            writer.close()
            await writer.wait_closed()
            return len(data)

        received = [run(raw()) for _ in range(3)]
        ledger = simulator.stop()
    assert [sum(entry.sizes) for entry in ledger.entries] == received
    assert all(lag >= 0 for entry in ledger.entries for lag in entry.lags())
    assert [entry.prompt_tokens for entry in ledger.entries] == [3, 3, 3]
    gaps = [
        b - a for a, b in zip(ledger.entries[0].due[1:30], ledger.entries[0].due[2:31], strict=True)
    ]
    assert len(set(gaps)) > 20


def test_the_batching_server_has_a_knee() -> None:
    """The same server at a light and at too heavy a load: TTFT is several times as long."""
    from llm_latency_lens.simulator.batching import parse_batching  # noqa: PLC0415

    spec = SimulatorSpec(
        batching=parse_batching("prefill=20000tok/s,step=2ms+0.2ms*batch,slots=4"), tokens=10
    )
    medians = []
    for rate in ("10/s", "400/s"):
        with SimulatorProcess(spec) as simulator:
            profiler = Profiler("openai:sim", base_url=simulator.base_url, environment={})
            result = run(
                profiler.benchmark(Load(rate=rate, requests=100 if rate == "400/s" else 12), "x")
            )
        assert result.outcomes["ok"] == result.offered.planned
        median = result.metrics["ttft"].p50
        assert median is not None
        medians.append(median)
    assert medians[1] > 4 * medians[0]
