"""Runs a simulator in this process until a signal comes."""

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
from collections.abc import Callable

from llm_latency_lens.simulator.server import Simulator
from llm_latency_lens.simulator.spec import SimulatorSpec


def serve(
    spec: SimulatorSpec,
    *,
    core: int | None = None,
    until_stdin_ends: bool = False,
    on_ready: Callable[[Simulator], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM (or the end of standard input), then close the ledger.

    Args:
        spec: what to simulate.
        core: pin this process to one CPU (Linux).
        until_stdin_ends: also end when standard input does, so that no orphan is left behind.
        on_ready: told once it listens; by default a JSON line is printed on stdout.
    """
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    _allow_many_connections()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(spec, on_ready or _print_ready, until_stdin_ends=until_stdin_ends))


async def _serve(
    spec: SimulatorSpec, on_ready: Callable[[Simulator], None], *, until_stdin_ends: bool
) -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    simulator = Simulator(spec)
    try:
        if until_stdin_ends:
            os.set_blocking(sys.stdin.fileno(), False)
            loop.add_reader(sys.stdin.fileno(), _on_stdin, end)
        simulator.start()
        _collect_seldom()
        on_ready(simulator)
        await ended
    finally:
        if until_stdin_ends:
            loop.remove_reader(sys.stdin.fileno())
        simulator.close()
    lag = simulator.lag
    sys.stderr.write(
        f"simulator: {simulator.requests} requests, {simulator.tokens} tokens;"
        f" lag p50 {lag.p50 / 1e6:.3f} ms, p99 {lag.p99 / 1e6:.3f} ms, max {lag.max / 1e6:.3f} ms\n"
    )


def _allow_many_connections() -> None:
    try:
        import resource  # noqa: PLC0415 - POSIX only
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Where the hard limit is no number the system may still refuse it as the soft one.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _collect_seldom() -> None:
    # A collection stops every stream, by the default thresholds many times a second under load.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def _on_stdin(end: Callable[[], None]) -> None:
    with contextlib.suppress(BlockingIOError):
        if not os.read(sys.stdin.fileno(), 4096):
            end()


def _print_ready(simulator: Simulator) -> None:
    sys.stdout.write(json.dumps({"listening": simulator.address, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - optional, and costly to import
    except ImportError:
        return None
    return uvloop.new_event_loop
