"""The accuracy bars, run after run: takes half an hour; `LLL_ATTACK=1 pytest tests/attack`.

`LLL_ATTACK_RUNS` says how many runs of each case (20).
"""

import json
import os
import pathlib
from collections import Counter

import pytest
from tests.attack.accuracy import CASES, alarms, busy_process, on_processor, row_of, table
from tests.support.command import lll
from tests.support.llama_server import llama_server

RUNS = int(os.environ.get("LLL_ATTACK_RUNS", "20"))
MS = 0.001

pytestmark = pytest.mark.skipif(
    not os.environ.get("LLL_ATTACK"), reason="takes half an hour; run it with: make attack"
)


def test_the_ledgered_server_keeps_time() -> None:
    """The oracle itself, at 12,800 writes/s: 99 % of first tokens within 1 ms."""
    assert row_of(CASES["quiet"]).ledger_late < 1 * MS


@pytest.mark.parametrize(
    "case", ["busy", "role chunk first, busy", "4 tokens an event, busy", "quiet"]
)
def test_every_value_is_within_its_printed_error_or_not_valid(case: str) -> None:
    """p50, p95 and p99 of TTFT, TPOT and e2e, in every run, and no stream is called held back."""
    for row in table(RUNS, [CASES[case]]):
        wrong = [value for value in row.values.values() if not value.honest]
        assert not wrong, wrong
        assert not row.alarms


def test_with_the_processor_to_itself_the_run_is_valid() -> None:
    """At least 19 of 20 clean runs are VALID, and all have the same exit code."""
    rows = table(RUNS, [CASES["quiet"]])
    assert sum(row.verdict == "VALID" for row in rows) >= 0.95 * RUNS, Counter(
        row.verdict for row in rows
    )
    assert len({row.code for row in rows}) == 1


@pytest.mark.parametrize("case", ["packets, quiet", "packets, busy", "packets, busy, TLS"])
def test_packet_stamps_are_exact_however_late_the_reader(case: str) -> None:
    """p50 and p95 of TTFT, TPOT and e2e within 0.1 ms of the ledger, VALID or not."""
    for row in table(RUNS, [CASES[case]]):
        for value in row.values.values():
            if not value.name.endswith("p99"):
                assert value.ours is not None, value
                assert value.off < 0.1 * MS, value
            assert value.honest, value
        assert not row.alarms


def test_a_quick_real_server_is_not_called_buffered(tmp_path: pathlib.Path) -> None:
    """llama.cpp at about 0.6 ms a token, beside a busy process: every token goes out by itself."""
    seen: Counter[str] = Counter()
    processors = sorted(os.sched_getaffinity(0))
    with on_processor(processors[0]), llama_server() as url:
        for _ in range(RUNS):
            with on_processor(processors[-1]), busy_process():
                arguments = ["--base-url", url, "-c", "4", "-n", "100", "--max-tokens", "40"]
                run = lll(
                    "benchmark", "openai:tiny", "-p", "x", "--json", "-q", *arguments, cwd=tmp_path
                )
            seen.update(alarms(json.loads(run.out)))
    assert not seen
