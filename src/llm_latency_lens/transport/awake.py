"""How long this thread can have been awake: running, or ready to run and waiting for a CPU.

Linux counts both for each thread (CLOCK_THREAD_CPUTIME_ID; the second field of
/proc/thread-self/schedstat). A thread that sleeps until a byte arrives has been awake for no longer than
this, so the byte is no older than this.
"""

import contextlib
import os
import sys
import time

_UNKNOWN = 1 << 62
_WAKING_NS = 250_000
"""What no counter shows: from the interrupt to the run queue, and out of the CPU's idle state. Seen: 230 us."""


class AwakeTime:
    """Tells the awake time between two calls, in ns; a very large number where the system does not count."""

    __slots__ = ("_fd", "_total", "_waking")

    def __init__(self) -> None:
        self._fd = -1
        self._total = 0
        self._waking = _WAKING_NS

    def since_last_call(self) -> int:
        """Nanoseconds awake since the previous call by this thread, and a little for waking up."""
        total = self._counted()
        if total is None:
            return _UNKNOWN
        before, self._total = self._total, total
        return total - before + self._waking

    def was_short(self, missing: int) -> None:
        """A byte turned out to be older than was told, by `missing` ns: allow for more from now on."""
        self._waking = max(self._waking, _WAKING_NS + 2 * missing)

    def _counted(self) -> int | None:
        if self._fd < 0 and not self._open():
            return None
        try:
            waited = os.pread(self._fd, 64, 0).split()[1]
        except (OSError, IndexError):
            return None
        return time.thread_time_ns() + int(waited)

    def _open(self) -> bool:
        if sys.platform != "linux":
            return False
        with contextlib.suppress(OSError):
            self._fd = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        return self._fd >= 0

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
