"""The same records as other tools would report them: ONE table of their definitions.

What each tool calls TTFT, TPOT or ITL differs in where it begins, where it ends, what it divides by and
how it takes percentiles. Each row says so in words and does so; the differences are in docs/as-other-tools.md.

Their clocks start when a request is taken up, before it is encoded, queued and connected: `dequeued` here.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from msgspec import Struct

from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.units import NS_PER_S

Values = Sequence[float]
Percentile = Callable[[Values, float], float]
PerRequest = Callable[[Record], "float | list[float] | None"]


class Quantity(Struct, frozen=True, kw_only=True):
    """One number of a tool: its own name and unit, its definition in words, and the values it is taken of (s)."""

    name: str
    unit: str
    meaning: str
    of: PerRequest


class Tool(Struct, frozen=True, kw_only=True):
    """A tool: what it reports of requests, how it takes percentiles, over which time it divides tokens."""

    name: str
    quantities: tuple[Quantity, ...]
    percentile: Percentile
    percentile_words: str
    throughput: str = "output tokens / (last end - first start), ramp and drain included"


class Reported(Struct, frozen=True, kw_only=True):
    """One line as the tool prints it: values in its unit; None where it would have nothing."""

    name: str
    unit: str
    meaning: str
    n: int
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class AsTool(Struct, frozen=True, kw_only=True):
    """A whole view: what the tool would say of these records."""

    tool: str
    requests: int
    percentile: str
    lines: tuple[Reported, ...]
    output_throughput: float | None
    request_throughput: float | None
    throughput: str


def as_tool(name: str, records: Iterable[Record]) -> AsTool:
    """The measured records under the definitions of a tool (a key of TOOLS)."""
    tool = TOOLS[name]
    ok = [r for r in records if r.phase == "measure" and not r.superseded and r.outcome.kind is OutcomeKind.OK]  # fmt: skip
    wall = _wall(ok)
    return AsTool(
        tool=tool.name,
        requests=len(ok),
        percentile=tool.percentile_words,
        lines=tuple(_reported(tool, quantity, ok) for quantity in tool.quantities),
        output_throughput=sum(r.tokens.output or 0 for r in ok) / wall if wall else None,
        request_throughput=len(ok) / wall if wall else None,
        throughput=tool.throughput,
    )


def _reported(tool: Tool, quantity: Quantity, ok: list[Record]) -> Reported:
    values: list[float] = []
    for record in ok:
        found = quantity.of(record)
        if isinstance(found, list):
            values += found
        elif found is not None:
            values.append(found)
    scale = 1000.0 if quantity.unit == "ms" else 1.0
    values = [value * scale for value in values]

    def percentile(p: float) -> float | None:
        return tool.percentile(values, p) if values else None

    return Reported(
        name=quantity.name,
        unit=quantity.unit,
        meaning=quantity.meaning,
        n=len(values),
        mean=statistics.fmean(values) if values else None,
        p50=percentile(0.5),
        p95=percentile(0.95),
        p99=percentile(0.99),
    )


def _wall(ok: list[Record]) -> float:
    if not ok:
        return 0.0
    return (max(r.marks.ended for r in ok) - min(r.dequeued for r in ok)) / NS_PER_S


def _since(record: Record, end: int | None) -> float | None:
    return None if end is None else (end - record.dequeued) / NS_PER_S


def _first_token(record: Record) -> float | None:
    return _since(record, record.first_token)


def _first_visible(record: Record) -> float | None:
    return _since(record, record.first_visible)


def _first_visible_of_several(record: Record) -> float | None:
    return _first_visible(record) if record.tokens.events > 1 else None


def _last_token(record: Record) -> float | None:
    return _since(record, record.last_token)


def _stream_end(record: Record) -> float | None:
    return _since(record, record.marks.ended)


def _per_output(begin: PerRequest, end: PerRequest) -> PerRequest:
    """(end - begin) / (n - 1), by the counted output tokens; none for a single one."""

    def of(record: Record) -> float | None:
        n, first, last = record.tokens.output or 0, begin(record), end(record)
        if n < 2 or not isinstance(first, float) or not isinstance(last, float):
            return None
        return (last - first) / (n - 1)

    return of


def _whole_per_token(end: PerRequest) -> PerRequest:
    """The whole latency, the first token's included, over all tokens."""

    def of(record: Record) -> float | None:
        n, last = record.tokens.output or 0, end(record)
        return last / n if n and isinstance(last, float) else None

    return of


def _chunk_gaps(record: Record) -> list[float]:
    """Gaps between events; events of one network read have none between them."""
    found: list[float] = []
    for i, (at, events) in enumerate(zip(record.arrivals, record.arrival_events, strict=True)):
        if i:
            found.append((at - record.arrivals[i - 1]) / NS_PER_S)
        found += [0.0] * (events - 1)
    return found


def _second_token(record: Record) -> float | None:
    gaps = _chunk_gaps(record)
    return gaps[0] if gaps else None


def _linear(values: Values, p: float) -> float:
    return float(np.percentile(values, 100.0 * p))


def _lower(values: Values, p: float) -> float:
    return float(np.percentile(values, 100.0 * p, method="lower"))


def _by_index(values: Values, p: float) -> float:
    return sorted(values)[min(int(len(values) * p), len(values) - 1)]


def _exclusive(values: Values, p: float) -> float:
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=100, method="exclusive")[math.ceil(100 * p) - 1]


_TAKEN = "from when the request is taken up"
_CHUNKS = (
    "gaps between stream events; several tokens in an event count once, events of one read have 0"
)
_MS, _S = "ms", "s"

TOOLS: dict[str, Tool] = {
    "vllm": Tool(
        name="vllm bench serve",
        percentile=_linear,
        percentile_words="linear",
        quantities=(
            Quantity(name="TTFT", unit=_MS, meaning=f"first delta that is not empty {_TAKEN}", of=_first_token),
            Quantity(name="TPOT", unit=_MS, meaning="(E2EL - TTFT) / (n - 1)", of=_per_output(_first_token, _last_token)),
            Quantity(name="ITL", unit=_MS, meaning=_CHUNKS, of=_chunk_gaps),
            Quantity(name="E2EL", unit=_MS, meaning=f"last token {_TAKEN}", of=_last_token),
        ),
    ),
    "sglang": Tool(
        name="sglang bench_serving",
        percentile=_linear,
        percentile_words="linear",
        quantities=(
            Quantity(name="TTFT", unit=_MS, meaning=f"first token {_TAKEN}", of=_first_token),
            Quantity(name="TPOT", unit=_MS, meaning="(E2E - TTFT) / (n - 1), the end of the stream included", of=_per_output(_first_token, _stream_end)),
            Quantity(name="ITL", unit=_MS, meaning=_CHUNKS, of=_chunk_gaps),
            Quantity(name="E2E latency", unit=_MS, meaning=f"end of the stream {_TAKEN}", of=_stream_end),
        ),
    ),
    "guidellm": Tool(
        name="guidellm",
        percentile=_lower,
        percentile_words="the order statistic below",
        quantities=(
            Quantity(name="TTFT", unit=_MS, meaning=f"first token {_TAKEN}", of=_first_token),
            Quantity(name="ITL", unit=_MS, meaning="(last - first token) / (n - 1) of each request", of=_per_output(_first_token, _last_token)),
            Quantity(name="TPOT", unit=_MS, meaning="last token / n: TTFT is in it", of=_whole_per_token(_last_token)),
            Quantity(name="request latency", unit=_S, meaning=f"end of the stream {_TAKEN}", of=_stream_end),
        ),
    ),
    "aiperf": Tool(
        name="aiperf",
        percentile=_linear,
        percentile_words="linear",
        quantities=(
            Quantity(name="Time to First Token", unit=_MS, meaning=f"first token {_TAKEN}", of=_first_token),
            Quantity(name="Time to Second Token", unit=_MS, meaning="second event after the first", of=_second_token),
            Quantity(name="Inter Token Latency", unit=_MS, meaning="(latency - TTFT) / (n - 1) of each request", of=_per_output(_first_token, _last_token)),
            Quantity(name="Inter Chunk Latency", unit=_MS, meaning=_CHUNKS, of=_chunk_gaps),
            Quantity(name="Request Latency", unit=_MS, meaning=f"last token {_TAKEN}", of=_last_token),
        ),
    ),
    "genai-perf": Tool(
        name="genai-perf",
        percentile=_linear,
        percentile_words="linear",
        quantities=(
            Quantity(name="Time To First Token", unit=_MS, meaning=f"first visible token {_TAKEN}", of=_first_visible),
            Quantity(name="Time To Second Token", unit=_MS, meaning="second event after the first", of=_second_token),
            Quantity(name="Inter Token Latency", unit=_MS, meaning="(latency - TTFT) / (n - 1) of each request", of=_per_output(_first_visible, _last_token)),
            Quantity(name="Request Latency", unit=_MS, meaning=f"last token {_TAKEN}", of=_last_token),
        ),
    ),
    "inference-perf": Tool(
        name="inference-perf",
        percentile=_linear,
        percentile_words="linear",
        quantities=(
            Quantity(name="time_to_first_token", unit=_S, meaning=f"first visible token {_TAKEN}; none where all came in one event", of=_first_visible_of_several),
            Quantity(name="time_per_output_token", unit=_S, meaning="(last - first token) / (n - 1)", of=_per_output(_first_token, _last_token)),
            Quantity(name="inter_token_latency", unit=_S, meaning=_CHUNKS, of=_chunk_gaps),
            Quantity(name="normalized_time_per_output_token", unit=_S, meaning="request latency / n", of=_whole_per_token(_stream_end)),
            Quantity(name="request_latency", unit=_S, meaning=f"end of the stream {_TAKEN}", of=_stream_end),
        ),
    ),
    "genai-bench": Tool(
        name="genai-bench",
        percentile=_linear,
        percentile_words="linear",
        quantities=(
            Quantity(name="ttft", unit=_S, meaning=f"first token {_TAKEN}; the tool makes a new connection each time", of=_first_token),
            Quantity(name="tpot", unit=_S, meaning="(e2e - ttft) / (n - 1), the end of the stream included", of=_per_output(_first_token, _stream_end)),
            Quantity(name="e2e_latency", unit=_S, meaning=f"end of the stream {_TAKEN}", of=_stream_end),
        ),
    ),
    "llmperf": Tool(
        name="llmperf",
        percentile=_linear,
        percentile_words="linear",
        quantities=(
            Quantity(name="ttft_s", unit=_S, meaning=f"first visible token {_TAKEN}", of=_first_visible),
            Quantity(name="inter_token_latency_s", unit=_S, meaning="(TTFT + all gaps) / n", of=_whole_per_token(_last_token)),
            Quantity(name="end_to_end_latency_s", unit=_S, meaning=f"end of the stream {_TAKEN}", of=_stream_end),
        ),
    ),
    "llmeter": Tool(
        name="llmeter",
        percentile=_exclusive,
        percentile_words="exclusive quantiles",
        quantities=(
            Quantity(name="time_to_first_token", unit=_S, meaning=f"first visible token {_TAKEN}", of=_first_visible),
            Quantity(name="time_per_output_token", unit=_S, meaning="(last token - TTFT) / (n - 1)", of=_per_output(_first_visible, _last_token)),
            Quantity(name="time_to_last_token", unit=_S, meaning=f"last token {_TAKEN}", of=_last_token),
        ),
    ),
    "evalscope": Tool(
        name="evalscope perf",
        percentile=_by_index,
        percentile_words="the value at int(n p): p99 of up to 100 requests is the largest",
        quantities=(
            Quantity(name="TTFT", unit=_S, meaning=f"first delta that is not empty {_TAKEN}", of=_first_token),
            Quantity(name="ITL", unit=_S, meaning=_CHUNKS, of=_chunk_gaps),
            Quantity(name="TPOT", unit=_S, meaning="(latency - TTFT) / (n - 1)", of=_per_output(_first_token, _stream_end)),
            Quantity(name="Latency", unit=_S, meaning=f"end of the stream {_TAKEN}", of=_stream_end),
        ),
    ),
}  # fmt: skip
"""Tools by the name that `--as` takes."""
