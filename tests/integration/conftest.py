"""Every test of real sockets runs on both event loops, and leaves nothing behind."""

import asyncio
import gc
import pathlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from llm_latency_lens.runner.worker import loop_factory

T = TypeVar("T")


@pytest.fixture(params=["asyncio", "uvloop"])
def run_async(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine on asyncio's own loop, or on uvloop's; no task may be left."""
    factory = loop_factory() if request.param == "uvloop" else None

    def run(work: Coroutine[Any, Any, T]) -> T:
        async def watched() -> T:
            try:
                return await asyncio.wait_for(work, 30)
            finally:
                others = asyncio.all_tasks() - {asyncio.current_task()}
                assert not others, f"tasks are left: {others}"

        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(watched())

    return run


@pytest.fixture(autouse=True)
def _no_leaked_sockets() -> Iterator[None]:
    """L7: the same open sockets after a test as before it."""
    before = _sockets()
    yield
    gc.collect()
    assert _sockets() <= before


def _sockets() -> int:
    count = 0
    for entry in pathlib.Path("/proc/self/fd").iterdir():
        try:
            count += str(entry.readlink()).startswith("socket:")
        except OSError:
            continue
    return count
