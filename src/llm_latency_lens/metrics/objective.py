"""An objective on a percentile, such as `ttft.p95<500ms`: fewer than one in twenty take 500 ms or longer."""

from msgspec import Struct

from llm_latency_lens.metrics.definitions import Metric


class Objective(Struct, frozen=True):
    """A percentile of a latency, and the seconds that it must stay below."""

    text: str
    metric: Metric
    p: float
    limit: float
