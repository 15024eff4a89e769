"""From stored runs to an analysis, or to thresholds held."""

import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from llm_latency_lens.cli.recovery import conclude_records
from llm_latency_lens.criteria.gate import Gate, hold
from llm_latency_lens.criteria.quantity import ResultQuantity, estimate, find_quantity
from llm_latency_lens.criteria.threshold import parse_thresholds
from llm_latency_lens.errors import ExitCode, UsageError, did_you_mean
from llm_latency_lens.metrics.analysis import grouped, history, in_time, ttft_trend
from llm_latency_lens.metrics.columns import BY_NAME
from llm_latency_lens.metrics.where import parse_where
from llm_latency_lens.model.analysis import Analysis, History
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import RESULT_SCHEMA, Result
from llm_latency_lens.report.console import print_report
from llm_latency_lens.report.gate import gate_report
from llm_latency_lens.store.runs import StoredRun

_WORST = (
    ExitCode.THRESHOLD_FAILED,
    ExitCode.INVALID_MEASUREMENT,
    ExitCode.TOO_FEW_SAMPLES,
    ExitCode.OK,
)


def analysed(runs: Sequence[StoredRun], given: dict[str, Any]) -> Analysis:
    """Read the runs under the options of `analyze`.

    Raises:
        UsageError: a wrong filter, field or quantity.
    """
    if given["by"] not in BY_NAME:
        hint = did_you_mean(given["by"], BY_NAME)
        raise UsageError(f"--by: unknown field {given['by']!r}; {hint}")
    quantity = find_quantity(given["history"]) if given["history"] else None
    records = matching(runs, given["where"])
    found, cut = ttft_trend(records)
    return Analysis(
        runs=tuple(run.id for run in runs),
        where=given["where"],
        by=given["by"],
        requests=len(records),
        groups=grouped(records, given["by"]),
        buckets=in_time(records, given["every"]) if given["every"] else (),
        trend=found.change if found else None,
        trend_interval=found.interval if found else None,
        steady_from=cut,
        history=_history(_results(runs), quantity) if quantity else None,
    )


def _history(results: Sequence[Result], quantity: ResultQuantity) -> History:
    return history(results, quantity.name, lambda result: estimate(quantity, result).value)


def held(runs: Sequence[StoredRun], given: dict[str, Any]) -> int:
    """Hold each run, by the records that match, to thresholds; prints, and returns the worst exit code."""
    gate = Gate(thresholds=parse_thresholds(given["sla"]))
    reports = [
        hold(gate, conclude_records(run, matching([run], given["where"]), whole=not given["where"]))
        for run in runs
    ]
    if given["as_json"]:
        click.echo(msgspec.json.format(msgspec.json.encode(reports), indent=2))
    else:
        for report in reports:
            print_report(gate_report(report), sys.stdout)
    return min((report.exit_code for report in reports), key=_WORST.index)


def matching(runs: Sequence[StoredRun], where: str) -> list[Record]:
    """The measured records of the runs that match; attempts that others followed are left out."""
    test = parse_where(where) if where else lambda _: True
    return [
        record
        for run in runs
        for record in run.reading().records()
        if record.phase == "measure" and not record.superseded and test(record)
    ]


def _results(runs: Sequence[StoredRun]) -> list[Result]:
    summaries = (run.summary() for run in runs)
    return [
        msgspec.convert(summary, Result)
        for summary in summaries
        if summary is not None and summary.get("schema") == RESULT_SCHEMA
    ]
