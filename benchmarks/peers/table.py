"""ONE table of the peers: how each is installed, what its command is, and how its own numbers are read.

Numbers are what a tool itself reports, in seconds; what it does not say is None.
"""

import json
import pathlib
import statistics
from collections.abc import Callable

from msgspec import Struct

from benchmarks.peers.environment import Environment, interpreter
from llm_latency_lens.metrics.imports import read_import

HERE = pathlib.Path(__file__).parent


class Work(Struct, frozen=True, kw_only=True):
    """What a peer is asked to do, and where it may write."""

    base_url: str
    concurrency: int
    requests: int
    tokens: int
    out: pathlib.Path
    home: pathlib.Path

    @property
    def root(self) -> str:
        """The address without /v1."""
        return self.base_url.removesuffix("/v1")


class Told(Struct, frozen=True, kw_only=True):
    """What the tool reported of TTFT, in seconds."""

    mean: float | None = None
    p50: float | None = None
    p99: float | None = None


class Peer(Struct, frozen=True, kw_only=True):
    """One tool, as it is installed, run and read.

    Attributes:
        environment: what is installed for it.
        shared: the environment in which it runs, where that is not its own.
        tokenizer: whether it needs the tokenizer, which the shared environment makes.
        hub: whether it takes a tokenizer only by its name in a hub's cache.
        limit: seconds that one run of it may take.
    """

    name: str
    version: str
    environment: Environment
    command: Callable[[Work], list[str]]
    read: Callable[[Work], Told]
    shared: Environment | None = None
    tokenizer: bool = True
    env: tuple[tuple[str, str], ...] = ()
    hub: bool = False
    limit: float = 240.0


CLIENT = Environment(
    name="client",
    packages=(
        "aiohttp",
        "datasets",
        "jinja2",
        "numpy",
        "pandas",
        "pillow",
        "pip",
        "pybase64",
        "regex",
        "requests",
        "tokenizers",
        "tqdm",
        "transformers",
    ),
    script="make_tokenizer.py",
    makes=("tokenizer/tokenizer.json", "hub/hub/models--local--tok/refs/main"),
)
"""vLLM's and SGLang's clients run in it; it makes the tokenizer and downloads the wheels."""

_OFFLINE = (("HF_HUB_OFFLINE", "1"), ("TRANSFORMERS_OFFLINE", "1"), ("HF_DATASETS_OFFLINE", "1"))


def _vllm(work: Work) -> list[str]:
    return [
        str(interpreter(work.home, CLIENT.name)),
        str(HERE / "runners/run_vllm.py"),
        str(work.home / "vllm/src"),
        "--backend",
        "openai-chat",
        "--base-url",
        work.root,
        "--endpoint",
        "/v1/chat/completions",
        "--model",
        "sim",
        "--tokenizer",
        str(work.home / "tokenizer"),
        "--dataset-name",
        "random",
        "--random-input-len",
        "32",
        "--random-output-len",
        str(work.tokens),
        "--num-prompts",
        str(work.requests),
        "--max-concurrency",
        str(work.concurrency),
        "--ignore-eos",
        "--percentile-metrics",
        "ttft,tpot",
        "--metric-percentiles",
        "50,99",
        "--save-result",
        "--result-dir",
        str(work.out),
        "--result-filename",
        "r.json",
        "--disable-tqdm",
    ]


def _sglang(work: Work) -> list[str]:
    return [
        str(interpreter(work.home, CLIENT.name)),
        str(HERE / "runners/run_sglang.py"),
        str(work.home / "sglang/src"),
        "--backend",
        "vllm-chat",
        "--base-url",
        work.root,
        "--model",
        "sim",
        "--tokenizer",
        str(work.home / "tokenizer"),
        "--dataset-name",
        "random-ids",
        "--random-input-len",
        "32",
        "--random-output-len",
        str(work.tokens),
        "--random-range-ratio",
        "1",
        "--num-prompts",
        str(work.requests),
        "--max-concurrency",
        str(work.concurrency),
        "--warmup-requests",
        "0",
        "--output-file",
        str(work.out / "r.jsonl"),
        "--disable-tqdm",
        "--worker-threads",
        "1",
    ]


def _aiperf(work: Work) -> list[str]:
    return [
        str(work.home / "aiperf/venv/bin/aiperf"), "profile", "-m", "sim", "--endpoint-type", "chat", "--streaming",
        "-u", work.root, "--tokenizer", "local/tok", "--concurrency", str(work.concurrency), "--request-count", str(work.requests),
        "--isl", "32", "--osl", str(work.tokens), "--artifact-dir", str(work.out), "--ui", "none", "--no-gpu-telemetry",
        "--no-server-metrics", "--use-legacy-max-tokens", "--num-dataset-entries", "100",
    ]  # fmt: skip


def _llmeter(work: Work) -> list[str]:
    each = max(1, work.requests // work.concurrency)
    return [
        str(interpreter(work.home, "llmeter")),
        str(HERE / "runners/run_llmeter.py"),
        work.base_url,
        str(work.concurrency),
        str(each),
        str(work.tokens),
        str(work.out / "r.json"),
    ]


def _guidellm(work: Work) -> list[str]:
    return [
        str(work.home / "guidellm/venv/bin/guidellm"), "run", "--backend", f"kind=openai_http,target={work.root},model=sim",
        "--profile", f"kind=concurrent,streams={work.concurrency}", "--constraint", f"kind=max_requests,count={work.requests}",
        "--tokenizer", f"kind=hf_auto,model={work.home / 'tokenizer'}", "--data",
        f"kind=synthetic_text,prompt_tokens=32,output_tokens={work.tokens}", "--output", f"kind=json,path={work.out / 'r.json'}",
        "--disable-console-interactive",
    ]  # fmt: skip


def _genai_bench(work: Work) -> list[str]:
    return [
        str(work.home / "genai-bench/venv/bin/genai-bench"), "benchmark", "--api-backend", "openai", "--api-base", work.root,
        "--api-key", "x", "--api-model-name", "sim", "--model-tokenizer", str(work.home / "tokenizer"), "--task", "text-to-text",
        "--traffic-scenario", f"D(32,{work.tokens})", "--num-concurrency", str(work.concurrency), "--max-time-per-run", "3",
        "--max-requests-per-run", str(work.requests), "--experiment-base-dir", str(work.out), "--experiment-folder-name", "r",
        "--log-dir", str(work.out),
    ]  # fmt: skip


def _evalscope(work: Work) -> list[str]:
    return [
        str(work.home / "evalscope/venv/bin/evalscope"), "perf", "--url", f"{work.base_url}/chat/completions", "--api", "openai",
        "--model", "sim", "--parallel", str(work.concurrency), "--number", str(work.requests), "--stream", "--tokenizer-path",
        str(work.home / "tokenizer"), "--dataset", "random", "--min-prompt-length", "32", "--max-prompt-length", "32",
        "--prefix-length", "0", "--max-tokens", str(work.tokens), "--min-tokens", str(work.tokens), "--outputs-dir", str(work.out),
        "--no-test-connection",
    ]  # fmt: skip


def _inference_perf(work: Work) -> list[str]:
    config = {
        "load": {"type": "concurrent", "num_workers": 1, "stages": [{"num_requests": work.requests, "concurrency_level": work.concurrency}]},
        "api": {"type": "chat", "streaming": True},
        "server": {"type": "vllm", "model_name": "sim", "base_url": work.root, "ignore_eos": True},
        "tokenizer": {"pretrained_model_name_or_path": str(work.home / "tokenizer")},
        # Of its generators for chat the one without a data set to download; the server decides how long answers are.
        "data": {"type": "mock"},
        "report": {"request_lifecycle": {"summary": True, "per_stage": False, "per_request": False}},
        "storage": {"local_storage": {"path": str(work.out)}},
    }  # fmt: skip
    path = work.out / "config.yml"
    path.write_text(json.dumps(config))  # JSON is YAML too
    return [str(work.home / "inference-perf/venv/bin/inference-perf"), "--config_file", str(path)]


def _from_milliseconds(document: dict[str, float]) -> Told:
    def of(*names: str) -> float | None:
        value = next((document[name] for name in names if name in document), None)
        return None if value is None else value / 1000.0

    return Told(
        mean=of("mean_ttft_ms"), p50=of("median_ttft_ms", "p50_ttft_ms"), p99=of("p99_ttft_ms")
    )


def _read_vllm(work: Work) -> Told:
    return _from_milliseconds(json.loads((work.out / "r.json").read_text()))


def _read_sglang(work: Work) -> Told:
    return _from_milliseconds(json.loads((work.out / "r.jsonl").read_text().splitlines()[-1]))


def _read_aiperf(work: Work) -> Told:
    (path,) = work.out.rglob("profile_export_aiperf.json")
    found = json.loads(path.read_text())["time_to_first_token"]
    return Told(mean=found["avg"] / 1e3, p50=found["p50"] / 1e3, p99=found["p99"] / 1e3)


def _read_imported(tool: str, pattern: str) -> Callable[[Work], Told]:
    """Through our own importer of the tool's file."""

    def read(work: Work) -> Told:
        path = max(work.out.rglob(pattern), key=lambda found: found.stat().st_mtime)
        metrics = read_import(tool, path.read_bytes(), str(path)).metrics
        ttfts = [m for m in metrics if "first_token" in m.name or m.name.endswith(":ttft")]
        if not ttfts:
            raise LookupError(f"{path.name} has no time to first token")
        return Told(mean=ttfts[0].mean, p50=ttfts[0].p50, p99=ttfts[0].p99)

    return read


def _read_evalscope(work: Work) -> Told:
    """Means and percentiles are in files of their own."""
    mean = _read_imported("evalscope", "benchmark_summary.json")(work).mean
    rest = _read_imported("evalscope", "benchmark_percentile.json")(work)
    return Told(mean=mean, p50=rest.p50, p99=rest.p99)


def _read_llmeter(work: Work) -> Told:
    values = sorted(json.loads((work.out / "r.json").read_text())["ttft"])
    if not values:
        return Told()
    at = min(len(values) - 1, round(0.99 * (len(values) - 1)))
    return Told(mean=statistics.fmean(values), p50=statistics.median(values), p99=values[at])


PEERS: tuple[Peer, ...] = (
    Peer(
        name="vllm",
        version="0.33.0",
        environment=Environment(name="vllm", wheel="vllm==0.33.0", unpacked="vllm/benchmarks/*"),
        command=_vllm,
        read=_read_vllm,
        shared=CLIENT,
        env=_OFFLINE,
    ),
    Peer(
        name="sglang",
        version="0.5.23",
        environment=Environment(name="sglang", wheel="sglang==0.5.23", unpacked="*_bench*.so"),
        command=_sglang,
        read=_read_sglang,
        shared=CLIENT,
        env=_OFFLINE,
    ),
    Peer(
        name="aiperf",
        version="0.13.0",
        environment=Environment(name="aiperf", packages=("aiperf==0.13.0",)),
        command=_aiperf,
        read=_read_aiperf,
        env=_OFFLINE,
        hub=True,
    ),
    Peer(
        name="llmeter",
        version="0.2.0",
        environment=Environment(name="llmeter", packages=("llmeter[openai]==0.2.0", "httpx")),
        command=_llmeter,
        read=_read_llmeter,
        tokenizer=False,
    ),
    Peer(
        name="guidellm",
        version="0.8.1",
        environment=Environment(name="guidellm", packages=("guidellm==0.8.1",)),
        command=_guidellm,
        read=_read_imported("guidellm", "r.json"),
        env=_OFFLINE,
    ),
    Peer(
        name="genai-bench",
        version="0.0.5",
        environment=Environment(name="genai-bench", packages=("genai-bench==0.0.5",)),
        command=_genai_bench,
        read=_read_imported("genai-bench", "D*.json"),
        env=_OFFLINE,
    ),
    Peer(
        name="evalscope",
        version="1.14.1",
        environment=Environment(name="evalscope", packages=("evalscope[perf]==1.14.1",)),
        command=_evalscope,
        read=_read_evalscope,
        env=_OFFLINE,
    ),
    Peer(
        name="inference-perf",
        version="0.7.0",
        environment=Environment(
            name="inference-perf", packages=("inference-perf==0.7.0",), oldest=(3, 12)
        ),
        command=_inference_perf,
        read=_read_imported("inference-perf", "summary_lifecycle_metrics.json"),
        env=_OFFLINE,
    ),
)

NOT_HERE = {
    "llmperf": "Python 3.10 and 1.1 GB of Ray; no longer kept up",
}
"""Peers without a row, and why."""
