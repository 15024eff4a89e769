"""Whatever a server does wrong has its outcome: the simulator's whole vocabulary, each fault by name."""

from collections.abc import Iterator

import msgspec
import pytest

from llm_latency_lens.errors import UsageError
from llm_latency_lens.load import Load
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.request import Limits
from llm_latency_lens.profiler import Profiler, run
from llm_latency_lens.simulator.fault import KINDS, parse_fault
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

KEY = "sk-canary-0123456789abcdef"
MS = 1_000_000
LIMITS = Limits(idle_timeout=400 * MS, total_timeout=2_000 * MS, max_event=1 << 20)
PATHS = {
    "openai": "/v1",
    "anthropic": "/v1",
    "gemini": "/v1beta",
    "bedrock": "",
    "cohere": "/v2",
    "ollama": "",
    "openai-responses": "/v1",
}
ENVIRONMENT = {
    "OPENAI_API_KEY": KEY,
    "ANTHROPIC_API_KEY": KEY,
    "GEMINI_API_KEY": KEY,
    "AWS_BEARER_TOKEN_BEDROCK": KEY,
    "COHERE_API_KEY": KEY,
}


def faulty(*faults: str, tokens: int = 12) -> SimulatorProcess:
    """A quick server that does these things wrong."""
    return SimulatorProcess(
        SimulatorSpec(
            ttft=parse_latency("30ms"),
            itl=parse_latency("1ms"),
            tokens=tokens,
            faults=tuple(parse_fault(text) for text in faults),
        )
    )


def met(server: SimulatorProcess, provider: str = "openai") -> Record:
    """One request to it."""
    profiler = Profiler(
        f"{provider}:sim",
        base_url=server.address + PATHS[provider],
        limits=LIMITS,
        environment=ENVIRONMENT,
    )
    return run(profiler.profile("hello")).record


OUTCOMES = {
    "status:429,retry-after=2s": ("error_http", "rate_limited"),
    "status:503": ("error_http", "server"),
    "status:400": ("error_http", "bad_request"),
    "html": ("protocol_error", "content_type"),
    "echo-key": ("error_http", "auth"),
    "empty": ("protocol_error", "no_tokens"),
    "error-in-stream:5": ("error_in_stream", "server_error"),
    "cut:700": ("truncated", "truncated"),
    "cut:0": ("truncated", "truncated"),
    "rst:700": ("truncated", "reset"),
    "stall:700": ("stalled", "idle_timeout"),
    "half-open": ("stalled", "idle_timeout"),
    "drip:5ms": ("stalled", "total_timeout"),
    "fin-mid-event:3": ("truncated", "truncated"),
    "giant-header": ("protocol_error", "head_too_large"),
    "endless-line": ("protocol_error", "event_too_large"),
    "bad-crc": ("protocol_error", "invalid_json"),
    "wrong-length": ("protocol_error", "bad_http"),
    "no-end": ("ok", ""),
    "burst": ("ok", ""),
    "ping-flood:500": ("ok", ""),
    "gzip": ("ok", ""),
    "close-delimited": ("ok", ""),
    "trailers": ("ok", ""),
    "informational": ("ok", ""),
}


def test_the_whole_vocabulary_is_tried() -> None:
    """No fault without an outcome."""
    assert {text.partition(":")[0] for text in OUTCOMES} == set(KINDS)


@pytest.mark.parametrize("fault", OUTCOMES)
def test_a_fault_has_its_outcome(fault: str) -> None:
    """W10, W11, W12, W14, W15, W17, W18, W19, W20, W41, W42: one request to a server that has it."""
    with faulty(fault, tokens=80 if fault == "endless-line" else 12) as server:
        record = met(server)
    assert (record.outcome.kind.value, record.outcome.cause) == OUTCOMES[fault], record.outcome
    assert KEY not in msgspec.json.encode(record).decode()


def test_w10_a_compressed_stream_is_read_and_flagged() -> None:
    """W10: nobody asked for gzip; it is read, and the record says that its timing is the flushes'."""
    with faulty("gzip") as server:
        record = met(server)
    assert "compressed" in record.flags
    assert (record.tokens.events, record.tokens.output) == (12, 12)
    assert len(record.arrivals) > 4


def test_w5_a_ping_flood_does_not_touch_ttft() -> None:
    """W5: counted, and the first token still has its own instant."""
    with faulty("ping-flood:500") as server:
        record = met(server)
        entry = server.stop().entries[0]
    assert record.pings == 500
    assert record.first_token is not None
    assert abs(record.first_token - entry.tokens_sent()[0]) < 20 * MS
    assert record.first_byte is not None
    assert record.first_token - record.first_byte > 15 * MS


def test_w12_informational_responses_are_no_first_byte() -> None:
    """W12: 103 came at once, the answer 30 ms later."""
    with faulty("informational") as server:
        record = met(server)
    assert record.first_byte is not None
    assert record.marks.sent is not None
    assert record.first_byte - record.marks.sent > 25 * MS


def test_w37_a_burst_at_the_end_is_not_streamed() -> None:
    """W37: everything in a read or two, as behind a proxy that buffers."""
    with faulty("burst", tokens=40) as server:
        profiler = Profiler("openai:sim", base_url=server.base_url, limits=LIMITS, environment={})
        result = run(profiler.benchmark(Load(requests=20, concurrency=4), "x"))
    check = next(check for check in result.quality.checks if check.name == "buffered delivery")
    assert check.verdict != "VALID", check


def test_w14_retry_after_is_kept() -> None:
    """W14: from a 429, in seconds."""
    with faulty("status:429,retry-after=2s") as server:
        record = met(server)
    assert (record.outcome.status, record.retry_after) == (429, 2.0)


@pytest.mark.parametrize("provider", PATHS)
@pytest.mark.parametrize(
    "fault", ["error-in-stream:2", "status:429", "fin-mid-event:2", "bad-crc", "empty"]
)
def test_w15_every_language_tells_its_troubles(provider: str, fault: str) -> None:
    """W14, W15, W16, W17, W42: the same faults, in each provider's own words."""
    expected = {
        "error-in-stream:2": {"error_in_stream"},
        "status:429": {"error_http"},
        "fin-mid-event:2": {"truncated"},
        "bad-crc": {"protocol_error"},
        "empty": {"protocol_error"},
    }
    with faulty(fault) as server:
        record = met(server, provider)
    assert record.outcome.kind.value in expected[fault], record.outcome
    if fault == "bad-crc" and provider == "bedrock":
        assert record.outcome.detail.startswith("crc:")


def test_conditions_choose_the_requests() -> None:
    """Every third, or the first two, or a share drawn from the seed; the ledger says which."""
    with faulty("status:500@every=3", "status:429@first=2") as server:
        profiler = Profiler("openai:sim", base_url=server.base_url, environment={})
        result = run(profiler.benchmark(Load(requests=9, concurrency=1, warmup=0), "x"))
        ledger = server.stop()
    assert [entry.status for entry in ledger.entries] == [
        429,
        429,
        500,
        200,
        200,
        500,
        200,
        200,
        500,
    ]
    assert (result.outcomes["ok"], result.outcomes["error_http"]) == (4, 5)
    half = parse_fault("empty@share=0.5")
    assert 400 < sum(half.hits(1, number) for number in range(1000)) < 600


@pytest.fixture
def limited() -> Iterator[SimulatorProcess]:
    """A server at its limit."""
    with faulty("status:429,retry-after=0.01s") as server:
        yield server


def test_m3_retries_are_linked_and_at_most_a_tenth(limited: SimulatorProcess) -> None:
    """M3: with every request refused, 30 of them make 33 attempts, each with a record of its own."""
    records: list[Record] = []
    profiler = Profiler("openai:sim", base_url=limited.base_url, environment={})
    load = Load(requests=30, concurrency=3, workers=1, retries=5, warmup=0)
    result = run(profiler.benchmark(load, "x", sinks=[records.append]))
    assert (len(records), result.offered.retries) == (33, 3)
    assert result.outcomes["error_http"] == 30
    again = [record for record in records if record.retry]
    assert len(again) == 3
    for record in again:
        before = next(
            r for r in records if r.number == record.number and r.retry == record.retry - 1
        )
        assert before.superseded
        assert before.intended == record.intended
        assert record.dequeued - before.marks.ended >= 10 * MS


def test_m3_nothing_is_tried_again_unless_asked(limited: SimulatorProcess) -> None:
    """M3: the default."""
    records: list[Record] = []
    profiler = Profiler("openai:sim", base_url=limited.base_url, environment={})
    run(profiler.benchmark(Load(requests=20, concurrency=2, warmup=0), "x", sinks=[records.append]))
    assert len(records) == 20


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cutt:1", "did you mean 'cut'"),
        ("cut", "needs a value"),
        ("html:3", "takes no value"),
        ("cut:x", "'x' is no number"),
        ("drip:5", "duration"),
        ("cut:1@every=0", "after @ comes"),
        ("cut:1@share=2", "after @ comes"),
        ("cut:1@sometimes", "after @ comes"),
    ],
)
def test_wrong_faults_are_refused(text: str, words: str) -> None:
    """In one line, with what can be written."""
    with pytest.raises(UsageError, match=words):
        parse_fault(text)
