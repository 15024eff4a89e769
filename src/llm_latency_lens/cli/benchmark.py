"""`benchmark`: load on one target, and the report."""

import sys
from typing import Any

import click

from llm_latency_lens.cli.options import (
    AS_TOOL,
    CONFIG,
    JSON,
    LIMITS,
    LOAD,
    MONEY,
    QUIET,
    REQUEST,
    RUNS_DIR,
    SAVE_RAW,
    TARGET,
    TRUST,
    option,
    options,
)
from llm_latency_lens.cli.types import RATE

_AIM = (
    option(
        "--until-precise",
        metavar="PRECISION",
        help="Go on until a percentile is known this well, such as 'ttft.p95+-5%'.",
    ),
    option(
        "--find-capacity",
        is_flag=True,
        help="Search, for at most --duration (30m), for the highest rate that keeps --slo.",
    ),
    option(
        "--slo",
        metavar="OBJECTIVES",
        help="What --find-capacity is to keep, such as 'ttft.p95<500ms,tpot.p95<50ms'.",
    ),
    option(
        "--max-rate",
        type=RATE,
        default="1000/s",
        help="Highest rate that --find-capacity tries; it begins with --rate, else a light load.",
    ),
    option(
        "--step-requests",
        type=click.IntRange(300),
        default=2000,
        help="The most requests of one of its steps.",
    ),
)
_GOODPUT = (
    option(
        "--goodput",
        metavar="LIMITS",
        default="",
        show_default=False,
        help="Count requests within limits, such as 'ttft<500ms,tpot<50ms,e2e<5s'.",
    ),
)


@click.command()
@click.argument("target")
@options(
    REQUEST,
    LOAD,
    _GOODPUT,
    _AIM,
    AS_TOOL,
    MONEY,
    TARGET,
    LIMITS,
    TRUST,
    RUNS_DIR,
    SAVE_RAW,
    JSON,
    QUIET,
    CONFIG,
)
def benchmark(target: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Measure an endpoint under load.

    TARGET is provider:model, such as openai:gpt-4o-mini, or a name from the configuration.

    \b
    Open loop:    --rate 20/s --duration 30s
    Closed loop:  --concurrency 8 --requests 200
    Capacity:     --find-capacity --slo 'ttft.p95<500ms,tpot.p95<50ms'
    """  # noqa: D301 - click reads the backspace
    import pathlib  # noqa: PLC0415

    from llm_latency_lens.cli.asking import load_of, make_profiler, make_workload  # noqa: PLC0415
    from llm_latency_lens.cli.bench_run import Keeping, run_benchmark  # noqa: PLC0415
    from llm_latency_lens.cli.calibrating import check_roofline, with_calibration  # noqa: PLC0415
    from llm_latency_lens.cli.expense import consent  # noqa: PLC0415
    from llm_latency_lens.cli.retold import retold  # noqa: PLC0415

    if given["find_capacity"] or given["slo"]:
        from llm_latency_lens.cli.searching import search_capacity  # noqa: PLC0415

        return search_capacity(target, given)
    profiler = make_profiler(target, given)
    workload = make_workload(given, nonce=given["nonce"])
    command = sys.argv if given["save_raw"] else retold(sys.argv)
    prepared = profiler.prepare(load_of(given), workload, command=command)
    quiet = given["quiet"] or given["as_json"]
    consent(prepared, given["ask_above"], yes=given["yes"])
    prepared = with_calibration(prepared, given["calibrate"], quiet=quiet)
    check_roofline(prepared, beyond=given["beyond_roofline"])
    keeping = Keeping(
        runs_dir=pathlib.Path(given["runs_dir"]),
        save_raw=given["save_raw"],
        quiet=quiet,
        allow_invalid=given["allow_invalid"],
    )
    result, code, folder = run_benchmark(profiler, prepared, keeping)
    _show(result, folder, given)
    return code


def _show(result: Any, folder: Any, given: dict[str, Any]) -> None:  # noqa: ANN401 - a Result and its path, imported late
    if given["as_json"]:
        import msgspec  # noqa: PLC0415

        click.echo(msgspec.json.format(msgspec.json.encode(result), indent=2))
        return
    from llm_latency_lens.report.console import print_report  # noqa: PLC0415
    from llm_latency_lens.report.load import load_report  # noqa: PLC0415

    print_report(load_report(result), sys.stdout)
    if given["as_tool"]:
        from llm_latency_lens.cli.shown import print_as_tool  # noqa: PLC0415
        from llm_latency_lens.store.runs import open_run  # noqa: PLC0415

        click.echo()
        print_as_tool(given["as_tool"], open_run(folder.parent, folder.name).reading().records())
    click.echo(f"stored in {folder}; again: llm-latency-lens runs show {folder.name}", err=True)
