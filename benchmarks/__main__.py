"""Run every benchmark and print the tables of docs/benchmarks.md: `make bench`.

These machines are shared: compare figures of one run, and read ratios rather than numbers.
"""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from benchmarks.decode import TOKEN, decoding, reading
from benchmarks.load import Measured, measure, open_loop
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

Row = tuple[str, str, str]
_REQUESTS, _TOKENS, _STREAMS = 2000, 256, 64


def capacity() -> list[Row]:
    """As fast as the server can: token events per CPU second, beside a bare reader on the same work."""
    runs = [measure(_STREAMS, _REQUESTS, _TOKENS, "0ms", "0ms") for _ in range(3)]
    total = _REQUESTS * _TOKENS
    whole = statistics.median(total / (run.parent_cpu + worker_cpu(run)) for run in runs)
    worker = statistics.median(total / worker_cpu(run) for run in runs)
    memory = max(run.books.peak_memory for run in runs)
    bare = total / _bare()
    return [
        ("token events per CPU second, all processes", f"{whole:,.0f}", ">= 150,000"),
        ("token events per CPU second, measuring process", f"{worker:,.0f}", ">= 300,000"),
        (
            "the same of a bare Python epoll reader",
            f"{bare:,.0f}",
            f"ours is {worker / bare:.2f} x",
        ),
        ("peak memory of the measuring process", f"{memory / 2**20:.0f} MiB", "<= 80 MB"),
        ("coalesced token events", f"{runs[0].coalesced:.0%}", "the server is that fast"),
    ]


def worker_cpu(run: Measured) -> float:
    """CPU seconds of the measuring process, start-up left out."""
    return run.books.cpu_user + run.books.cpu_system


def _bare() -> float:
    spec = SimulatorSpec(ttft=parse_latency("0ms"), itl=parse_latency("0ms"), tokens=_TOKENS)
    with SimulatorProcess(spec, core=1) as simulator:
        port = simulator.address.rpartition(":")[2]
        command = [sys.executable, "-m", "benchmarks.bare", port, str(_STREAMS), str(_REQUESTS)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def accuracy() -> list[Row]:
    """512 and 1,000 streams of 50 tokens/s, all started at once: our stamps against the ledger's."""
    rows: list[Row] = []
    for streams in (512, 1000):
        truth = measure(streams, 2 * streams, 64, "200ms", "20ms").truth
        errors = {comparison.name: comparison.error for comparison in truth.comparisons}
        arrival, ttft = errors["token arrival"], errors["TTFT"]
        rows += [
            (
                f"{streams} streams: arrival error p50 / p99 / max",
                _ms(arrival.p50, arrival.p99, arrival.max),
                "p50 <= 0.02, p99 <= 0.1 ms",
            ),
            (
                f"{streams} streams: TTFT error p50 / p99 / max",
                _ms(ttft.p50, ttft.p99, ttft.max),
                "p50 <= 0.2, p99 <= 10 ms",
            ),
            (
                f"{streams} streams: the simulator's own lag p50 / p99 / max",
                _ms(truth.lag_p50, truth.lag_p99, truth.lag_max),
                "shown",
            ),
        ]
    return rows


def schedule() -> list[Row]:
    """500 requests a second for eight seconds: how late they begin."""
    slip = open_loop(500, 8)
    p99 = slip.max if slip.p99 is None else slip.p99
    return [
        ("slip p50 / p99 / max", _ms(slip.p50 or 0.0, p99 or 0.0, slip.max or 0.0), "p99 <= 1 ms")
    ]


def _ms(*seconds: float) -> str:
    return " / ".join(f"{value * 1000:.4f}" for value in seconds) + " ms"


def decode() -> list[Row]:
    """Bytes to events in each dialect; no one should be slower than half of OpenAI chat."""
    speeds = {dialect: decoding(dialect) for dialect in TOKEN}
    chat = speeds["openai_chat"]
    rows = [
        (
            f"{dialect}: token events per CPU second",
            f"{speed:,.0f} ({speed / chat:.2f} x chat)",
            ">= 150,000",
        )
        for dialect, speed in speeds.items()
    ]
    return [*rows, ("openai_chat with its interpretation", f"{reading():,.0f}", "")]


def startup() -> list[Row]:
    """`--help` beside a bare interpreter, and what the base set weighs."""
    helped = _seconds("-m", "llm_latency_lens", "--help")
    bare = _seconds("-c", "pass")
    rows = [("--help beyond `python -c pass`", f"{(helped - bare) * 1000:.0f} ms", "<= 150 ms")]
    with tempfile.TemporaryDirectory() as folder:
        base = getattr(
            sys, "_base_executable", sys.executable
        )  # the environment itself may lack pip
        download = (base, "-m", "pip", "download", "-q", "--no-deps", "-d", folder)
        command = [*download, "-r", "requirements/base.lock"]
        found = subprocess.run(command, capture_output=True, check=False)
        size = sum(path.stat().st_size for path in pathlib.Path(folder).iterdir())
    shown = (
        f"{size / 1e6:.1f} MB" if not found.returncode else "not measured: no pip, or no registry"
    )
    return [*rows, ("base install, to download", shown, "< 60 MB")]


def _seconds(*arguments: str) -> float:
    """The least of ten runs."""
    taken = []
    for _ in range(10):
        before = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        taken.append(time.perf_counter() - before)
    return min(taken)


SECTIONS: dict[str, Callable[[], list[Row]]] = {
    "Capacity (64 streams, 2,000 requests x 256 tokens, TTFT 0, ITL 0)": capacity,
    "Accuracy (TTFT 200 ms, 50 tokens/s a stream, 64 tokens, closed loop)": accuracy,
    "Open loop (500 requests/s, TTFT 50 ms, 8 tokens; measuring process and parent on one CPU)": schedule,
    "Decoding": decode,
    "Start-up and size": startup,
}


def main() -> None:
    """Print a Markdown table for each section."""
    for title, section in SECTIONS.items():
        print(f"\n### {title}\n\n| what | measured | wanted |\n|---|---|---|")
        for row in section():
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
