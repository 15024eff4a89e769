"""From what a run left on disk to its result: the same fold over the same records."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import msgspec

from llm_latency_lens.compare import ComparisonFold
from llm_latency_lens.cost.book import open_price_book, price_named
from llm_latency_lens.cost.charge import Lengths, charge_or_estimate
from llm_latency_lens.cost.price import Price
from llm_latency_lens.criteria.limit import parse_limits
from llm_latency_lens.interpret.interpret import Subject, asked_of
from llm_latency_lens.metrics.result import Setting, build_result
from llm_latency_lens.metrics.spending import Spending
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.comparison import Comparison
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.model.request import Limits, Target
from llm_latency_lens.model.result import Cost, Quality, Result
from llm_latency_lens.model.run import RunHeader
from llm_latency_lens.providers.plugin import provider_names
from llm_latency_lens.providers.url import parse_url
from llm_latency_lens.report.advice import advise_failure
from llm_latency_lens.schedule.plan import Plan
from llm_latency_lens.schedule.share import planned_in_phase, planned_rate
from llm_latency_lens.store.runs import Recovery, StoredRun, recover_run


def recover_and_conclude(run: StoredRun) -> tuple[Recovery, Result | Comparison]:
    """Recover the journal and summarise what is in it."""
    recovery = recover_run(run)
    whole = conclude_records(run, run.reading().records())
    header = msgspec.convert(run.header(), RunHeader)
    if not header.spec.get("question"):
        return recovery, whole
    fold = ComparisonFold(len(header.spec["arms"]))
    for record in run.reading().records():
        fold.add(record)
    return recovery, fold.comparison(header, whole)


def conclude_records(run: StoredRun, records: Iterable[Record], *, whole: bool = True) -> Result:
    """The result of a stored run's records, with what its measuring side said of itself.

    What was planned and has no record counts as not sent: a run that died can't say more. Records that
    were chosen (not the `whole`) are all that is judged.
    """
    header = msgspec.convert(run.header(), RunHeader)
    plan = msgspec.convert(header.spec["plan"], Plan)
    last = len(plan.phases) - 1
    summary = Summary(parse_limits(header.spec.get("goodput", "")))
    for record in records:
        summary.add(record)
    stored = run.summary()
    quality = msgspec.convert(stored["quality"], Quality) if stored else None
    found = summary.measured
    planned = max(planned_in_phase(plan, last) or found, found) if whole else found
    withheld = stored.get("offered", {}).get("withheld", 0) if stored else 0
    setting = Setting(
        header=header,
        phase=plan.phases[last],
        target=header.spec["target"],
        counts=Counts(
            planned=planned, not_sent=planned - found, withheld=min(withheld, planned - found)
        ),
        planned_rate=planned_rate(plan, last) if whole else None,
        client=quality.client if quality else {},
        vitals=quality.vitals if quality and whole else (),
        machine=quality.machine if quality else None,
        calibration=quality.calibration if quality else None,
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
        price=msgspec.convert(spec["price"], Price | None),
        asked=asked_of(_target_of(spec), streamed=spec["workload"]["wish"]["stream"]),
    )


def _target_of(spec: dict[str, Any]) -> Target:
    """The run's first target, without what is secret."""
    provider, _, model = spec["target"].partition(":")
    return Target(
        provider=provider,
        dialect=spec["dialect"],
        model=model,
        base_url=parse_url(spec["base_url"], "base URL"),
        credential=spec.get("credential", ""),
    )


def price_run(run: StoredRun, prices: str | None, price_as: str | None = None) -> Cost:
    """What a stored run cost by the prices of its day: the user's file's, else the catalogue's.

    `price_as` is the `provider:model` whose price holds; without it, that of the run.
    """
    header = msgspec.convert(run.header(), RunHeader)
    spec = header.spec
    book = open_price_book(_day_of(header), prices, provider_names(()))
    provider, _, model = spec["target"].partition(":")
    name = price_as or spec.get("priced_as")
    price = (
        price_named(book, name)
        if name is not None
        else book.price_of(provider, model, spec.get("price_as"))
    )
    asked = spec["workload"]["conversations"]
    characters = asked["characters"] // max(asked["count"], 1)
    spending, good = Spending(), 0
    for record in run.reading().records():
        lengths = Lengths(characters, record.characters)
        found = None
        if price is not None:
            found = charge_or_estimate(record.tokens, price, lengths, record.service_tier)
        spending.add(msgspec.structs.replace(record, cost=found))
        good += record.phase == "measure" and record.outcome.kind is OutcomeKind.OK
    words = f"no price is known for {spec['target']} there; give one with --prices FILE"
    return spending.cost(good, msgspec.to_builtins(price), words)


def _day_of(header: RunHeader) -> date:
    return datetime.fromisoformat(header.started).date()
