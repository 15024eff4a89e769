"""Result files of other tools, read as their writers define them; a table of tools, another of quantities.

A latency keeps the tool's own name where its clock starts before the request is sent, as it mostly does:
only what does not depend on the start (TPOT) is called by our name. Nothing is computed but units.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.imported import Imported, ImportedMetric

Document = dict[str, Any]
Reader = Callable[[bytes], Imported]

_FLAT_STATS = {"mean": "mean", "std": "std", "median": "p50", "p90": "p90", "p95": "p95", "p99": "p99"}  # fmt: skip
_VLLM = {"ttft": "vllm:ttft", "tpot": "tpot", "itl": "vllm:itl", "e2el": "vllm:e2el"}
_SGLANG = {"ttft": "sglang:ttft", "tpot": "sglang:tpot", "itl": "sglang:itl", "e2e_latency": "sglang:e2e_latency"}  # fmt: skip
_AIPERF_STATS = {"avg": "mean", "std": "std", "min": "min", "max": "max", "p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99"}  # fmt: skip
_AIPERF = {
    "time_to_first_token": ":time_to_first_token",
    "time_to_second_token": ":time_to_second_token",
    "inter_token_latency": "tpot",
    "inter_chunk_latency": ":inter_chunk_latency",
    "request_latency": ":request_latency",
}
_PERCENTILES = ("p50", "p90", "p95", "p99")
_STATS = {**{name: name for name in ("mean", "min", "max", *_PERCENTILES)}, "median": "p50", "std_dev": "std", "stddev": "std"}  # fmt: skip
_GUIDELLM = {"time_to_first_token_ms": 1e-3, "time_per_output_token_ms": 1e-3, "inter_token_latency_ms": 1e-3, "request_latency": 1.0}  # fmt: skip
_OUR_TPOT = frozenset({("guidellm", "inter_token_latency_ms"), ("inference-perf", "time_per_output_token")})  # fmt: skip
"""Where a tool divides the time from the first to the last token by one token less, under whatever name."""
_AVERAGE = re.compile(r"(?:Average|Avg) (.+) \((s|ms)\)")
_IN_TIME = re.compile(r"(.+) \((s|ms)\)")
_SCALE = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "sec": 1.0, "s": 1.0, "seconds": 1.0}


def read_import(tool: str, data: bytes, where: str) -> Imported:
    """Read a result file of `tool` (a key of READERS).

    Raises:
        UsageError: it is no such file.
    """
    try:
        return READERS[tool](data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{where}: not a result of {tool}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise UsageError(
            f"{where}: not a result of {tool} that is known here: {type(error).__name__} {error}"
        ) from None


def _vllm(data: bytes) -> Imported:
    """`vllm bench serve --save-result`: one flat JSON object."""
    found: Document = msgspec.json.decode(data)
    return Imported(
        tool="vllm",
        version=None,
        model=found["model_id"],
        completed=found["completed"],
        failed=found.get("failed"),
        duration=found["duration"],
        output_tokens_per_second=found.get("output_throughput"),
        requests_per_second=found.get("request_throughput"),
        metrics=_flat(found, _VLLM),
    )


def _sglang(data: bytes) -> Imported:
    """`bench_serving --output-file`: an object a line, the last run last."""
    found: Document = msgspec.json.decode(data.strip().splitlines()[-1])
    return Imported(
        tool="sglang",
        version=None,
        model=found.get("model"),
        completed=found["completed"],
        failed=None,
        duration=found["duration"],
        output_tokens_per_second=found.get("output_throughput"),
        requests_per_second=found.get("request_throughput"),
        metrics=_flat(found, _SGLANG),
    )


def _flat(found: Document, names: dict[str, str]) -> tuple[ImportedMetric, ...]:
    """`mean_ttft_ms`, `p99_ttft_ms` and their like."""
    metrics = []
    for theirs, ours in names.items():
        stats = {
            stat: value / 1000.0
            for word, stat in _FLAT_STATS.items()
            if (value := found.get(f"{word}_{theirs}_ms")) is not None
        }
        if stats:
            metrics.append(ImportedMetric(name=ours, unit="s", **stats))
    if not metrics:
        raise KeyError("mean_ttft_ms")
    return tuple(metrics)


def _aiperf(tool: str) -> Reader:
    """`profile_export_aiperf.json` and genai-perf's: an object with its unit for each metric."""

    def read(data: bytes) -> Imported:
        found: Document = msgspec.json.decode(data)

        def rate(name: str) -> float | None:
            entry = found.get(name)
            return None if entry is None else float(entry["avg"])

        count = rate("request_count")
        errors = rate("error_request_count")
        metrics = tuple(
            ImportedMetric(
                name=ours if not ours.startswith(":") else tool + ours,
                unit="s",
                **{
                    stat: float(found[theirs][word]) * _SCALE[found[theirs]["unit"]]
                    for word, stat in _AIPERF_STATS.items()
                    if found[theirs].get(word) is not None
                },
            )
            for theirs, ours in _AIPERF.items()
            if theirs in found
        )
        if not metrics:
            raise KeyError("time_to_first_token")
        return Imported(
            tool=tool,
            version=found.get("aiperf_version"),
            model=None,
            completed=None if count is None else round(count),
            failed=None if errors is None else round(errors),
            duration=None,
            output_tokens_per_second=rate("output_token_throughput"),
            requests_per_second=rate("request_throughput"),
            metrics=metrics,
        )

    return read


def _guidellm(data: bytes) -> Imported:
    """`benchmarks.json` with one benchmark in it: of a sweep each would be a result of its own."""
    document: Document = msgspec.json.decode(data)
    benchmarks = document["benchmarks"]
    if len(benchmarks) != 1:
        raise ValueError(f"the file has {len(benchmarks)} benchmarks, not one")
    metrics = benchmarks[0]["metrics"]

    def mean(name: str) -> float | None:
        found = metrics.get(name)
        return None if found is None else float(found["successful"]["mean"])

    totals = metrics.get("request_totals", {})
    return Imported(
        tool="guidellm",
        version=document.get("metadata", {}).get("guidellm_version"),
        model=None,
        completed=totals.get("successful"),
        failed=totals.get("errored"),
        duration=benchmarks[0].get("duration"),
        output_tokens_per_second=mean("output_tokens_per_second"),
        requests_per_second=mean("requests_per_second"),
        metrics=_listed(
            "guidellm",
            {
                name: (_merged(found["successful"], "percentiles"), scale)
                for name, scale in _GUIDELLM.items()
                if (found := metrics.get(name)) is not None
            },
        ),
    )


def _inference_perf(data: bytes) -> Imported:
    """`summary_lifecycle_metrics.json`, or that of a stage."""
    found: Document = msgspec.json.decode(data)
    good = found["successes"]
    throughput = good.get("throughput", {})
    return Imported(
        tool="inference-perf",
        version=None,
        model=None,
        completed=good["count"],
        failed=found.get("failures", {}).get("count"),
        duration=None,
        output_tokens_per_second=throughput.get("output_tokens_per_sec"),
        requests_per_second=throughput.get("requests_per_sec"),
        metrics=_listed("inference-perf", {n: (v, 1.0) for n, v in good["latency"].items() if v}),
    )


def _genai_bench(data: bytes) -> Imported:
    """The JSON of one scenario at one concurrency; seconds."""
    document: Document = msgspec.json.decode(data)
    found = document.get("aggregated_metrics", document)
    names = ("ttft", "tpot", "e2e_latency", "output_latency")
    return Imported(
        tool="genai-bench",
        version=None,
        model=None,
        completed=found["num_completed_requests"],
        failed=found.get("num_error_requests"),
        duration=found.get("run_duration"),
        output_tokens_per_second=found.get("mean_output_throughput_tokens_per_s"),
        requests_per_second=found.get("requests_per_second"),
        metrics=_listed("genai-bench", {n: (found["stats"][n], 1.0) for n in names}),
    )


def _llmperf(data: bytes) -> Imported:
    """`..._summary.json`: everything flat under `results_`; seconds."""
    found: Document = msgspec.json.decode(data)
    metrics = {
        name: (
            {
                **{stat: found.get(f"results_{name}_{stat}") for stat in ("mean", "min", "max", "stddev")},
                **{stat: found.get(f"results_{name}_quantiles_{stat}") for stat in _PERCENTILES},
            },
            1.0,
        )
        for name in ("ttft_s", "inter_token_latency_s", "end_to_end_latency_s")
    }  # fmt: skip
    return Imported(
        tool="llmperf",
        version=None,
        model=found.get("model"),
        completed=found["results_num_completed_requests"],
        failed=found.get("results_number_errors"),
        duration=None,
        output_tokens_per_second=found.get("results_mean_output_throughput_token_per_s"),
        requests_per_second=None,
        metrics=_listed("llmperf", metrics),
    )


def _llmeter(data: bytes) -> Imported:
    """`stats.json` of a run: `time_to_first_token-p50` and its like; seconds."""
    found: Document = msgspec.json.decode(data)
    names = ("time_to_first_token", "time_to_last_token", "time_per_output_token")
    metrics = {
        name: (
            {
                "mean": found.get(f"{name}-average"),
                **{stat: found.get(f"{name}-{stat}") for stat in _PERCENTILES},
            },
            1.0,
        )
        for name in names
    }
    total, failed = found["total_requests"], found.get("failed_requests")
    minute = found.get("requests_per_minute")
    return Imported(
        tool="llmeter",
        version=None,
        model=found.get("model_id"),
        completed=None if failed is None else total - failed,
        failed=failed,
        duration=found.get("total_test_time"),
        output_tokens_per_second=None,
        requests_per_second=None if minute is None else minute / 60.0,
        metrics=_listed("llmeter", metrics),
    )


def _evalscope(data: bytes) -> Imported:
    """`benchmark_summary.json`: averages, each with its unit in its name; or `benchmark_percentile.json`."""
    found: Document | list[Document] = msgspec.json.decode(data)
    if isinstance(found, list):
        return Imported(
            tool="evalscope",
            version=None,
            model=None,
            completed=None,
            failed=None,
            duration=None,
            output_tokens_per_second=None,
            requests_per_second=None,
            metrics=_listed("evalscope", _percentile_rows(found)),
        )
    metrics: dict[str, tuple[Document, float]] = {}
    for words, value in found.items():
        match = _AVERAGE.fullmatch(words)
        if match is not None and isinstance(value, (int, float)):
            metrics[_plain(match[1])] = ({"mean": value}, _SCALE[match[2]])
    return Imported(
        tool="evalscope",
        version=None,
        model=None,
        completed=found.get("Success Requests", found.get("Succeed requests")),
        failed=found.get("Failed Requests", found.get("Failed requests")),
        duration=found.get("Test Duration (s)", found.get("Time taken for tests (s)")),
        output_tokens_per_second=found.get("Output Throughput (tok/s)", found.get("Output token throughput (tok/s)")),
        requests_per_second=found.get("Req Throughput (req/s)", found.get("Request throughput (req/s)")),
        metrics=_listed("evalscope", metrics),
    )  # fmt: skip


def _percentile_rows(rows: list[Document]) -> dict[str, tuple[Document, float]]:
    """A row for each percentile, a column for each quantity."""
    found: dict[str, tuple[Document, float]] = {}
    for row in rows:
        percent = str(row["Percentiles"])
        stat = f"p{percent[:-1]}" if percent.endswith("%") else percent
        for words, value in row.items():
            match = _IN_TIME.fullmatch(words)
            if match is not None:
                found.setdefault(_plain(match[1]), ({}, _SCALE[match[2]]))[0][stat] = value
    return found


def _plain(words: str) -> str:
    return words.strip().replace(" ", "_").lower()


def _merged(found: Document, inner: str) -> Document:
    return {**found, **found.get(inner, {})}


def _listed(tool: str, found: dict[str, tuple[Document, float]]) -> tuple[ImportedMetric, ...]:
    """Statistics by the tool's name and the scale to seconds; our name where TPOT is ours."""
    metrics = []
    for theirs, (stats, scale) in found.items():
        known = {
            ours: float(value) * scale
            for word, ours in _STATS.items()
            if (value := stats.get(word)) is not None
        }
        if known:
            name = "tpot" if (tool, theirs) in _OUR_TPOT else f"{tool}:{theirs}"
            metrics.append(ImportedMetric(name=name, unit="s", **known))
    if not metrics:
        raise KeyError("latencies")
    return tuple(metrics)


READERS: dict[str, Reader] = {
    "vllm": _vllm,
    "sglang": _sglang,
    "aiperf": _aiperf("aiperf"),
    "genai-perf": _aiperf("genai-perf"),
    "guidellm": _guidellm,
    "inference-perf": _inference_perf,
    "genai-bench": _genai_bench,
    "llmperf": _llmperf,
    "llmeter": _llmeter,
    "evalscope": _evalscope,
}
"""Tools whose result files can be read."""
