"""How the system's scheduler treats a measuring process: soon when it wakes up, and briefly.

A process that wakes up to read has to wait for the slice of the one that runs (about 3 ms on Linux). One
that asks for short slices is let in sooner (EEVDF, Linux 6.12 and later; sched_setattr(2), sched(7)), and
gets no more CPU time for it. It takes no privilege.
"""

import contextlib
import os
import platform
import struct
import sys

SLICE_NS = 100_000
"""The shortest slice that the kernel grants."""

_SYSTEM_CALL = {"x86_64": 314, "aarch64": 274}
"""The number of sched_setattr; C libraries have no wrapper before glibc 2.41."""
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")
"""size, policy, flags, nice, priority, runtime, deadline, period: version 0 of struct sched_attr."""


def ask_for_short_slices() -> bool:
    """Ask for the shortest slices for the calling thread; False where the system does not know them."""
    number = _SYSTEM_CALL.get(platform.machine()) if sys.platform == "linux" else None
    if number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    import ctypes  # noqa: PLC0415 - measuring processes only; costs 10 ms

    size = _ATTRIBUTES.size
    attributes = _ATTRIBUTES.pack(size, os.SCHED_OTHER, 0, os.nice(0), 0, SLICE_NS, 0, 0)
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).syscall(number, 0, attributes, 0) == 0)
    return False
