"""Where a run ran: what a reader needs to compare it with another, and nothing that names a person."""

import importlib.metadata
import os
import pathlib
import platform
import re
from typing import Any

_PACKAGES = ("llm-latency-lens", "httptools", "msgspec", "numpy", "uvloop")


def describe_environment() -> dict[str, Any]:
    """Python, system, CPUs and the versions of what measures."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpus": usable_cpus(),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def describe_machine() -> dict[str, str]:
    """What a calibration holds for: the processor, the kernel, and what measures. Names nobody."""
    described = describe_environment()
    return {
        "processor": _processor() or described["machine"],
        "cpus": str(described["cpus"]),
        "system": described["system"],
        "python": described["python"],
        **described["versions"],
    }


def usable_cpus() -> int:
    """CPUs this process may use, which can be fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _processor() -> str:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else ""


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
