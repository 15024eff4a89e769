"""What a search for capacity is to find, checked before anything is sent."""

import math
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from llm_latency_lens.criteria.objective import parse_objectives
from llm_latency_lens.errors import UsageError
from llm_latency_lens.load import Load
from llm_latency_lens.profiler import Benchmark, Profiler
from llm_latency_lens.stats.capacity import CapacitySearch, fewest_requests
from llm_latency_lens.workload.workload import Workload

WARMUP = 4
DEFAULT_START = 1.0


class CapacityQuestion(Struct, frozen=True, kw_only=True):
    """What is to be found, and how.

    Attributes:
        slo: the objectives, such as `ttft.p95<500ms,tpot.p95<50ms`.
        start: the first rate (requests/s); None begins with what two users make who never
            pause, at least 1.
        most: the highest rate to try (requests/s).
        precision: how close the ends of the bracket should be, as a ratio less one.
        confidence: of the whole bracket.
        step_requests: the most requests of one step: the more, the closer to the capacity a rate
            can still be judged.
        time_limit: the most seconds that the whole search may take.
    """

    slo: str
    start: float | None = None
    most: float = 1000.0
    precision: float = 0.05
    confidence: float = 0.95
    step_requests: int = 2000
    time_limit: float = 1800.0

    @property
    def most_sent(self) -> int:
        """No search sends more requests: its steps and its time are limited."""
        start = self.start or min(DEFAULT_START, self.most)
        steps = CapacitySearch(start, self.most, self.precision, self.confidence).most_steps
        by_steps = steps * (self.step_requests + WARMUP)
        return min(by_steps, math.ceil(self.most * self.time_limit))


class CapacityPlan(Struct, frozen=True, kw_only=True):
    """A search that is ready to go; the header of `first` is the run's."""

    question: CapacityQuestion
    workload: Workload | str
    first: Benchmark


def plan_capacity(
    profiler: Profiler,
    workload: Workload | str,
    load: Load,
    question: CapacityQuestion,
    command: Sequence[str] = (),
) -> CapacityPlan:
    """The search with its first step, checked; nothing is sent.

    Args:
        profiler: of the target.
        workload: what to ask.
        load: its seed, workers, retries, warm-up and spend limit count.
        question: what to find.
        command: the words that were typed, to be kept with the run.

    Raises:
        UsageError: wrong objectives, too few requests a step, or a load that contradicts itself.
    """
    _check_step_requests(question)
    step = msgspec.structs.replace(
        load,
        rate=question.start or min(DEFAULT_START, question.most),
        concurrency=None,
        duration=None,
        requests=question.step_requests,
        warmup=max(load.warmup or 0, WARMUP),
        arrival="poisson",
    )
    asked = {"capacity": msgspec.to_builtins(question)}
    first = profiler.prepare(step, workload, command, question=asked)
    return CapacityPlan(question=question, workload=workload, first=first)


def _check_step_requests(question: CapacityQuestion) -> None:
    objectives = parse_objectives(question.slo)
    start = question.start or min(DEFAULT_START, question.most)
    alpha = CapacitySearch(start, question.most, question.precision, question.confidence).alpha
    needed = {o.text: fewest_requests(1.0 - o.p, alpha / len(objectives)) for o in objectives}
    text = max(needed, key=needed.__getitem__)
    if question.step_requests < needed[text]:
        raise UsageError(
            f"{text} cannot be judged by {question.step_requests:,} requests: even without a miss"
            f" it takes {needed[text]:,}; set --step-requests to {4 * needed[text]:,} or more"
        )
