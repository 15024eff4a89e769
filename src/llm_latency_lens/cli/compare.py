"""`compare`: two or more targets, asked the same in turn."""

import sys
from typing import Any

import click

from llm_latency_lens.cli.options import (
    CONFIG,
    JSON,
    LIMITS,
    LOAD,
    MONEY,
    QUIET,
    REQUEST,
    RUNS_DIR,
    TARGET,
    TRUST,
    option,
    options,
)
from llm_latency_lens.cli.types import PERCENT
from llm_latency_lens.errors import UsageError

_QUESTION = (
    option(
        "--metric",
        default="ttft",
        metavar="METRIC",
        help="The question asked first: ttft, tpot, e2e, chars_per_second, cost, output_tokens;"
        " with .p95 for the tail.",
    ),
    option(
        "--margin",
        type=PERCENT,
        default="5%",
        metavar="SHARE",
        help="Differences below it do not matter.",
    ),
)
_URLS = (
    option(
        "--base-url",
        metavar="URL",
        multiple=True,
        help="API address; one for all targets, or one for each in their order.",
    ),
)


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET TARGET...")
@options(
    REQUEST,
    LOAD,
    _QUESTION,
    MONEY,
    _URLS,
    TARGET[1:],
    LIMITS,
    TRUST,
    RUNS_DIR,
    JSON,
    QUIET,
    CONFIG,
)
def compare(targets: tuple[str, ...], **given: Any) -> int:  # noqa: ANN401 - click's options
    """Say which of two or more targets is faster, by how much, and how sure that is.

    Targets are provider:model or names from the configuration. All are asked the same prompts in turn,
    each round in an order drawn anew, so that what changes meanwhile meets all alike. --requests,
    --rate and --warmup are for each target. The same target twice shows the noise.

    \b
    One after the other:  --requests 100
    More at once:         --requests 500 --concurrency 8
    """  # noqa: D301 - click reads the backspace
    import pathlib  # noqa: PLC0415

    import msgspec  # noqa: PLC0415

    from llm_latency_lens.cli.asking import load_of, make_profiler, make_workload  # noqa: PLC0415
    from llm_latency_lens.cli.bench_run import Keeping, run_comparison  # noqa: PLC0415
    from llm_latency_lens.cli.calibrating import with_calibration  # noqa: PLC0415
    from llm_latency_lens.cli.expense import consent  # noqa: PLC0415
    from llm_latency_lens.cli.retold import retold  # noqa: PLC0415
    from llm_latency_lens.compare import plan_comparison  # noqa: PLC0415

    urls = _one_for_each(given.pop("base_url"), len(targets))
    profilers = [
        make_profiler(target, {**given, "base_url": url})
        for target, url in zip(targets, urls, strict=True)
    ]
    workload = make_workload(given, nonce=given["nonce"])
    load = load_of(given)
    planned = plan_comparison(profilers, load, workload, _question(given), command=retold(sys.argv))
    quiet = given["quiet"] or given["as_json"]
    consent(planned.benchmark, given["ask_above"], yes=given["yes"])
    benchmark = with_calibration(planned.benchmark, given["calibrate"], quiet=quiet)
    planned = msgspec.structs.replace(planned, benchmark=benchmark)
    keeping = Keeping(
        runs_dir=pathlib.Path(given["runs_dir"]), quiet=quiet, allow_invalid=given["allow_invalid"]
    )
    found, code, folder = run_comparison(planned, keeping)
    if given["as_json"]:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        from llm_latency_lens.report.comparison import comparison_report  # noqa: PLC0415
        from llm_latency_lens.report.console import print_report  # noqa: PLC0415

        print_report(comparison_report(found), sys.stdout)
        click.echo(f"stored in {folder}; again: llm-latency-lens runs show {folder.name}", err=True)
    return code


def _one_for_each(urls: tuple[str, ...], targets: int) -> tuple[str | None, ...]:
    if len(urls) in {0, 1}:
        return (urls or (None,)) * targets
    if len(urls) != targets:
        raise UsageError(
            f"{len(urls)} times --base-url for {targets} targets; give one, or one for each"
        )
    return urls


def _question(given: dict[str, Any]) -> Any:  # noqa: ANN401 - imported late, for a quick --help
    from llm_latency_lens.metrics.contrasts import Question  # noqa: PLC0415

    metric, _, stat = given["metric"].partition(".")
    if stat not in {"", "p95"}:
        raise UsageError(f"--metric {given['metric']!r}: after the dot only p95 can be asked for")
    return Question(metric=metric, stat=stat or "location", margin=given["margin"])
