"""Result files of other tools, written by hand after their writers' schema: read in base units, or refused in one line."""

import json
import pathlib

import pytest
from tests.support.command import lll

from llm_latency_lens.cli.importing import _TOOLS as OFFERED
from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.imports import READERS, read_import

VLLM = {
    "date": "20261101-100000", "backend": "openai-chat", "model_id": "m", "num_prompts": 10, "duration": 2.5,
    "completed": 9, "failed": 1, "request_throughput": 3.6, "output_throughput": 230.4,
    "mean_ttft_ms": 201.5, "median_ttft_ms": 200.0, "std_ttft_ms": 3.0, "p99_ttft_ms": 210.0,
    "mean_tpot_ms": 20.0, "median_tpot_ms": 20.0, "p99_tpot_ms": 21.0, "mean_itl_ms": 20.1, "mean_e2el_ms": 1480.0,
}  # fmt: skip
SGLANG = {
    "backend": "vllm-chat", "model": "m", "duration": 2.5, "completed": 9, "output_throughput": 230.4,
    "request_throughput": 3.6, "mean_ttft_ms": 200.5, "median_ttft_ms": 200.0, "mean_tpot_ms": 20.0,
    "mean_e2e_latency_ms": 1480.0, "p99_e2e_latency_ms": 1500.0,
}  # fmt: skip
AIPERF = {
    "aiperf_version": "0.13.0", "request_count": {"unit": "requests", "avg": 9.0},
    "time_to_first_token": {"unit": "ms", "avg": 201.0, "min": 190.0, "max": 220.0, "p50": 200.0, "p99": 219.0, "std": 4.0},
    "inter_token_latency": {"unit": "ms", "avg": 20.0, "p50": 20.0},
    "request_latency": {"unit": "ms", "avg": 1480.0}, "output_token_throughput": {"unit": "tokens/sec", "avg": 230.4},
}  # fmt: skip


def test_a_vllm_result_is_read() -> None:
    """Milliseconds become seconds; TPOT is ours, TTFT is theirs."""
    found = read_import("vllm", json.dumps(VLLM).encode(), "r.json")
    metrics = {one.name: one for one in found.metrics}
    assert set(metrics) == {"vllm:ttft", "tpot", "vllm:itl", "vllm:e2el"}
    ttft = metrics["vllm:ttft"]
    assert (ttft.mean, ttft.p50, ttft.p99, ttft.p95) == (0.2015, 0.2, 0.21, None)
    assert (found.completed, found.failed, found.duration) == (9, 1, 2.5)


def test_an_sglang_result_is_the_last_line() -> None:
    """The file is appended to, run after run."""
    lines = json.dumps({**SGLANG, "completed": 1}) + "\n" + json.dumps(SGLANG) + "\n"
    found = read_import("sglang", lines.encode(), "r.jsonl")
    assert found.completed == 9
    assert {one.name for one in found.metrics} == {"sglang:ttft", "sglang:tpot", "sglang:e2e_latency"}  # fmt: skip


@pytest.mark.parametrize("tool", ["aiperf", "genai-perf"])
def test_an_aiperf_result_is_read_with_its_units(tool: str) -> None:
    """Each metric names its unit; its ITL is our TPOT."""
    found = read_import(tool, json.dumps(AIPERF).encode(), "p.json")
    metrics = {one.name: one for one in found.metrics}
    assert set(metrics) == {f"{tool}:time_to_first_token", "tpot", f"{tool}:request_latency"}
    assert metrics[f"{tool}:time_to_first_token"].max == pytest.approx(0.22)
    assert (found.completed, found.version, found.failed) == (9, "0.13.0", None)


@pytest.mark.parametrize("tool", list(READERS))
@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"null", b'"x"', b"\xff\xfe", b'{"model_id": 5}', b'{"time_to_first_token": {"unit": "furlongs", "avg": 1}}'])  # fmt: skip
def test_f1_what_is_no_result_is_refused_in_one_line(tool: str, data: bytes) -> None:
    """F1: with the file and the tool in it."""
    with pytest.raises(UsageError, match=rf"broken\.json: not a result of {tool}") as caught:
        read_import(tool, data, "broken.json")
    assert "\n" not in str(caught.value)


def test_the_command_reads_a_file(tmp_path: pathlib.Path) -> None:
    """As a table that says what it is not, as a document, and the choices are the table's."""
    assert tuple(READERS) == OFFERED
    (tmp_path / "r.json").write_text(json.dumps(VLLM))
    found = lll("import", "vllm", "r.json", cwd=tmp_path)
    assert found.code == 0, found.err
    assert "vllm:ttft" in found.out
    assert "instrument error" in found.out
    document = json.loads(lll("import", "vllm", "r.json", "--json", cwd=tmp_path).out)
    assert document["schema"] == "llm-latency-lens/imported/1"
    missing = lll("import", "vllm", "no.json", cwd=tmp_path)
    assert (missing.code, missing.out) == (2, "")
    assert "can't read 'no.json'" in missing.err
