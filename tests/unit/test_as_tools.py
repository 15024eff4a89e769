"""Other tools' definitions, reckoned by hand on one small stream: five of them have five ITLs."""

import msgspec
import pytest
from click.testing import CliRunner
from tests.support.records import MS, answered, refused

from llm_latency_lens.cli.main import group
from llm_latency_lens.cli.options import TOOLS as OFFERED
from llm_latency_lens.metrics.as_tools import TOOLS, Reported, as_tool
from llm_latency_lens.model.record import Record, TokenCounts


def stream(**more: object) -> Record:
    """TTFT 500 ms, 100 tokens in 25 events of four, 80 ms apart; taken up at once, an empty role delta at 100 ms."""
    arrivals = tuple((500 + 80 * i) * MS for i in range(25))
    sent = 1000 * MS
    fields: dict[str, object] = {
        "dequeued": sent, "arrivals": arrivals, "arrival_events": (1,) * 25,
        "first_event": sent + 100 * MS, "first_token": sent + arrivals[0],
        "first_visible": sent + 660 * MS, "last_token": sent + arrivals[-1],
        "tokens": TokenCounts(output=100, source="usage", events=25), **more,
    }  # fmt: skip
    return msgspec.structs.replace(answered(0, 0.0, 500.0, gap_ms=80.0, tokens=25), **fields)


def line(tool: str, name: str, *records: Record) -> Reported:
    """One line of a tool's view."""
    return next(one for one in as_tool(tool, records).lines if one.name == name)


@pytest.mark.parametrize(
    ("tool", "name", "expected"),
    [
        ("vllm", "TTFT", 500.0),
        ("sglang", "TTFT", 500.0),
        ("genai-perf", "Time To First Token", 660.0),
        ("inference-perf", "time_to_first_token", 0.660),
        ("evalscope", "TTFT", 0.500),
        ("vllm", "ITL", 80.0),
        ("guidellm", "ITL", 1920.0 / 99),
        ("aiperf", "Inter Token Latency", 1920.0 / 99),
        ("llmperf", "inter_token_latency_s", 2.420 / 100),
        ("guidellm", "TPOT", 2420.0 / 100),
        ("vllm", "TPOT", 1920.0 / 99),
        ("aiperf", "Time to Second Token", 80.0),
        ("llmeter", "time_per_output_token", 1.760 / 99),
    ],
)
def test_one_stream_has_as_many_numbers_as_there_are_tools(tool: str, name: str, expected: float) -> None:  # fmt: skip
    """Where each begins, ends, and what it divides by."""
    assert line(tool, name, stream()).p50 == pytest.approx(expected)


def test_events_of_one_read_have_no_gap_between_them() -> None:
    """Two reads of two events: one gap of 80 ms, two of none: the median is none."""
    coalesced = stream(arrivals=(500 * MS, 580 * MS), arrival_events=(2, 2))
    found = line("vllm", "ITL", coalesced)
    assert (found.n, found.p50) == (3, 0.0)
    assert found.mean == pytest.approx(80 / 3)


def test_percentiles_are_each_tools_own() -> None:
    """Ten values: interpolated, the one below, the one at int(n p), exclusive quantiles."""
    records = [stream(dequeued=1000 * MS, first_token=(1000 + 100 * (i + 1)) * MS, first_event=(1000 + 100 * (i + 1)) * MS, first_visible=(1000 + 100 * (i + 1)) * MS) for i in range(10)]  # fmt: skip
    assert line("sglang", "TTFT", *records).p95 == pytest.approx(955.0)
    assert line("guidellm", "TTFT", *records).p95 == pytest.approx(900.0)
    assert line("evalscope", "TTFT", *records).p99 == pytest.approx(1.0)
    assert line("llmeter", "time_to_first_token", *records).p50 == pytest.approx(0.55)


def test_what_failed_or_warmed_up_is_not_reported() -> None:
    """And what has one token has no time per token."""
    view = as_tool(
        "vllm", [stream(), refused(1, 0.0), stream(phase="warmup"), stream(superseded=True)]
    )
    assert view.requests == 1
    assert line("vllm", "TPOT", stream(tokens=TokenCounts(output=1, events=1))).n == 0
    assert as_tool("vllm", []).output_throughput is None


def test_every_tool_is_offered_and_every_definition_is_in_words() -> None:
    """The option's choices are the table's rows."""
    assert tuple(TOOLS) == OFFERED
    for tool in TOOLS.values():
        assert all(quantity.meaning for quantity in tool.quantities)
    assert "--as" in CliRunner().invoke(group, ["report", "--help"]).output
