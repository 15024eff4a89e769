"""Fail when a local model's TTFT leaves its budget: a benchmark in ten lines of library code."""

import sys

from llm_latency_lens import Load, Profiler, run


def main(base_url: str, model: str) -> int:
    """Exit 1 when the median TTFT is above half a second, 4 when the measurement itself is invalid."""
    profiler = Profiler(f"openai:{model}", base_url=base_url)
    result = run(profiler.benchmark(Load(concurrency=2, requests=20), "Name three colours."))
    ttft = result.metrics.get("ttft")
    if result.verdict == "INVALID" or ttft is None or ttft.p50 is None:
        return 4
    print(f"TTFT p50 {ttft.p50 * 1000:.0f} ms, {result.verdict}")
    return 0 if ttft.p50 < 0.5 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
