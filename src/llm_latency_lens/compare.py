"""Two or more targets, asked the same prompts in turn, in an order drawn anew: who is faster?

One run, one schedule, one client: what disturbs it disturbs all targets alike. The client's own
checks are of the whole run, those of the data of each target by itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from string import ascii_uppercase

import msgspec
from msgspec import Struct

from llm_latency_lens.clock import SystemClock
from llm_latency_lens.criteria.abort import AbortWatch, parse_abort
from llm_latency_lens.criteria.limit import parse_limits
from llm_latency_lens.errors import UsageError
from llm_latency_lens.load import Load
from llm_latency_lens.metrics.bias import Bias, bias_of
from llm_latency_lens.metrics.checks.evidence import Evidence, worst
from llm_latency_lens.metrics.contrasts import Question, contrasts, noise_floors
from llm_latency_lens.metrics.pairs import COMPARED, Pairs
from llm_latency_lens.metrics.quality import DATA_CHECKS, run_checks, verdict_of
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.metrics.token_size import TokenSize, token_caveat
from llm_latency_lens.model.comparison import ArmResult, Comparison, Contrast, Finding
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import HEADLINE, Check, Result, Verdict
from llm_latency_lens.model.run import ArmSpec, RunHeader
from llm_latency_lens.profiler import Benchmark, Profiler, conclude
from llm_latency_lens.report.advice import advise_failure
from llm_latency_lens.runner.run import Run, Sink
from llm_latency_lens.workload.workload import Workload

MOST_ARMS = 8


class Planned(Struct, frozen=True, kw_only=True):
    """A comparison that is ready to go: the run, and the question."""

    benchmark: Benchmark
    question: Question


def plan_comparison(
    profilers: Sequence[Profiler],
    load: Load,
    workload: Workload | str,
    question: Question,
    command: Sequence[str] = (),
) -> Planned:
    """Check and plan; nothing is sent. `load` is for each target: requests, rate, warm-up.

    Raises:
        UsageError: fewer than two targets or too many, an unknown metric, a load that contradicts
            itself.
    """
    arms = len(profilers)
    if not 2 <= arms <= MOST_ARMS:
        raise UsageError(f"a comparison takes 2 to {MOST_ARMS} targets, not {arms}")
    if question.metric not in COMPARED:
        raise UsageError(
            f"{question.metric!r} can't be compared; choose from {', '.join(COMPARED)}"
        )
    if load.concurrency is None and load.rate is None:
        load = msgspec.structs.replace(load, concurrency=1)
    warmup = (load.concurrency or 1) if load.warmup is None else load.warmup
    scaled = msgspec.structs.replace(
        load,
        requests=None if load.requests is None else load.requests * arms,
        rate=load.rate * arms if isinstance(load.rate, float | int) else load.rate,
        # A connection that is made in the first round would be one target's alone.
        warmup=max(warmup, 1) * arms,
    )
    first, *rest = profilers
    asked = msgspec.to_builtins(question)
    prepared = first.prepare(scaled, workload, command, against=rest, question=asked)
    return Planned(benchmark=prepared, question=question)


async def compare(
    planned: Planned,
    *,
    sinks: Sequence[Sink] = (),
    on_run: Callable[[Run], None] | None = None,
) -> Comparison:
    """Make the run and say what can be said.

    Raises:
        MachineError: a measuring process could not be started, or all of them died.
    """
    order = planned.benchmark.order
    fold = ComparisonFold(len(order.arms), planned.benchmark.goodput)
    abort = AbortWatch(parse_abort(planned.benchmark.abort_on))
    ending: list[asyncio.Task[None]] = []

    def look(record: Record) -> None:
        if abort.add(record) and not ending:
            ending.append(asyncio.create_task(run.stop()))

    run = Run(order, SystemClock(), (*sinks, fold.add, look))
    if on_run is not None:
        on_run(run)
    books = await run.execute()
    whole = conclude(planned.benchmark, fold.whole, books, abort.abort)
    return fold.comparison(planned.benchmark.header, whole)


class ComparisonFold:
    """Add every record of an interleaved run; the comparison is read off at the end."""

    def __init__(self, arms: int, goodput: str = "") -> None:
        self.whole = Summary(parse_limits(goodput))
        self._summaries = tuple(Summary(parse_limits(goodput)) for _ in range(arms))
        self._token_sizes = tuple(TokenSize() for _ in range(arms))
        self._pairs = Pairs(arms)

    def add(self, record: Record) -> None:
        """Take one record."""
        self.whole.add(record)
        self._summaries[record.arm].add(record)
        self._token_sizes[record.arm].add(record)
        self._pairs.add(record)

    def comparison(self, header: RunHeader, whole: Result) -> Comparison:
        """What the records of this header's run amount to; `whole` is the run taken as one."""
        specs = msgspec.convert(header.spec["arms"], tuple[ArmSpec, ...])
        question = msgspec.convert(header.spec["question"], Question)
        labels = tuple(ascii_uppercase[: len(specs)])
        nonce = bool(header.spec["workload"].get("nonce"))
        arms = tuple(
            _arm(label, arm, summary, nonce=nonce)
            for label, arm, summary in zip(labels, specs, self._summaries, strict=True)
        )
        quality = msgspec.structs.replace(
            whole.quality, checks=tuple(c for c in whole.quality.checks if c.id not in _OF_DATA)
        )

        def bias(metric: str, stat: str, number: int) -> Bias:
            arm = arms[number]
            return bias_of(metric, stat, (*quality.checks, *arm.checks), arm.metrics.get(metric))

        answers = contrasts(self._pairs, labels, question, header.seed, bias)
        return Comparison(
            run=whole.run,
            verdict=_verdict(quality.checks, arms, answers),
            finding=_finding(answers),
            primary=f"{question.metric}.{question.stat}",
            margin=question.margin,
            offered=whole.offered,
            arms=arms,
            contrasts=answers,
            noise_floor=noise_floors(self._pairs, answers),
            caveats=self._caveats(labels, specs),
            abort=whole.abort,
            quality=quality,
        )

    def _caveats(self, labels: tuple[str, ...], specs: tuple[ArmSpec, ...]) -> tuple[str, ...]:
        sizes = [size.characters for size in self._token_sizes]
        models = [spec.target.partition(":")[2] or spec.target for spec in specs]
        caveats = (
            token_caveat((labels[0], label), (models[0], model), (sizes[0], size))
            for label, model, size in zip(labels[1:], models[1:], sizes[1:], strict=True)
        )
        return tuple(caveat for caveat in caveats if caveat)


_OF_DATA = frozenset({"Q8", "Q9", "Q11", "Q12", "Q13", "Q14", "Q15"})
"""Checks that say nothing of a mixture of targets; each target has its own."""


def _verdict(
    checks: tuple[Check, ...], arms: tuple[ArmResult, ...], answers: tuple[Contrast, ...]
) -> Verdict:
    """The worst of the client's and the targets' verdicts that bears on the primary question.

    A bias of known size that the difference exceeds does not make the comparison invalid.
    """
    client = worst([check.verdict for check in checks if {"*", *HEADLINE} & set(check.metrics)])
    verdict = worst([client, *(arm.verdict for arm in arms)])
    primary = [one for one in answers if one.primary]
    spoiled = any(one.invalid and one.finding == "inconclusive" for one in primary)
    return "WARN" if verdict == "INVALID" and primary and not spoiled else verdict


def _finding(answers: tuple[Contrast, ...]) -> Finding:
    """Of two targets the primary finding; of more, whether anything was found at all."""
    primary = [one.finding for one in answers if one.primary]
    if len(primary) == 1:
        return primary[0]
    return next((finding for finding in primary if finding != "inconclusive"), "inconclusive")


def _arm(label: str, arm: ArmSpec, summary: Summary, *, nonce: bool) -> ArmResult:
    metrics = summary.distributions()
    counts = Counts(planned=summary.measured, not_sent=0)
    evidence = Evidence(
        summary=summary, counts=counts, metrics=metrics, planned_rate=None, nonce=nonce
    )
    checks = run_checks(evidence, DATA_CHECKS)
    judged = {}
    for name, found in metrics.items():
        verdict, reasons = verdict_of(name, checks)
        judged[name] = msgspec.structs.replace(found, verdict=verdict, reasons=reasons)
    words = f"no price is known for {arm.target} there; give one with --prices FILE"
    return ArmResult(
        label=label,
        target=arm.target,
        base_url=arm.base_url,
        verdict=worst([judged[name].verdict or "VALID" for name in HEADLINE if name in judged]),
        outcomes=summary.books(counts),
        failures=tuple(
            msgspec.structs.replace(failure, advice=advise_failure(failure))
            for failure in sorted(summary.failures.values(), key=lambda f: -f.count)
        ),
        metrics=judged,
        tokens=summary.tokens(),
        goodput=summary.goodput(counts),
        cost=summary.spending.cost(summary.outcomes["ok"], arm.price, words),
        checks=checks,
    )
