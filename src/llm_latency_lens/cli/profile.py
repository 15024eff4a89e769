"""`profile`: one request's anatomy."""

import sys
from typing import Any

import click

from llm_latency_lens.cli.options import (
    CONFIG,
    JSON,
    LIMITS,
    PRICES,
    REQUEST,
    STAMPS,
    TARGET,
    options,
)
from llm_latency_lens.errors import ExitCode


@click.command()
@click.argument("target")
@options(REQUEST, PRICES, TARGET, LIMITS, STAMPS, JSON, CONFIG)
def profile(target: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Measure one request and show its anatomy: where the time went, phase by phase.

    TARGET is provider:model, such as openai:gpt-4o-mini, or a name from the configuration.
    """
    from llm_latency_lens.cli.asking import make_profiler, make_workload  # noqa: PLC0415
    from llm_latency_lens.model.record import OutcomeKind  # noqa: PLC0415
    from llm_latency_lens.profiler import run  # noqa: PLC0415

    profiler = make_profiler(target, given)
    measured = run(profiler.profile(make_workload(given, nonce=False), given["stamps"]))
    if given["as_json"]:
        _print_json(measured.record)
    else:
        from llm_latency_lens.report.anatomy import anatomy  # noqa: PLC0415
        from llm_latency_lens.report.console import print_report  # noqa: PLC0415

        print_report(anatomy(measured.record), sys.stdout)
    return (
        ExitCode.OK if measured.record.outcome.kind is OutcomeKind.OK else ExitCode.THRESHOLD_FAILED
    )


def _print_json(record: Any) -> None:  # noqa: ANN401 - a Record, imported late
    import msgspec  # noqa: PLC0415

    from llm_latency_lens.metrics.definitions import METRICS  # noqa: PLC0415
    from llm_latency_lens.metrics.quality import check_answers  # noqa: PLC0415
    from llm_latency_lens.model.record import OutcomeKind  # noqa: PLC0415

    ok = record.outcome.kind is OutcomeKind.OK
    metrics = {metric.name: metric.of(record) if ok else None for metric in METRICS}
    document = {
        "schema": "llm-latency-lens/profile/1",
        "metrics": metrics,
        "checks": check_answers([record]) if ok else (),
        "record": record,
    }
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
