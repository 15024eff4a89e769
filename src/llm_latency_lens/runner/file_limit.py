"""Open files: each connection is one, and a process may have so many. Too few are refused beforehand."""

import contextlib

from llm_latency_lens.errors import UsageError
from llm_latency_lens.runner.messages import Order

_OWN_FILES = 32
"""What a measuring process needs beside its connections."""


def check_file_limit(order: Order) -> None:
    """Refuse a closed loop whose connections can't all be open at once.

    Raises:
        UsageError: with what is needed, what there is, and what to change.
    """
    limit = _hard_limit()
    slots = max((phase.arrival.concurrency or 0) for phase in order.plan.phases)
    needed = -(-slots // order.workers) + _OWN_FILES
    if limit is None or needed <= limit:
        return
    processes = "one process" if order.workers == 1 else f"each of {order.workers} processes"
    raise UsageError(
        f"{slots:,} slots need {needed:,} open files in {processes}, and this user may have"
        f" {limit:,}: raise the hard limit (ulimit -Hn), or lower --concurrency"
    )


def raise_file_limit() -> None:
    """Take as many open files as this user may have."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - not on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _hard_limit() -> int | None:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard
