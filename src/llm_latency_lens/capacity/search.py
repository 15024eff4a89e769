"""The search: single requests first, then loads, each judged while it goes on.

A load that fails is broken off, so that its queue does not outlive it; one that passes is drained.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec
from msgspec import Struct

from llm_latency_lens.capacity.alone import PHASE, Alone, alone_of, alone_order
from llm_latency_lens.capacity.document import Outlook, build_capacity, build_step
from llm_latency_lens.capacity.ending import Ending, Facts, end_early, out_of_time
from llm_latency_lens.capacity.explanation import Explanation, explain, no_metric
from llm_latency_lens.capacity.question import DEFAULT_START, WARMUP, CapacityPlan
from llm_latency_lens.capacity.step import StepRun, StepSetting
from llm_latency_lens.capacity.trust import blocking, distrusted, with_distrust
from llm_latency_lens.clock import SystemClock
from llm_latency_lens.criteria.objective import parse_objectives
from llm_latency_lens.load import Load
from llm_latency_lens.metrics.objective_judge import FEWEST, ObjectiveJudge
from llm_latency_lens.metrics.quality import check_answers
from llm_latency_lens.metrics.summary import Summary
from llm_latency_lens.model.capacity import Capacity, CapacityStep
from llm_latency_lens.model.record import OutcomeKind
from llm_latency_lens.model.result import Result
from llm_latency_lens.profiler import Benchmark, Profiler, conclude
from llm_latency_lens.runner.run import Run, Sink
from llm_latency_lens.stats.capacity import CapacitySearch, fewest_requests
from llm_latency_lens.units import NS_PER_S, MonoNs, format_duration

_LEAST_BUSY = 0.05
"""A rate that keeps one request in flight for less than this share of the time is not tried."""
_USERS = 2.0
"""Without a first rate, the search begins with what so many users make who never pause."""
_OVERHEAD_S, _RESERVE = 1.0, 1.5
_LONGEST_PAUSE_S = 60.0
_PAUSE_TICK_NS = 200_000_000


class SearchProgress(Struct, frozen=True, kw_only=True):
    """What goes on now.

    Attributes:
        rate: requests per second; None while requests are sent one at a time.
        again: the rate was judged before.
        seen: requests judged so far.
        needed: about how many more decide the step if they are like the others; None if unknown.
        left: about how many seconds the whole search still takes; None if unknown.
        note: what is waited for, where it is not the load.
    """

    rate: float | None
    again: bool = False
    seen: int = 0
    needed: int | None = None
    left: float | None = None
    note: str = ""


Watch = Callable[[SearchProgress | CapacityStep], None]


async def find_capacity(
    profiler: Profiler,
    plan: CapacityPlan,
    *,
    sinks: Sequence[Sink] = (),
    on_run: Callable[[Run], None] | None = None,
    watch: Watch = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Capacity:
    """Search, and say between which rates the capacity lies.

    Args:
        profiler: of the target.
        plan: what `plan_capacity` made.
        sinks: get every record of every step.
        on_run: is given each step's run when it begins.
        watch: is told several times a second how the search goes on, and of each ended step.
        stopping: whether the user wants the search to end; asked between and during steps.

    Raises:
        MachineError: a measuring process could not be started, or all of them died.
    """
    search = _Search(profiler, plan, watch)
    search.listen(sinks, on_run, stopping)
    await search.send_alone()
    while (rate := search.next_rate) is not None:
        await search.try_rate(rate)
    return search.document()


class _Search:
    """The state of one search."""

    def __init__(self, profiler: Profiler, plan: CapacityPlan, watch: Watch) -> None:
        question = plan.question
        self._profiler = profiler
        self._plan = plan
        self._watch = watch
        self._objectives = parse_objectives(question.slo)
        self._clock = SystemClock()
        self._deadline = MonoNs(self._clock.now() + round(question.time_limit * NS_PER_S))
        self._rates = CapacitySearch(question.start or DEFAULT_START, question.most)
        self._alone = Alone()
        self._steps: list[CapacityStep] = []
        self._judge: ObjectiveJudge | None = None
        self._doubt: Explanation | None = None
        self._refused = 0
        self._spent = Decimal(0)
        self._rate_limited_from: float | None = None
        self._ending: Ending | None = None
        self._settled = False

    def listen(
        self,
        sinks: Sequence[Sink],
        on_run: Callable[[Run], None] | None,
        stopping: Callable[[], bool],
    ) -> None:
        """Say who hears of records and runs, and who may stop the search."""
        self._setting = StepSetting(
            sinks=sinks,
            on_run=on_run,
            on_tick=self._on_tick,
            stopping=stopping,
            step_requests=self._plan.question.step_requests,
            clock=self._clock,
            deadline=self._deadline,
        )

    @property
    def next_rate(self) -> float | None:
        """The rate to try next; None where the search has ended."""
        return None if self._ending is not None else self._rates.next_rate

    async def send_alone(self) -> None:
        """Send a few requests one at a time: is there an answer, how fast, with which metrics?"""
        step = StepRun(self._setting, None, None, PHASE)
        await step.execute(alone_order(self._plan.first.order))
        self._spent += sum((r.cost.total for r in step.records if r.cost), Decimal(0))
        succeeded = [r for r in step.records if r.outcome.kind is OutcomeKind.OK]
        self._alone = alone_of(succeeded, self._objectives)
        self._ending = self._end_alone(step)
        if self._ending is None:
            self._rates = self._rates_from(self._alone.service_time or 0.0)

    def _end_alone(self, step: StepRun) -> Ending | None:
        if step.stopped_by_user:
            return Ending("stopped", "stopped by the user")
        if step.end == "time":
            return out_of_time(self._plan.question.time_limit)
        failed = f"no request succeeded, sent one at a time: {step.failures.describe()}"
        if self._alone.service_time is None:
            return Ending("quota" if step.failures.rate_limited else "unanswered", failed)
        pairs = zip(self._objectives, self._alone.values, strict=True)
        lacking = [objective.text for objective, value in pairs if value is None]
        return Ending("metric", no_metric(lacking)) if lacking else self._end_untrusted(step)

    def _end_untrusted(self, step: StepRun) -> Ending | None:
        doubts = distrusted(check_answers(step.records), self._objectives)
        doubt = blocking(doubts, self._alone.missed)
        self._alone = self._alone.without(doubt.objective for doubt in doubts)
        return None if doubt is None else Ending("untrusted", doubt.words)

    def _rates_from(self, service_time: float) -> CapacitySearch:
        question = self._plan.question
        alone = 1.0 / service_time if service_time else DEFAULT_START
        start = question.start or min(max(_USERS * alone, DEFAULT_START), question.most)
        lowest = min(_LEAST_BUSY * alone, start / 64.0)
        return CapacitySearch(start, question.most, question.precision, question.confidence, lowest)

    async def try_rate(self, rate: float) -> None:
        """Try one rate and take its judgement, if there is time for it."""
        reserved = self._seconds_to_prove
        if self._seconds_for(rate) + reserved > self._seconds_left:
            self._settle(rate)
            return
        again = self._rates.retesting
        self._judge = judge = ObjectiveJudge(
            self._objectives, self._rates.alpha, again=again, fewest=self._fewest_for(rate)
        )
        prepared, summary = self._prepared(rate), Summary()
        deadline = MonoNs(self._deadline - round(reserved * NS_PER_S))
        setting = msgspec.structs.replace(self._setting, deadline=deadline)
        step = StepRun(setting, judge, self._alone.service_time)
        books = await step.execute(prepared.order, (summary.add,))
        result = conclude(prepared, summary, books)
        judge.look()
        doubts = distrusted(result.quality.checks, self._objectives)
        explanation = with_distrust(explain(judge, step, rate), judge.views, doubts)
        self._spent += Decimal(result.cost.total) if result.cost and result.cost.total else 0
        self._steps.append(build_step(rate, judge, explanation, result, again=again))
        self._rates.tell(self._steps[-1].judgement, judge.seen, far=judge.far)
        self._watch(self._steps[-1])
        await self._go_on(step, explanation, result)

    def _fewest_for(self, rate: float) -> int:
        """A rate that failed passes only with as many requests as that took: a quota shows late."""
        fails = [s.requests for s in self._steps if s.rate == rate and s.judgement == "fail"]
        return max((FEWEST, *fails))

    async def _go_on(self, step: StepRun, explanation: Explanation, result: Result) -> None:
        failures, latest = step.failures, self._steps[-1]
        if latest.judgement != "pass" and failures.mostly_rate_limited:
            self._rate_limited_from = min(latest.rate, self._rate_limited_from or latest.rate)
        self._refused = self._refused + 1 if failures.all_failed else 0
        facts = Facts(
            step=step,
            latest=latest,
            explanation=explanation,
            before=self._doubt,
            refused=self._refused,
            ever_passed=self._rates.to_prove is not None,
            missed_alone=self._alone.missed,
            cap_reached=bool(result.cost and result.cost.cap and result.cost.cap["broke"]),
        )
        self._ending = end_early(facts)
        if step.end == "time" and self._ending is None:
            self._settle(latest.rate)
        self._doubt = explanation if latest.judgement == "undecided" else None
        if self.next_rate is not None and latest.judgement != "pass":
            await self._pause(step)

    async def _pause(self, step: StepRun) -> None:
        """Wait as long as the server asks for: what comes earlier it refuses whatever the rate."""
        asked = min(step.failures.longest_wait, _LONGEST_PAUSE_S, self._seconds_left)
        until = MonoNs(self._clock.now() + round(asked * NS_PER_S))
        while (now := self._clock.now()) < until and not self._setting.stopping():
            note = f"waiting {format_duration(until - now)}, as the server asks (Retry-After)"
            self._watch(SearchProgress(rate=self._rates.next_rate, note=note))
            await self._clock.sleep_until(MonoNs(min(now + _PAUSE_TICK_NS, until)))

    def _prepared(self, rate: float) -> Benchmark:
        """A step with a seed of its own, so that no two draw the same arrivals and prompts."""
        first = self._plan.first
        order = first.order
        left = None if order.cap is None else max(order.cap - self._spent, Decimal("0.000001"))
        load = Load(
            rate=rate,
            requests=self._plan.question.step_requests,
            warmup=WARMUP,
            workers=order.workers,
            seed=order.plan.seed + 1 + len(self._steps),
            nonce_salt=order.workload.salt,
            retries=order.retries,
            max_cost=left,
        )
        prepared = self._profiler.prepare(load, self._plan.workload)
        return msgspec.structs.replace(prepared, calibration=first.calibration)

    def _settle(self, rate: float) -> None:
        """The time does not suffice to try `rate`: prove what has passed, or end."""
        if self._settled or self._rates.to_prove is None:
            needed = self._seconds_for(rate)
            self._ending = out_of_time(self._plan.question.time_limit, rate, needed)
        self._settled = True
        self._rates.settle()

    @property
    def _seconds_to_prove(self) -> float:
        """What must be left after the next step to prove the best rate so far."""
        if self._rates.to_prove is None or self._rates.retesting or self._settled:
            return 0.0
        rate, times = self._rates.to_prove
        return _RESERVE * times * self._seconds_for(rate)

    @property
    def _seconds_left(self) -> float:
        return (self._deadline - self._clock.now()) / NS_PER_S

    def _seconds_for(self, rate: float) -> float:
        """About how long a step takes in which nothing misses the objectives."""
        alpha = self._rates.alpha / len(self._objectives)
        fewest = max(fewest_requests(1.0 - o.p, alpha) for o in self._objectives)
        return fewest / rate + 5.0 * (self._alone.service_time or 0.0) + _OVERHEAD_S

    def _on_tick(self, _: Run) -> None:
        judge = self._judge
        if judge is None:
            self._watch(SearchProgress(rate=None))
            return
        rates = self._rates.ahead()
        needed = judge.still_needed
        left = None
        if rates and needed is not None:
            left = needed / rates[0] + sum(self._seconds_for(rate) for rate in rates[1:])
        progress = SearchProgress(
            rate=self._rates.next_rate,
            again=self._rates.retesting,
            seen=judge.seen,
            needed=needed,
            left=left,
        )
        self._watch(progress)

    def document(self) -> Capacity:
        """What was found."""
        return build_capacity(
            self._plan.first,
            self._rates.bracket,
            tuple(self._steps),
            self._ending,
            Outlook(
                objectives=tuple(objective.text for objective in self._objectives),
                alone=self._alone.service_time,
                rate_limited_from=self._rate_limited_from,
                spent=self._spent,
                most=self._plan.question.most,
                time_limit=self._plan.question.time_limit,
            ),
        )
