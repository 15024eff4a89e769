"""Result files of other tools, read as their writers define them; a table of tools, another of quantities.

A latency keeps the tool's own name where its clock starts before the request is sent, as it mostly does:
only what does not depend on the start (TPOT) is called by our name. Nothing is computed but units.
"""

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


READERS: dict[str, Reader] = {
    "vllm": _vllm,
    "sglang": _sglang,
    "aiperf": _aiperf("aiperf"),
    "genai-perf": _aiperf("genai-perf"),
}
"""Tools whose result files can be read."""
