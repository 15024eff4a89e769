"""A measuring process feels its own pulse: a tick every ten milliseconds, on an absolute grid.

A tick that comes late tells that the loop was blocked; those it slept through are filled in, so that
a long stall weighs what it cost, not what was seen of it.
"""

import asyncio
import gc
import resource
from array import array

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.model.vitals import Vitals
from llm_latency_lens.units import NS_PER_S, MonoNs

_TICK = 10_000_000
_TICKS_A_BIN = 100
_BLOCKED = 1_000_000
_MOST_BLOCKS = 2000


class Heartbeat:
    """Beats from `start` to `stop` in the running loop."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._began = clock.now()
        self._squares = 0.0
        self._blocked: list[tuple[int, int]] = []
        self._busy = array("d")
        self._pauses: list[tuple[int, int]] = []
        self._pause_began = 0
        self._switches = 0

    def start(self) -> None:
        """Begin now."""
        self._began = self._clock.now()
        self._switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        gc.callbacks.append(self._on_collection)
        self._task = asyncio.create_task(self._beat())

    def stop(self, worker: int, area: int) -> Vitals:
        """End, and tell what was noticed; `area` is the integral of requests under way (ns)."""
        if self._task is not None:
            self._task.cancel()
            gc.callbacks.remove(self._on_collection)
        seconds = (self._clock.now() - self._began) / NS_PER_S
        used = resource.getrusage(resource.RUSAGE_SELF)
        return Vitals(
            worker=worker,
            seconds=seconds,
            added_delay=self._squares / (2.0 * seconds) if seconds else 0.0,
            blocked=tuple(sorted(self._blocked)),
            busy=tuple(self._busy),
            switches=used.ru_nivcsw - self._switches,
            pauses=tuple(self._pauses),
            area=area / NS_PER_S,
        )

    async def _beat(self) -> None:
        due = self._clock.now()
        bin_began, cpu = due, _cpu()
        while True:
            for _ in range(_TICKS_A_BIN):
                due = MonoNs(due + _TICK)
                await self._clock.sleep_until(due)
                late = self._clock.now() - due
                self._squares += (late / NS_PER_S) ** 2
                if late > _BLOCKED:
                    self._note(due, late)
                if late >= _TICK:
                    due = MonoNs(due + late // _TICK * _TICK)
            now, used = self._clock.now(), _cpu()
            self._busy.append((used - cpu) / ((now - bin_began) / NS_PER_S))
            bin_began, cpu = now, used

    def _note(self, due: int, late: int) -> None:
        """Keep a block; of very many the longer half."""
        self._blocked.append((due, late))
        if len(self._blocked) > _MOST_BLOCKS:
            self._blocked.sort(key=lambda block: block[1])
            del self._blocked[: _MOST_BLOCKS // 2]

    def _on_collection(self, phase: str, _: dict[str, int]) -> None:
        now = self._clock.now()
        if phase == "start":
            self._pause_began = now
        else:
            self._pauses.append((self._pause_began, now - self._pause_began))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
