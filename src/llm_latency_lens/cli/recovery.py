"""From an interrupted run's journal to its result: the same fold over the same records."""

import msgspec

from llm_latency_lens.metrics.result import Setting, build_result
from llm_latency_lens.metrics.slo import parse_limits
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.result import Result
from llm_latency_lens.model.run import RunHeader
from llm_latency_lens.report.advice import advise_failure
from llm_latency_lens.schedule.plan import Plan
from llm_latency_lens.schedule.share import planned_in_phase, planned_rate
from llm_latency_lens.store.runs import Recovery, StoredRun, recover_run


def recover_and_conclude(run: StoredRun) -> tuple[Recovery, Result]:
    """Recover the journal and summarise what is in it.

    What was planned and has no record counts as not sent: a run that died can't say more.
    """
    recovery = recover_run(run)
    header = msgspec.convert(run.header(), RunHeader)
    plan = msgspec.convert(header.spec["plan"], Plan)
    last = len(plan.phases) - 1
    summary = Summary(parse_limits(header.spec.get("goodput", "")))
    for record in run.reading().records():
        summary.add(record)
    found = sum(summary.outcomes.values())
    planned = max(planned_in_phase(plan, last) or found, found)
    setting = Setting(
        header=header,
        phase=plan.phases[last],
        target=header.spec["target"],
        counts=Counts(planned=planned, not_sent=planned - found),
        planned_rate=planned_rate(plan, last),
        client={},
        advise=advise_failure,
    )
    return recovery, build_result(summary, setting)
