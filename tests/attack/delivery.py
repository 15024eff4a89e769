"""Streams through real intermediaries: the printed TTFT against the server's ledger."""

import statistics
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from tests.support.intermediary import INTERMEDIARIES, between

from llm_latency_lens.load import Load
from llm_latency_lens.profiler import Profiler, run
from llm_latency_lens.simulator.fault import parse_fault
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

FRAMINGS: dict[str, dict[str, Any]] = {
    "chunked": {"itl": parse_latency("20ms")},
    "closed at its end": {
        "itl": parse_latency("5ms"),
        "faults": (parse_fault("close-delimited"),),
    },
}
"""How the server frames its answers, and the pace of its tokens."""
CHECKS = ("buffered delivery", "delayed first token")
TOLERATED = 0.005
"""What the way through a proxy may add (s)."""


class Row(Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        between, framing: the intermediary with its setting, and how the server frames answers.
        ledger, printed: the median TTFT (s) by the server's ledger, and as the product printed it.
        verdict: the verdict of TTFT.
        said: the check that fired, and its value; "" for none.
    """

    between: str
    framing: str
    ledger: float
    printed: float
    verdict: str
    said: str

    @property
    def holds(self) -> bool:
        """Whether TTFT is right, or said to be not valid; and no check fires on what is right."""
        right = abs(self.printed - self.ledger) <= max(TOLERATED, 0.01 * self.ledger)
        return not self.said if right else self.verdict != "VALID"


def table(runs: int) -> list[Row]:
    """Run every intermediary with every framing so often."""
    return [
        row_of(name, framing)
        for _ in range(runs)
        for name in INTERMEDIARIES
        for framing in FRAMINGS
    ]


def row_of(name: str, framing: str) -> Row:
    """Run one once."""
    spec = SimulatorSpec(ttft=parse_latency("100ms"), tokens=40, **FRAMINGS[framing])
    with SimulatorProcess(spec) as server:
        with between(name, server.port) as base_url:
            profiler = Profiler("openai:sim", base_url=base_url, environment={})
            result = run(profiler.benchmark(Load(requests=40, concurrency=4, seed=1), "hello"))
        ledger = server.stop()
    ttft = result.metrics["ttft"]
    fired = [check for check in result.quality.checks if check.name in CHECKS]
    return Row(
        between=name,
        framing=framing,
        ledger=statistics.median(e.tokens_sent()[0] - e.received for e in ledger.entries) / 1e9,
        printed=ttft.p50 or 0.0,
        verdict=ttft.verdict or "",
        said="; ".join(f"{check.name}: {check.value or 0:.3g} {check.unit}" for check in fired),
    )


def as_markdown(rows: Sequence[Row]) -> str:
    """The rows as they came, in milliseconds."""
    lines = [
        "| between | answers are | ledger's TTFT p50 | printed | verdict | said | held |",
        "|---|---|--:|--:|---|---|---|",
    ]
    lines += [
        f"| {row.between} | {row.framing} | {1000 * row.ledger:.1f} ms"
        f" | {1000 * row.printed:.1f} ms | {row.verdict} | {row.said}"
        f" | {'yes' if row.holds else '**no**'} |"
        for row in rows
    ]
    return "\n".join(lines)
