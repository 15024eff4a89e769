"""From what a run left on disk to its result: the same fold over the same records."""

from collections.abc import Iterable

import msgspec

from llm_latency_lens.metrics.result import Setting, build_result
from llm_latency_lens.metrics.slo import parse_limits
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.request import Limits
from llm_latency_lens.model.result import Result
from llm_latency_lens.model.run import RunHeader
from llm_latency_lens.report.advice import advise_failure
from llm_latency_lens.runner.interpret import Subject
from llm_latency_lens.schedule.plan import Plan
from llm_latency_lens.schedule.share import planned_in_phase, planned_rate
from llm_latency_lens.store.runs import Recovery, StoredRun, recover_run


def recover_and_conclude(run: StoredRun) -> tuple[Recovery, Result]:
    """Recover the journal and summarise what is in it."""
    recovery = recover_run(run)
    return recovery, conclude_records(run, run.reading().records())


def conclude_records(run: StoredRun, records: Iterable[Record]) -> Result:
    """The result of a stored run's records.

    What was planned and has no record counts as not sent: a run that died can't say more.
    """
    header = msgspec.convert(run.header(), RunHeader)
    plan = msgspec.convert(header.spec["plan"], Plan)
    last = len(plan.phases) - 1
    summary = Summary(parse_limits(header.spec.get("goodput", "")))
    for record in records:
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
    return build_result(summary, setting)


def subject_of_run(run: StoredRun) -> Subject:
    """What a stored run's recordings are of; their secrets are gone already."""
    spec = run.header()["spec"]
    limits = msgspec.convert(spec["limits"], Limits)
    return Subject(
        target=spec["target"],
        dialect=spec["dialect"],
        max_event=limits.max_event,
        streamed=spec["workload"]["wish"]["stream"],
    )
