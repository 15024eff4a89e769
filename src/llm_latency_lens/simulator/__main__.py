"""The simulator as a process: `python -m llm_latency_lens.simulator` reads its spec (JSON) from stdin.

Prints one JSON line on stdout once it listens, ends on SIGTERM, SIGINT or the end of its standard input,
and says on stderr what it served.
"""

import sys

import msgspec

from llm_latency_lens.simulator.host import serve
from llm_latency_lens.simulator.process import Launch


def main() -> None:
    """Read the launch order, serve, end."""
    launch = msgspec.json.decode(sys.stdin.readline(), type=Launch)
    serve(launch.spec, core=launch.core, until_stdin_ends=True)


if __name__ == "__main__":
    main()
