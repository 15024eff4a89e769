"""LLM-Latency-Lens measures LLM APIs and reports its own measuring error.

Importing the package loads nothing heavy; the names below come when they are first used.
"""

from typing import TYPE_CHECKING

from llm_latency_lens.version import VERSION

if TYPE_CHECKING:
    from llm_latency_lens.errors import LensError, UsageError
    from llm_latency_lens.load import Load
    from llm_latency_lens.model.record import Record
    from llm_latency_lens.model.request import Limits, Message, TlsOptions
    from llm_latency_lens.model.result import Result
    from llm_latency_lens.profiler import Profile, Profiler, run
    from llm_latency_lens.providers.where import Where
    from llm_latency_lens.workload.workload import Workload

__version__ = VERSION

__all__ = [
    "LensError",
    "Limits",
    "Load",
    "Message",
    "Profile",
    "Profiler",
    "Record",
    "Result",
    "TlsOptions",
    "UsageError",
    "Where",
    "Workload",
    "run",
]

_HOME = {
    "LensError": "errors",
    "Limits": "model.request",
    "Load": "load",
    "Message": "model.request",
    "Profile": "profiler",
    "Profiler": "profiler",
    "Record": "model.record",
    "Result": "model.result",
    "TlsOptions": "model.request",
    "UsageError": "errors",
    "Where": "providers.where",
    "Workload": "workload.workload",
    "run": "profiler",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - loaded with the first name only

    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
