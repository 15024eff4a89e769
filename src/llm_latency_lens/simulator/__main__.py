"""The simulator as a process: `python -m llm_latency_lens.simulator` reads its spec (JSON) from stdin.

Prints one JSON line on stdout once it listens, ends on SIGTERM, SIGINT or the end of its standard input,
and says on stderr what it served, or in one line why it can't.
"""

import sys

import msgspec

from llm_latency_lens.errors import LensError
from llm_latency_lens.simulator.host import serve
from llm_latency_lens.simulator.process import Launch


def main() -> int:
    """Read the launch order, serve, end; returns the exit code."""
    launch = msgspec.json.decode(sys.stdin.readline(), type=Launch)
    try:
        serve(launch.spec, core=launch.core, until_stdin_ends=True)
    except LensError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
