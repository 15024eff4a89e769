"""Which sources of arrival stamps this machine and this process have."""

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.recording import StampSource
from llm_latency_lens.transport.packets import check_packets
from llm_latency_lens.transport.stamps import kernel_stamps_offered


def check_source(source: StampSource) -> None:
    """Refuse a source of stamps that is not to be had here.

    Raises:
        UsageError: with what to use instead.
        MachineError: this system has no packet sockets.
    """
    if source == "packet":
        check_packets()
    if source == "kernel" and not kernel_stamps_offered():
        raise UsageError(
            "--stamps kernel: this system's kernel does not stamp arrivals; use --stamps user"
        )
