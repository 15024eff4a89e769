"""The one place, beside `transport`, where a clock is read or waited for.

`SystemClock` is the monotonic clock of this machine (on Linux shared by all its processes) with an
alarm of microsecond precision; `ManualClock` is time in a test's hand.
"""

import asyncio
import contextlib
import heapq
import itertools
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

from llm_latency_lens.units import MonoNs, WallNs

_READINGS = 1000


class Clock(Protocol):
    """Reads instants and waits for them."""

    def now(self) -> MonoNs:
        """The present instant of the monotonic clock, in ns."""
        ...

    def wall(self) -> WallNs:
        """The present wall time in ns since the Unix epoch; for people."""
        ...

    async def sleep_until(self, instant: MonoNs) -> None:
        """Return as soon as possible after `instant`; at once where it is past."""
        ...


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class SystemClock:
    """The machine's clock; `sleep_until` needs a running asyncio loop."""

    def __init__(self) -> None:
        self._alarm: Alarm | None = None

    def now(self) -> MonoNs:
        """The present instant of CLOCK_MONOTONIC, in ns."""
        return MonoNs(time.monotonic_ns())

    def wall(self) -> WallNs:
        """The present wall time in ns since the Unix epoch."""
        return WallNs(time.time_ns())

    def boot(self) -> int | None:
        """Ns since the machine was started, sleep included; None where the system does not say."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) if sys.platform == "linux" else None

    def facts(self) -> tuple[str, float, float, bool]:
        """What `now` reads: name, resolution (ns), cost of a reading (ns), whether it can be set."""
        info = time.get_clock_info("monotonic")
        begin = time.monotonic_ns()
        for _ in range(_READINGS):
            time.monotonic_ns()
        cost = (time.monotonic_ns() - begin) / _READINGS
        return info.implementation, info.resolution * 1e9, cost, info.adjustable

    async def sleep_until(self, instant: MonoNs) -> None:
        """Wake within some tens of microseconds of `instant` (Linux), about a millisecond elsewhere."""
        if instant <= time.monotonic_ns():
            return
        if self._alarm is None or self._alarm.loop is not asyncio.get_running_loop():
            self._alarm = Alarm(asyncio.get_running_loop())
        future: asyncio.Future[None] = self._alarm.loop.create_future()
        handle = self._alarm.at(instant, lambda: _wake(future))
        try:
            await future
        finally:
            self._alarm.cancel(handle)

    def close(self) -> None:
        """Give the alarm's file descriptor back."""
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None


class ManualClock:
    """Time that stands still until told to move; sleepers wake in order of their instants."""

    def __init__(self, start: int = 0, wall: int = 1_700_000_000_000_000_000) -> None:
        self._now = start
        self._wall = wall
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> MonoNs:
        """The instant this clock has been moved to."""
        return MonoNs(self._now)

    def wall(self) -> WallNs:
        """The wall time, moved together with `now`."""
        return WallNs(self._wall)

    async def sleep_until(self, instant: MonoNs) -> None:
        """Return once the clock has been moved to `instant` or beyond."""
        if instant <= self._now:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (instant, next(self._order), future))
        await future

    def advance(self, ns: int) -> None:
        """Move time forward by `ns`, waking every sleeper whose instant has come."""
        self._now += ns
        self._wall += ns
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _wake(heapq.heappop(self._sleepers)[2])

    def advance_to_next(self) -> bool:
        """Jump to the next sleeper's instant; False where nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            return False
        self.advance(max(self._sleepers[0][0] - self._now, 0))
        return True


class _Handle:
    """One pending call of an `Alarm`; a cancelled one has no callback."""

    __slots__ = ("callback", "instant", "order")

    def __init__(self, instant: int, order: int, callback: Callable[[], object] | None) -> None:
        self.instant = instant
        self.order = order
        self.callback = callback

    def __lt__(self, other: "_Handle") -> bool:
        return (self.instant, self.order) < (other.instant, other.order)


class Alarm:
    """Calls back at absolute instants of the monotonic clock.

    Event loops count in milliseconds; a load schedule and a simulator that sends 50,000 tokens a
    second can't. On Linux a timerfd wakes the loop within tens of microseconds; elsewhere the loop's
    own timer stops a millisecond short and the rest is spun, still serving I/O.
    """

    SPIN_NS = 1_200_000

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, use_timerfd: bool = sys.platform == "linux"
    ) -> None:
        self.loop = loop
        self._heap: list[_Handle] = []
        self._order = itertools.count()
        self._timer = _TimerFd() if use_timerfd else None
        self._armed = 0
        self._fallback: asyncio.TimerHandle | asyncio.Handle | None = None
        if self._timer is not None:
            loop.add_reader(self._timer.fd, self._on_timer)

    def at(self, instant: int, callback: Callable[[], object]) -> _Handle:
        """Call `callback()` at `instant` (ns); the handle is for `cancel`."""
        handle = _Handle(instant, next(self._order), callback)
        heapq.heappush(self._heap, handle)
        if self._heap[0] is handle:
            self._arm(instant)
        return handle

    def cancel(self, handle: _Handle) -> None:
        """Forget a call that has not happened."""
        handle.callback = None

    def close(self) -> None:
        """Drop all calls and the timer."""
        self._heap.clear()
        if self._fallback is not None:
            self._fallback.cancel()
        if self._timer is not None:
            self.loop.remove_reader(self._timer.fd)
            self._timer.close()
            self._timer = None

    def _arm(self, instant: int) -> None:
        self._armed = instant
        if self._timer is not None:
            self._timer.set(instant)
            return
        if self._fallback is not None:
            self._fallback.cancel()
        remaining = instant - time.monotonic_ns()
        if remaining <= self.SPIN_NS:
            self._fallback = self.loop.call_soon(self._run_due)
        else:
            self._fallback = self.loop.call_later((remaining - self.SPIN_NS) / 1e9, self._run_due)

    def _on_timer(self) -> None:
        if self._timer is not None:
            self._timer.clear()
            self._run_due()

    def _run_due(self) -> None:
        heap = self._heap
        while heap and heap[0].instant <= time.monotonic_ns():
            callback = heapq.heappop(heap).callback
            if callback is not None:
                callback()
        if heap:
            self._arm(heap[0].instant)


class _TimerFd:
    """A Linux timerfd on CLOCK_MONOTONIC, armed at absolute instants."""

    _ABSOLUTE = 1
    _NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC if sys.platform != "win32" else 0

    def __init__(self) -> None:
        import ctypes  # noqa: PLC0415 - needed by the measuring process only; costs 10 ms

        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._spec = (ctypes.c_long * 4)()
        self._pointer = ctypes.byref(self._spec)
        self.fd: int = libc.timerfd_create(time.CLOCK_MONOTONIC, self._NONBLOCK_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")

    def set(self, instant: int) -> None:
        seconds, ns = divmod(max(instant, 1), 1_000_000_000)
        self._spec[2], self._spec[3] = seconds, ns
        self._settime(self.fd, self._ABSOLUTE, self._pointer, None)

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 8)

    def close(self) -> None:
        os.close(self.fd)
