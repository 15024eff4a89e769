"""Short slices: a process gets them, and keeps everything else that the scheduler knows of it."""

import pathlib
import subprocess
import sys

import pytest

ASK = """
import os, pathlib
from llm_latency_lens.runner.scheduling import ask_for_short_slices
os.nice({nice})
print(ask_for_short_slices(), os.nice(0))
print(next(line.split()[-1] for line in pathlib.Path("/proc/self/sched").open() if "se.slice" in line))
"""


def knows_slices() -> bool:
    """Whether this kernel shows the slice of a process."""
    try:
        return "se.slice" in pathlib.Path("/proc/self/sched").read_text()
    except OSError:
        return False


@pytest.mark.skipif(not knows_slices(), reason="the kernel does not show slices (Linux 6.12)")
@pytest.mark.parametrize("nice", [0, 5])
def test_a_process_gets_short_slices_and_keeps_its_niceness(nice: int) -> None:
    """A slice of 0.1 ms, the niceness as it was."""
    command = [sys.executable, "-c", ASK.format(nice=nice)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["True", str(nice), "100000"]
