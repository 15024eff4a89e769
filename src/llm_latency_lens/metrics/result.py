"""From a Summary to the result document."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from llm_latency_lens.cost.service import asked_tier
from llm_latency_lens.metrics.checks.evidence import THROUGHPUT, Evidence, worst
from llm_latency_lens.metrics.checks.sample import censored_share
from llm_latency_lens.metrics.column import PERCENTILES
from llm_latency_lens.metrics.quality import run_checks, verdict_of
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.calibration import KINDS, Calibration
from llm_latency_lens.model.result import (
    HEADLINE,
    Abort,
    Check,
    Cost,
    Distribution,
    Failure,
    Goodput,
    Offered,
    Quality,
    Result,
    Throughput,
    Verdict,
)
from llm_latency_lens.model.run import RunHeader
from llm_latency_lens.model.vitals import MachineVitals, Vitals
from llm_latency_lens.schedule.plan import Phase

_WHY_UNKNOWN = "no price is known for {} there; give one with --prices FILE or --price-as"


class Setting(Struct, frozen=True, kw_only=True):
    """What surrounds the records: the run's header, the measured phase, the engine's counts.

    `client` is what measuring took (processes, CPU, memory); `advise` puts a failure's remedy in words;
    `cap` is what became of a cap on the cost, where there was one. Vitals, machine and calibration are
    what the checks of the client look at, where they are known. `abort` says why the run was ended
    early, where it was.
    """

    header: RunHeader
    phase: Phase
    target: str
    counts: Counts
    planned_rate: float | None
    client: dict[str, Any]
    advise: Callable[[Failure], str]
    cap: dict[str, Any] | None = None
    vitals: tuple[Vitals, ...] = ()
    machine: MachineVitals | None = None
    calibration: Calibration | None = None
    abort: Abort | None = None


def build_result(summary: Summary, setting: Setting) -> Result:
    """Everything the run amounts to, judged."""
    metrics = summary.distributions()
    evidence = Evidence(
        summary=summary,
        counts=setting.counts,
        metrics=metrics,
        planned_rate=setting.planned_rate,
        vitals=setting.vitals,
        machine=setting.machine,
        calibration=setting.calibration,
        nonce=bool(setting.header.spec["workload"].get("nonce")),
    )
    checks = run_checks(evidence)
    cut = censored_share(evidence)
    metrics = {
        name: _judged(name, _known(_measured_by(name, found, setting.calibration), cut), checks)
        for name, found in metrics.items()
    }
    return Result(
        run=msgspec.to_builtins(setting.header),
        verdict=_run_verdict(metrics, checks),
        offered=_offered(summary, setting),
        outcomes=summary.books(setting.counts),
        failures=tuple(
            msgspec.structs.replace(failure, advice=setting.advise(failure))
            for failure in sorted(summary.failures.values(), key=lambda f: -f.count)
        ),
        metrics=metrics,
        tokens=summary.tokens(),
        throughput=_throughput(summary, checks),
        goodput=_goodput(summary, setting, checks),
        cost=_cost(summary, setting),
        abort=_abort(setting),
        quality=_quality(summary, checks, setting),
        targets={setting.target: {"requests": sum(summary.outcomes.values())}},
    )


def _abort(setting: Setting) -> Abort | None:
    abort = setting.abort
    if abort is None or abort.failure is None:
        return abort
    failure = msgspec.structs.replace(abort.failure, advice=setting.advise(abort.failure))
    return msgspec.structs.replace(abort, failure=failure)


def _judged(name: str, found: Distribution, checks: tuple[Check, ...]) -> Distribution:
    verdict, reasons = verdict_of(name, checks)
    return msgspec.structs.replace(found, verdict=verdict, reasons=reasons)


def _known(found: Distribution, cut: float) -> Distribution:
    """Without the percentiles that may lie among the share `cut` of requests that did not succeed."""
    unknown = tuple(
        name
        for name, p in PERCENTILES.items()
        if p > 1.0 - cut and getattr(found, name) is not None
    )
    if not unknown:
        return found
    kept = {name: ends for name, ends in found.interval.items() if name not in unknown}
    nothing = dict.fromkeys(unknown)
    return msgspec.structs.replace(found, unknown=unknown, interval=kept, **nothing)


def _measured_by(name: str, found: Distribution, calibration: Calibration | None) -> Distribution:
    error = calibration.errors.get(KINDS.get(name, "")) if calibration is not None else None
    return found if error is None else msgspec.structs.replace(found, instrument=error.p99)


def _run_verdict(metrics: dict[str, Distribution], checks: tuple[Check, ...]) -> Verdict:
    headline = [m.verdict for name in HEADLINE if (m := metrics.get(name)) and m.verdict]
    everywhere = [check.verdict for check in checks if "*" in check.metrics]
    return worst([*headline, *everywhere])


def _throughput(summary: Summary, checks: tuple[Check, ...]) -> Throughput:
    verdict, reasons = verdict_of(THROUGHPUT, checks)
    return msgspec.structs.replace(summary.timeline.throughput(), verdict=verdict, reasons=reasons)


def _goodput(summary: Summary, setting: Setting, checks: tuple[Check, ...]) -> Goodput | None:
    found = summary.goodput(setting.counts)
    if found is None:
        return None
    verdict, reasons = verdict_of("goodput", checks)
    return msgspec.structs.replace(found, verdict=verdict, reasons=reasons)


def _offered(summary: Summary, setting: Setting) -> Offered:
    arrival, timeline = setting.phase.arrival, summary.timeline
    closed = arrival.kind == "closed"
    counts = setting.counts
    return Offered(
        mode="closed" if closed else "open",
        planned=counts.planned,
        sent=counts.planned - counts.not_sent,
        warmup=summary.warmup,
        retries=summary.retries,
        withheld=counts.withheld,
        rate=setting.planned_rate,
        achieved=timeline.request_rate() if closed else timeline.start_rate(),
        concurrency=arrival.concurrency,
        slip=summary.slip.distribution("s") if len(summary.slip) else None,
    )


def _cost(summary: Summary, setting: Setting) -> Cost:
    spec = setting.header.spec
    found = summary.spending.cost(
        summary.good, spec.get("price"), _WHY_UNKNOWN.format(spec["target"])
    )
    return msgspec.structs.replace(
        found, cap=setting.cap, service_tier=asked_tier(spec["workload"]["wish"]["extra"])
    )


def _quality(summary: Summary, checks: tuple[Check, ...], setting: Setting) -> Quality:
    return Quality(
        checks=checks,
        stamps=dict(summary.stamps),
        lateness=summary.lateness.distribution("s") if len(summary.lateness) else None,
        coalesced=summary.coalesced,
        tokens_per_event=summary.granularity,
        new_connections=summary.connections.new,
        reused_connections=summary.connections.reused,
        remotes=dict(summary.connections.remotes),
        addresses=summary.connections.addresses,
        client=setting.client,
        vitals=setting.vitals,
        machine=setting.machine,
        calibration=setting.calibration,
    )
