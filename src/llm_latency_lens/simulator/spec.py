"""What the simulator is to be: one frozen value, seeded."""

from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.simulator.batching import Batching
from llm_latency_lens.simulator.fault import Fault
from llm_latency_lens.simulator.latency import Latency


class SimulatorSpec(Struct, frozen=True, kw_only=True):
    """A simulated server.

    `tokens` is the output length of every request (at most what the request allows), from
    `tokens` to `tokens_max` where the latter is larger. With `batching`, `ttft` and `itl` follow
    from the engine and are not used. The first `thinking` tokens are reasoning, `cached` of the
    prompt's are said to come from a cache, and where a request offers tools and `calls_tools` is on,
    one is called. `faults` are done to the requests they hit. `key_env` names the environment variable
    with the key that requests must carry. Durations in ns; `port` 0 is any free port.
    """

    host: str = "127.0.0.1"
    port: int = 0
    model: str = "sim"
    ttft: Latency = Latency("constant", 200_000_000)
    itl: Latency = Latency("constant", 20_000_000)
    tokens: int = 64
    tokens_max: int = 0
    seed: int = 1
    batching: Batching | None = None
    cold_after: int | None = None
    cold_penalty: int = 2_000_000_000
    role_early: bool = False
    thinking: int = 0
    cached: int = 0
    calls_tools: bool = False
    faults: tuple[Fault, ...] = ()
    key_env: str | None = None
    ledger: str | None = None


def parse_tokens(text: str) -> tuple[int, int]:
    """Parse `64` or `32..96`: the fewest and the most output tokens.

    Raises:
        UsageError: not whole numbers from 1 on, or the first above the second.
    """
    low, dots, high = text.strip().partition("..")
    if not low.isdecimal() or (dots and not high.isdecimal()):
        raise UsageError(f"{text!r} is no number of tokens; write 64 or 32..96")
    fewest, most = int(low), int(high) if dots else int(low)
    if not 1 <= fewest <= most:
        raise UsageError(f"{text!r}: tokens go from at least 1 upwards")
    return fewest, most
