"""A measuring process: it opens, sends, stamps and receives, and ships Recordings; nothing else.

Started as `python -m llm_latency_lens.runner.worker FD`, where FD is one end of a socket pair. Its
garbage collector is off while it measures: what a request makes is free of cycles.
"""

import asyncio
import contextlib
import gc
import os
import pathlib
import re
import socket
import sys
import traceback
from collections.abc import Callable
from decimal import Decimal

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.model.recording import Attempt
from llm_latency_lens.model.vitals import Vitals
from llm_latency_lens.runner.engine import Engine
from llm_latency_lens.runner.file_limit import raise_file_limit
from llm_latency_lens.runner.heartbeat import Heartbeat
from llm_latency_lens.runner.messages import (
    Abort,
    Begin,
    Failed,
    Finish,
    Frames,
    Grant,
    Order,
    PhaseDone,
    Progress,
    Ready,
    Resources,
    Stop,
    Want,
    decode_to_worker,
)
from llm_latency_lens.runner.outbox import Outbox
from llm_latency_lens.runner.scheduling import ask_for_short_slices
from llm_latency_lens.runner.wallet import Wallet
from llm_latency_lens.transport.exchange import LiveTransport
from llm_latency_lens.transport.poller import Poller
from llm_latency_lens.transport.resolve import Resolver
from llm_latency_lens.transport.stamps import kernel_stamps_offered
from llm_latency_lens.units import MonoNs

_PROGRESS_S = 0.1


class Worker:
    """Takes orders from the parent's socket and runs phases on the engine."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox(sock, self._loop)
        self._frames = Frames()
        self._engine: Engine | None = None
        self._transports: list[LiveTransport] = []
        self._wallet: Wallet | None = None
        self._clock = SystemClock()
        self._phase: asyncio.Task[None] | None = None
        self._before = Resources(0.0, 0.0, 0)
        self._vitals: Vitals | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._handlers: dict[type, Callable[..., None]] = {
            Order: self._on_order,
            Begin: self._on_begin,
            Stop: self._on_stop,
            Abort: self._on_abort,
            Finish: self._on_finish,
            Grant: self._on_grant,
        }

    async def run(self) -> None:
        """Serve the parent until it closes its end."""
        self._loop.add_reader(self._sock, self._on_readable)
        try:
            await self._closed
        finally:
            self._loop.remove_reader(self._sock)
            if self._phase is not None:
                self._phase.cancel()
                await asyncio.gather(self._phase, return_exceptions=True)
            for transport in self._transports:
                transport.close()
            self._clock.close()
            self._outbox.close()

    def _on_readable(self) -> None:
        try:
            data = self._sock.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if not self._closed.done():
                self._closed.set_result(None)
            return
        for body in self._frames.feed(data):
            message = decode_to_worker(body)
            self._handlers[type(message)](message)

    def _on_order(self, order: Order) -> None:
        ports = frozenset(arm.target.first_hop.port for arm in order.arms)
        poller = Poller(order.stamps, ports)
        for target in (arm.target for arm in order.arms):
            resolver = Resolver(order.worker if target.spread_addresses else None)
            transport = LiveTransport(
                target.tls, target.proxy, resolver=resolver, reuse=order.reuse, poller=poller
            )
            transport.prepare(target.base_url)
            self._transports.append(transport)
        self._wallet = Wallet(self._ask) if order.cap is not None else None
        # Under a cap the parent hears of every attempt at once: what it cost decides what may follow.
        sink = self._outbox.attempt if self._wallet is None else self._ship_now
        self._engine = Engine(order, self._transports, self._clock, sink, self._wallet)
        gc.collect()
        gc.freeze()
        gc.disable()
        self._before = _resources()
        self._outbox.send(Ready(os.getpid(), type(self._loop).__module__, kernel_stamps_offered()))

    def _on_begin(self, begin: Begin) -> None:
        self._phase = self._loop.create_task(self._run_phase(begin))

    def _ship_now(self, attempt: Attempt) -> None:
        self._outbox.attempt(attempt)
        self._outbox.flush()

    def _ask(self, wanted: Decimal, returned: Decimal) -> None:
        self._outbox.send(Want(wanted, returned))

    def _on_grant(self, grant: Grant) -> None:
        if self._wallet is None:
            return
        if grant.amount is None:
            self._wallet.close()
        else:
            self._wallet.grant(grant.amount)

    def _on_stop(self, _: Stop) -> None:
        if self._engine is not None:
            self._engine.stop()

    def _on_abort(self, _: Abort) -> None:
        self._on_stop(Stop())
        for transport in self._transports:
            transport.abort()

    def _on_finish(self, _: Finish) -> None:
        used, before = _resources(), self._before
        self._outbox.send(
            Resources(
                used.cpu_user - before.cpu_user,
                used.cpu_system - before.cpu_system,
                used.peak_memory,
                self._vitals,
            )
        )

    async def _run_phase(self, begin: Begin) -> None:
        engine = self._engine
        if engine is None:
            raise RuntimeError("a phase was begun before the order came")
        ticker = self._loop.create_task(self._tick(engine))
        heartbeat = Heartbeat(self._clock)
        heartbeat.start()
        try:
            tally = await engine.run_phase(begin.phase, MonoNs(begin.start))
        except Exception:  # noqa: BLE001 - the parent must hear of anything that went wrong
            self._outbox.flush()
            self._outbox.send(Failed(traceback.format_exc(limit=-3)))
            return
        finally:
            ticker.cancel()
            self._vitals = heartbeat.stop(engine.number, engine.area)
        if self._wallet is not None:
            self._wallet.reset()
        self._outbox.flush()
        self._outbox.send(Progress(engine.started, engine.in_flight))
        self._outbox.send(PhaseDone(tally.planned, tally.started))
        gc.collect()

    async def _tick(self, engine: Engine) -> None:
        interval = int(_PROGRESS_S * 1e9)
        due = self._clock.now()
        while True:
            due = MonoNs(due + interval)
            await self._clock.sleep_until(due)
            self._outbox.send(Progress(engine.started, engine.in_flight))


def _resources() -> Resources:
    import resource  # noqa: PLC0415 - not on Windows

    used = resource.getrusage(resource.RUSAGE_SELF)
    return Resources(used.ru_utime, used.ru_stime, _peak_memory() or used.ru_maxrss)


def _peak_memory() -> int | None:
    """This process's own peak (Linux): `getrusage` would give the parent's where that was larger."""
    try:
        status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(found[1]) * 1024 if found else None


async def _serve(sock: socket.socket) -> None:
    await Worker(sock).run()


def main(argv: list[str]) -> None:
    """Run a worker on the socket whose file descriptor is the first argument."""
    sock = socket.socket(fileno=int(argv[1]))
    sock.setblocking(False)
    raise_file_limit()
    ask_for_short_slices()
    with (
        contextlib.suppress(KeyboardInterrupt),
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        runner.run(_serve(sock))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop's loop where it is installed, else asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - optional, and costly to import
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    main(sys.argv)
