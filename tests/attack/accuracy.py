"""The accuracy bars: what the product prints, against a ledger that shares no code with it.

A case is one way of running `benchmark` against the ledgered server: the server on one processor,
the client on another, alone or beside a process that is always busy. A row is one run. Run as a
program it prints the table: `python -m tests.attack.accuracy [RUNS] [CASE ...]`.
"""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from tests.support.command import lll
from tests.support.ledgered import Entry, ledgered

NS = 1_000_000_000
FLIGHT = 50_000
"""What the ledger cannot know (ns): the time that request and token took over the loopback."""

PERCENTILES = (50, 95, 99)

FALSE_ALARMS = {"not streamed", "buffered delivery", "delayed first token"}
"""Checks that say of a stream that it was held back by somebody."""

Interval = tuple[int, int]


class Case(msgspec.Struct, frozen=True):
    """One way of running.

    Attributes:
        name: as in the table.
        busy: whether a process that is always busy shares the client's processor.
        stamps: the value of --stamps; "" leaves the choice to the product.
        tls: whether a TLS terminator stands before the server.
        server: options of the ledgered server.
        options: further options of the product.
    """

    name: str
    busy: bool = False
    stamps: str = ""
    tls: bool = False
    server: tuple[str, ...] = ()
    options: tuple[str, ...] = ("--rate", "200/s", "-n", "600", "--workers", "1")


CASES = {
    case.name: case
    for case in (
        Case("quiet"),
        Case("busy", busy=True),
        Case("packets, quiet", stamps="packet"),
        Case("packets, busy", stamps="packet", busy=True),
        # The terminator is of Python: at 12,800 writes/s it would hold tokens back itself.
        Case(
            "packets, busy, TLS",
            stamps="packet",
            busy=True,
            tls=True,
            options=("--rate", "60/s", "-n", "400", "--workers", "1"),
        ),
        Case("role chunk first, busy", busy=True, server=("--role", "first")),
        Case("4 tokens an event, busy", busy=True, server=("--per-event", "4")),
    )
}


class Value(msgspec.Struct, frozen=True):
    """One percentile of one metric of one run, in seconds.

    Attributes:
        name: such as "ttft.p95".
        ours: what the product printed, or None where it withheld it.
        low, high: what it is by the ledger.
        printed: the error that the product printed beside it.
        verdict: the product's verdict of the metric.
    """

    name: str
    ours: float | None
    low: float
    high: float
    printed: float
    verdict: str

    @property
    def off(self) -> float:
        """By how much the printed value lies outside what the ledger allows."""
        return 0.0 if self.ours is None else max(self.low - self.ours, self.ours - self.high, 0.0)

    @property
    def right(self) -> bool:
        """Whether the ledger's value lies within the printed error."""
        return self.off <= self.printed

    @property
    def honest(self) -> bool:
        """Right, or said to be not valid."""
        return self.right or self.verdict != "VALID"


class Row(msgspec.Struct, frozen=True):
    """One run: its case, how it ended, and its values by name."""

    case: str
    code: int
    verdict: str
    values: dict[str, Value]
    alarms: frozenset[str]
    """Which of `FALSE_ALARMS` were raised."""
    ledger_late: float
    """By how much (s) 99 % of the ledger's first tokens were at most late: is the server fit?"""


def first_token(entry: Entry) -> Interval:
    """From the request's arrival to the first token's, in ns."""
    before, after, _ = entry.writes[0]
    return before - entry.received, after - entry.received + FLIGHT


def last_token(entry: Entry) -> Interval:
    """From the request's arrival to the last token's, in ns."""
    before, after, _ = entry.writes[-1]
    return before - entry.received, after - entry.received + FLIGHT


def time_per_token(entry: Entry) -> Interval:
    """From first to last token, over the tokens after those of the first write, in ns."""
    rest = sum(tokens for _, _, tokens in entry.writes[1:])
    first, last = entry.writes[0], entry.writes[-1]
    return (last[0] - first[1] - FLIGHT) // rest, (last[1] - first[0] + FLIGHT) // rest


TRUTHS: dict[str, Callable[[Entry], Interval]] = {
    "ttft": first_token,
    "tpot": time_per_token,
    "e2e": last_token,
}


def table(runs: int, cases: Sequence[Case] = tuple(CASES.values())) -> list[Row]:
    """Run each case so often, in turn, so that all see the same machine."""
    return [row_of(case) for _ in range(runs) for case in cases]


def row_of(case: Case) -> Row:
    """Run `case` once."""
    processors = sorted(os.sched_getaffinity(0))
    assert len(processors) > 1, (
        "the bars need two processors: one for the server, one for the client"
    )
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ledgered(*case.server, tls=case.tls, cpu=processors[0]))
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(on_processor(processors[-1]))
        if case.busy:
            stack.enter_context(busy_process())
        scheme = "https" if case.tls else "http"
        arguments = ["--base-url", f"{scheme}://127.0.0.1:{server.port}/v1", *case.options]
        arguments += ["--stamps", case.stamps] if case.stamps else []
        arguments += ["--ca-file", str(server.certificate)] if case.tls else []
        run = lll("benchmark", "openai:led", "-p", "x", "--json", "-q", *arguments, cwd=folder)
        entries = server.stop()
    assert run.out.startswith("{"), run.err
    return _row(case, run.code, json.loads(run.out), entries)


@contextlib.contextmanager
def on_processor(number: int) -> Iterator[None]:
    """Start child processes on processor `number`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def busy_process() -> Iterator[None]:
    """A process that never rests, on the processor of its parent."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def _row(case: Case, code: int, result: dict[str, Any], entries: Sequence[Entry]) -> Row:
    # Warm-up requests come before the measured ones.
    measured = entries[-result["offered"]["planned"] :]
    assert len(entries) == result["offered"]["planned"] + result["offered"]["warmup"]
    assert not any(entry.lost for entry in measured), "an answer was not taken whole"
    values = [
        _value(name, percentile, result["metrics"][name], [truth(entry) for entry in measured])
        for name, truth in TRUTHS.items()
        for percentile in PERCENTILES
    ]
    late = [entry.writes[0][0] - entry.due for entry in measured if entry.due]
    return Row(
        case=case.name,
        code=code,
        verdict=result["verdict"],
        values={value.name: value for value in values},
        alarms=alarms(result),
        ledger_late=_percentile(late, 99) / NS if late else 0.0,
    )


def alarms(result: dict[str, Any]) -> frozenset[str]:
    """Which checks of the result say that somebody held the stream back."""
    checks = (check for check in result["quality"]["checks"] if check["verdict"] != "VALID")
    return frozenset(FALSE_ALARMS & {check["name"] for check in checks})


def _value(name: str, percentile: int, metric: dict[str, Any], truths: list[Interval]) -> Value:
    key = f"p{percentile}"
    return Value(
        name=f"{name}.{key}",
        ours=metric[key],
        low=_percentile([low for low, _ in truths], percentile) / NS,
        high=_percentile([high for _, high in truths], percentile) / NS,
        printed=(metric["instrument"] or 0.0) + metric["width"].get(key, 0.0),
        verdict=metric["verdict"],
    )


def _percentile(values: Sequence[int], percentile: int) -> float:
    """Hyndman and Fan's type 7, by the standard library."""
    return statistics.quantiles(values, n=100, method="inclusive")[percentile - 1]


HEADINGS = (
    "case",
    "runs",
    "value",
    "right",
    "right or not VALID",
    "largest error",
    "largest printed error",
    "VALID",
    "exit codes",
)


def as_markdown(rows: Sequence[Row]) -> str:
    """The rows by case: how many runs were right or honest, and how far they were off."""
    lines = [" | ".join(("", *HEADINGS, "")).strip(), "|---|--:|---|--:|--:|--:|--:|--:|---|"]
    for case in dict.fromkeys(row.case for row in rows):
        runs = [row for row in rows if row.case == case]
        codes = " ".join(
            f"{code} x{n}" for code, n in sorted(Counter(r.code for r in runs).items())
        )
        for name in runs[0].values:
            values = [row.values[name] for row in runs]
            lines.append(
                f"| {case} | {len(runs)} | {name} | {sum(v.right for v in values)}"
                f" | {sum(v.honest for v in values)} | {1e3 * max(v.off for v in values):.3f} ms"
                f" | {1e3 * max(v.printed for v in values):.3f} ms"
                f" | {sum(v.verdict == 'VALID' for v in values)} | {codes} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    chosen = [CASES[name] for name in sys.argv[2:]] or list(CASES.values())
    print(as_markdown(table(count, chosen)))  # noqa: T201 - this is a program
