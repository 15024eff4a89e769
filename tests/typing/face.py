"""The library's face as a type checker sees it: checked by mypy, never run."""

from typing import assert_type

from llm_latency_lens import Load, Profile, Profiler, Record, Result, run


def profile(profiler: Profiler) -> None:
    """One request gives a Profile with its Record."""
    found = run(profiler.profile("hi"))
    assert_type(found, Profile)
    assert_type(found.record, Record)


async def benchmark(profiler: Profiler) -> None:
    """A load gives a Result, in async code as well."""
    assert_type(await profiler.benchmark(Load(rate="20/s", duration="1s"), "hi"), Result)
    assert_type(run(profiler.benchmark(Load(), "hi")).metrics["ttft"].p50, float | None)
