"""The machine over a stretch of time: did its clocks agree, did someone else take its CPUs.

Read where Linux tells it; elsewhere, and in containers that hide it, the values are None.
"""

import pathlib
import re

from msgspec import Struct

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.model.vitals import ClockFacts, MachineVitals
from llm_latency_lens.units import NS_PER_S

_STEAL = 7
"""The eighth number of the line `cpu` in /proc/stat."""
_GROUPS = (
    "/sys/fs/cgroup/{}/cpu.stat",
    "/sys/fs/cgroup/cpu,cpuacct/{}/cpu.stat",
    "/sys/fs/cgroup/cpu.stat",
    "/sys/fs/cgroup/cpu/cpu.stat",
)


class _Reading(Struct, frozen=True, kw_only=True):
    mono: int
    wall: int
    boot: int | None
    stolen: int | None
    jiffies: int | None
    throttled: float | None
    waited: float | None


class MachineWatch:
    """Watches from its making to `finish`."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self._begin = _read(clock)

    def finish(self) -> MachineVitals:
        """What happened since."""
        begin, end = self._begin, _read(self._clock)
        elapsed = max(end.mono - begin.mono, 1)
        seconds = elapsed / NS_PER_S
        return MachineVitals(
            clock=ClockFacts(*self._clock.facts()),
            seconds=seconds,
            wall_step=(end.wall - begin.wall - elapsed) / NS_PER_S,
            suspended=_over(begin.boot, end.boot, NS_PER_S, elapsed / NS_PER_S),
            steal=_over(begin.stolen, end.stolen, _grown(begin.jiffies, end.jiffies)),
            throttled=_over(begin.throttled, end.throttled, seconds),
            pressure=_over(begin.waited, end.waited, seconds),
        )


def _over(
    begin: float | None, end: float | None, divisor: float | None, less: float = 0.0
) -> float | None:
    if begin is None or end is None or not divisor:
        return None
    return (end - begin) / divisor - less


def _grown(begin: int | None, end: int | None) -> float | None:
    return None if begin is None or end is None else float(end - begin)


def _read(clock: SystemClock) -> _Reading:
    stat = [int(word) for word in _first(("/proc/stat",), r"^cpu +(.*)$").split()]
    return _Reading(
        mono=clock.now(),
        wall=clock.wall(),
        boot=clock.boot(),
        stolen=stat[_STEAL] if len(stat) > _STEAL else None,
        # The numbers after steal are counted in user time already.
        jiffies=sum(stat[: _STEAL + 1]) if stat else None,
        throttled=_throttled(),
        waited=_number(_first(("/proc/pressure/cpu",), r"^some .*total=(\d+)"), 1e6),
    )


def _throttled() -> float | None:
    group = _first(("/proc/self/cgroup",), r"^(?:0:|\d+:[^:]*\bcpu\b[^:]*):(.*)$").strip("/")
    paths = tuple(path.format(group) for path in _GROUPS)
    newer = _number(_first(paths, r"^throttled_usec (\d+)"), 1e6)
    return newer if newer is not None else _number(_first(paths, r"^throttled_time (\d+)"), 1e9)


def _number(text: str, unit: float) -> float | None:
    return int(text) / unit if text else None


def _first(paths: tuple[str, ...], pattern: str) -> str:
    """What `pattern` captures in the first of the files that has it; empty where none does."""
    for path in paths:
        try:
            text = pathlib.Path(path).read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        if (found := re.search(pattern, text, re.MULTILINE)) is not None:
            return found[1]
    return ""
