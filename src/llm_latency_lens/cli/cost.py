"""`cost`: what a plan would cost, or what a finished run did."""

import pathlib
import sys
from typing import Any

import click

from llm_latency_lens.cli.options import (
    CONFIG,
    JSON,
    LIMITS,
    LOAD,
    PRICES,
    REQUEST,
    RUNS_DIR,
    TARGET,
    option,
    options,
)
from llm_latency_lens.errors import ExitCode, UsageError

_RUN = (option("--run", "run_id", metavar="RUN", help="Price a finished run: its id, the beginning of it, or `last`."),)  # fmt: skip


@click.command()
@click.argument("target", required=False)
@options(_RUN, REQUEST, LOAD, PRICES, TARGET, LIMITS, RUNS_DIR, JSON, CONFIG)
def cost(target: str | None, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Estimate a plan before it runs, or price a finished run.

    \b
    A plan:  llm-latency-lens cost openai:gpt-4o --prompt "..." --requests 200 --max-tokens 256
    A run:   llm-latency-lens cost --run last [--prices FILE]

    Nothing is sent. A price that nobody knows is unknown, never 0.
    """  # noqa: D301 - click reads the backspace
    if (target is None) == (given["run_id"] is None):
        raise UsageError("give either a TARGET whose plan is to be estimated, or --run RUN")
    if target is not None:
        return _estimate(target, given)
    return _price_run(given)


def _estimate(target: str, given: dict[str, Any]) -> int:
    from llm_latency_lens.cli.asking import load_of, make_profiler, make_workload  # noqa: PLC0415
    from llm_latency_lens.cli.expense import Unbounded, estimate_plan  # noqa: PLC0415
    from llm_latency_lens.report.estimate import estimate_report  # noqa: PLC0415

    profiler = make_profiler(target, given, asks=False)
    prepared = profiler.prepare(load_of(given), make_workload(given, nonce=given["nonce"]))
    found = estimate_plan(prepared)
    if isinstance(found, Unbounded):
        raise UsageError(
            "nothing bounds the number of requests: give --requests, or --rate and --duration"
        )
    price = prepared.order.arms[0].price
    if given["as_json"]:
        _print_json({"target": profiler.target.public_name, "estimate": found, "price": price})
    else:
        _print(estimate_report(profiler.target.public_name, found, price))
    return ExitCode.OK


def _price_run(given: dict[str, Any]) -> int:
    from llm_latency_lens.cli.recovery import price_run  # noqa: PLC0415
    from llm_latency_lens.report.document import Note, Report  # noqa: PLC0415
    from llm_latency_lens.report.spending import spending  # noqa: PLC0415
    from llm_latency_lens.store.runs import open_run  # noqa: PLC0415

    run = open_run(pathlib.Path(given["runs_dir"]), given["run_id"])
    found = price_run(run, given["prices"], given["price_as"])
    if given["as_json"]:
        _print_json({"run": run.id, "cost": found})
    else:
        block = spending(found) or Note("this run sent nothing that costs", "plain")
        _print(Report(f"{run.id} - cost", (block,)))
    return ExitCode.OK


def _print(report: Any) -> None:  # noqa: ANN401 - a Report, imported late
    from llm_latency_lens.report.console import print_report  # noqa: PLC0415

    print_report(report, sys.stdout)


def _print_json(document: object) -> None:
    import msgspec  # noqa: PLC0415

    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
