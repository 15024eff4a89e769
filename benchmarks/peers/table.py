"""ONE table of the peers: how each is installed, what its command is, and how its own numbers are read.

Numbers are what a tool itself reports, in seconds; what it does not say is None.
"""

import json
import pathlib
import statistics
from collections.abc import Callable

from msgspec import Struct

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

    `packages` go into its environment; of a client whose package would bring a GPU stack the `wheel` is
    downloaded, and what matches `unpacked` is taken out of it. `hub`: it takes a tokenizer only by its name in a
    hub's cache.
    """

    name: str
    version: str
    packages: tuple[str, ...]
    command: Callable[[Work], list[str]]
    read: Callable[[Work], Told]
    wheel: str = ""
    unpacked: str = ""
    env: tuple[tuple[str, str], ...] = ()
    hub: bool = False


_CLIENT = ("aiohttp", "numpy", "tqdm", "transformers", "datasets", "pillow", "pandas", "jinja2", "requests", "tokenizers", "regex", "pybase64")  # fmt: skip
_OFFLINE = (("HF_HUB_OFFLINE", "1"), ("TRANSFORMERS_OFFLINE", "1"), ("HF_DATASETS_OFFLINE", "1"))


def python(work: Work, peer: str) -> str:
    """The Python of a peer's environment."""
    return str(work.home / peer / "venv/bin/python")


def _vllm(work: Work) -> list[str]:
    return [
        python(work, "vllm"), str(HERE / "runners/run_vllm.py"), str(work.home / "vllm/src"),
        "--backend", "openai-chat", "--base-url", work.root, "--endpoint", "/v1/chat/completions",
        "--model", "sim", "--tokenizer", str(work.home / "tokenizer"), "--dataset-name", "random",
        "--random-input-len", "32", "--random-output-len", str(work.tokens), "--num-prompts", str(work.requests),
        "--max-concurrency", str(work.concurrency), "--ignore-eos", "--percentile-metrics", "ttft,tpot",
        "--metric-percentiles", "50,99", "--save-result", "--result-dir", str(work.out), "--result-filename", "r.json",
        "--disable-tqdm",
    ]  # fmt: skip


def _sglang(work: Work) -> list[str]:
    return [
        python(work, "vllm"), str(HERE / "runners/run_sglang.py"), str(work.home / "sglang/src"),
        "--backend", "vllm-chat", "--base-url", work.root, "--model", "sim", "--tokenizer", str(work.home / "tokenizer"),
        "--dataset-name", "random-ids", "--random-input-len", "32", "--random-output-len", str(work.tokens),
        "--random-range-ratio", "1", "--num-prompts", str(work.requests), "--max-concurrency", str(work.concurrency),
        "--warmup-requests", "0", "--output-file", str(work.out / "r.jsonl"), "--disable-tqdm", "--worker-threads", "1",
    ]  # fmt: skip


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
        python(work, "llmeter"), str(HERE / "runners/run_llmeter.py"), work.base_url, str(work.concurrency), str(each),
        str(work.tokens), str(work.out / "r.json"),
    ]  # fmt: skip


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


def _read_llmeter(work: Work) -> Told:
    values = sorted(json.loads((work.out / "r.json").read_text())["ttft"])
    if not values:
        return Told()
    at = min(len(values) - 1, round(0.99 * (len(values) - 1)))
    return Told(mean=statistics.fmean(values), p50=statistics.median(values), p99=values[at])


PEERS: tuple[Peer, ...] = (
    Peer(name="vllm", version="0.33.0", packages=_CLIENT, wheel="vllm==0.33.0", unpacked="vllm/benchmarks/*", command=_vllm, read=_read_vllm, env=_OFFLINE),
    Peer(name="sglang", version="0.5.23", packages=(), wheel="sglang==0.5.23", unpacked="*_bench*.so", command=_sglang, read=_read_sglang, env=_OFFLINE),
    Peer(name="aiperf", version="0.13.0", packages=("aiperf==0.13.0",), command=_aiperf, read=_read_aiperf, env=_OFFLINE, hub=True),
    Peer(name="llmeter", version="0.2.0", packages=("llmeter[openai]==0.2.0", "httpx"), command=_llmeter, read=_read_llmeter),
)  # fmt: skip

NOT_HERE = {
    "guidellm": "its install needs torch with CUDA (6 GB); not yet run here",
    "genai-bench": "not yet run here",
    "inference-perf": "needs Python 3.12 or newer; not yet run here",
    "evalscope": "not yet run here",
}
"""Peers without a row, and why."""
