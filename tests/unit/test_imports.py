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
GUIDELLM = {
    "metadata": {"guidellm_version": "0.7.3"},
    "benchmarks": [{
        "duration": 2.5,
        "metrics": {
            "request_totals": {"successful": 9, "incomplete": 0, "errored": 1, "total": 10},
            "requests_per_second": {"successful": {"mean": 3.6}},
            "output_tokens_per_second": {"successful": {"mean": 230.4}},
            "time_to_first_token_ms": {"successful": {"mean": 201.0, "median": 200.0, "std_dev": 4.0, "min": 190.0, "max": 220.0, "percentiles": {"p50": 200.0, "p95": 210.0, "p99": 219.0}}},
            "time_per_output_token_ms": {"successful": {"mean": 23.1, "median": 23.0, "percentiles": {}}},
            "inter_token_latency_ms": {"successful": {"mean": 20.0, "median": 20.0, "percentiles": {"p99": 21.0}}},
            "request_latency": {"successful": {"mean": 1.48, "median": 1.48}},
        },
    }],
}  # fmt: skip
INFERENCE_PERF = {
    "load_summary": {"count": 10},
    "successes": {
        "count": 9,
        "latency": {
            "request_latency": {"mean": 1.48, "min": 1.4, "p10": 1.41, "median": 1.47, "p90": 1.5, "p99": 1.6, "max": 1.61},
            "time_to_first_token": {"mean": 0.201, "median": 0.2, "p99": 0.219},
            "time_per_output_token": {"mean": 0.02, "median": 0.02},
            "inter_token_latency": None,
        },
        "throughput": {"output_tokens_per_sec": 230.4, "requests_per_sec": 3.6},
    },
    "failures": {"count": 1},
}  # fmt: skip
_STAT = {"min": 0.19, "max": 0.22, "mean": 0.201, "stddev": 0.004, "sum": 1.8, "p25": 0.195, "p50": 0.2, "p75": 0.205, "p90": 0.21, "p95": 0.21, "p99": 0.219}  # fmt: skip
GENAI_BENCH = {
    "aggregated_metrics": {
        "scenario": "D(100,100)", "num_concurrency": 4, "run_duration": 2.5, "mean_output_throughput_tokens_per_s": 230.4,
        "requests_per_second": 3.6, "num_error_requests": 1, "num_completed_requests": 9, "num_requests": 10,
        "stats": {"ttft": _STAT, "tpot": {**_STAT, "mean": 0.02}, "e2e_latency": _STAT, "output_latency": _STAT},
    },
    "individual_request_metrics": [],
}  # fmt: skip
LLMPERF = {
    "version": "2023-08-31", "name": "m_550_150_summary", "model": "m", "results_ttft_s_quantiles_p50": 0.2, "results_ttft_s_quantiles_p99": 0.219,
    "results_ttft_s_mean": 0.201, "results_ttft_s_stddev": 0.004, "results_inter_token_latency_s_mean": 0.023,
    "results_end_to_end_latency_s_mean": 1.48, "results_number_errors": 1, "results_num_completed_requests": 9,
    "results_mean_output_throughput_token_per_s": 230.4,
}  # fmt: skip
LLMETER = {
    "total_requests": 10, "failed_requests": 1, "requests_per_minute": 216.0, "total_test_time": 2.5, "model_id": "m",
    "time_to_first_token-average": 0.201, "time_to_first_token-p50": 0.2, "time_to_first_token-p99": 0.219,
    "time_to_last_token-average": 1.48,
}  # fmt: skip
EVALSCOPE = {
    "Time taken for tests (s)": 2.5, "Number of concurrency": 4, "Succeed requests": 9, "Failed requests": 1,
    "Output token throughput (tok/s)": 230.4, "Request throughput (req/s)": 3.6, "Average latency (s)": 1.48,
    "Average time to first token (ms)": 201.0, "Average time per output token (s)": 0.02,
    "Average output tokens per request": 64.0,
}  # fmt: skip
OTHERS = {
    "guidellm": (GUIDELLM, {"guidellm:time_to_first_token_ms", "guidellm:time_per_output_token_ms", "tpot", "guidellm:request_latency"}),
    "inference-perf": (INFERENCE_PERF, {"inference-perf:request_latency", "inference-perf:time_to_first_token", "tpot"}),
    "genai-bench": (GENAI_BENCH, {"genai-bench:ttft", "genai-bench:tpot", "genai-bench:e2e_latency", "genai-bench:output_latency"}),
    "llmperf": (LLMPERF, {"llmperf:ttft_s", "llmperf:inter_token_latency_s", "llmperf:end_to_end_latency_s"}),
    "llmeter": (LLMETER, {"llmeter:time_to_first_token", "llmeter:time_to_last_token"}),
    "evalscope": (EVALSCOPE, {"evalscope:latency", "evalscope:time_to_first_token", "evalscope:time_per_output_token"}),
}  # fmt: skip


@pytest.mark.parametrize("tool", list(OTHERS))
def test_the_same_measurement_reads_the_same_from_every_tool(tool: str) -> None:
    """Nine good requests with a TTFT of 201 ms on average; what a tool does not say is null."""
    document, names = OTHERS[tool]
    found = read_import(tool, json.dumps(document).encode(), "r.json")
    assert {one.name for one in found.metrics} == names
    ttft = next(one for one in found.metrics if "first" in one.name or "ttft" in one.name)
    assert ttft.mean == pytest.approx(0.201)
    assert ttft.p50 == (None if tool == "evalscope" else pytest.approx(0.2))
    assert ttft.p99 == (None if tool == "evalscope" else pytest.approx(0.219))
    assert (found.completed, found.failed) == (9, 1)


def test_both_files_of_evalscope_are_read_in_either_version() -> None:
    """Newer versions say Avg TTFT (ms) in the summary; the percentiles are rows of a file of their own."""
    newer = {"Test Duration (s)": 2.5, "Success Requests": 9, "Failed Requests": 1, "Avg Latency (s)": 1.48, "Avg TTFT (ms)": 201.0, "Avg Input Tokens": 32.0}  # fmt: skip
    found = read_import("evalscope", json.dumps(newer).encode(), "r.json")
    assert {one.name: one.mean for one in found.metrics} == {"evalscope:latency": 1.48, "evalscope:ttft": pytest.approx(0.201)}  # fmt: skip
    assert (found.completed, found.failed, found.duration) == (9, 1, 2.5)
    rows = [{"Percentiles": "min", "TTFT (ms)": 190.0, "Input tokens": 32.0}, {"Percentiles": "50%", "TTFT (ms)": 200.0}, {"Percentiles": "99%", "TTFT (ms)": 219.0}]  # fmt: skip
    (ttft,) = read_import("evalscope", json.dumps(rows).encode(), "p.json").metrics
    assert ttft.name == "evalscope:ttft"
    assert [ttft.min, ttft.p50, ttft.p99] == pytest.approx([0.19, 0.2, 0.219])


def test_a_sweep_of_guidellm_is_no_single_result() -> None:
    """It says how many there are."""
    sweep = {"benchmarks": [*GUIDELLM["benchmarks"], *GUIDELLM["benchmarks"]]}
    with pytest.raises(UsageError, match="the file has 2 benchmarks, not one"):
        read_import("guidellm", json.dumps(sweep).encode(), "r.json")


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
