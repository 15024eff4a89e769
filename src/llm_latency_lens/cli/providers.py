"""`providers`: who can be asked, where, what for, at which price, and whether a key is at hand (never which)."""

import os
import sys
from typing import Any

import click

from llm_latency_lens.cli.options import CONFIG, JSON, PRICES, options


@click.command()
@click.argument("targets", nargs=-1, metavar="[PROVIDER:MODEL]...")
@options(PRICES, JSON, CONFIG)
def providers(targets: tuple[str, ...], **given: Any) -> int:  # noqa: ANN401 - click's options
    """List the providers: their language and address, what can be asked for, and whether a key is set.

    With PROVIDER:MODELs, what those cost. Plugins that the configuration names are listed too.
    """
    rows = _priced(targets, given["prices"]) if targets else _listed()
    if given["as_json"]:
        import msgspec  # noqa: PLC0415

        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
        return 0
    from llm_latency_lens.report.console import print_report  # noqa: PLC0415

    print_report(_price_report(rows) if targets else _list_report(rows), sys.stdout)
    return 0


def _listed() -> list[dict[str, Any]]:
    from llm_latency_lens.cli.config import configuration  # noqa: PLC0415
    from llm_latency_lens.providers.plugin import load_plugins, with_plugins  # noqa: PLC0415
    from llm_latency_lens.wire.dialect import load_dialect  # noqa: PLC0415

    plugins = load_plugins(configuration(click.get_current_context()).plugins)
    return [
        {
            "name": provider.name,
            "dialect": provider.dialect,
            "base_url": provider.base_url,
            "key_env": provider.key_env,
            "key_present": bool(os.environ.get(provider.key_env, "").strip()),
            "streams": load_dialect(provider.dialect).streams,
            "settings": sorted(load_dialect(provider.dialect).settings),
            "catalogue_prices": provider.price_as is not None,
        }
        for provider in with_plugins(plugins).values()
    ]


def _list_report(rows: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - a Report, imported late
    from llm_latency_lens.report.document import Report, Table  # noqa: PLC0415

    cells = tuple(
        (
            row["name"],
            row["dialect"],
            row["key_env"] + (" (set)" if row["key_present"] else ""),
            row["base_url"].removeprefix("https://"),
        )
        for row in rows
    )
    columns = ("provider", "dialect", "key variable", "address")
    note = (
        "write targets as provider:model; any OpenAI-compatible server also is openai:MODEL --base-url URL\n"
        "what a model costs: llm-latency-lens providers openai:gpt-4o; which settings each has: --json"
    )
    table = Table("", columns, cells, note, text=(0, 1, 2, 3))
    return Report(f"{len(cells)} providers", (table,))


def _priced(targets: tuple[str, ...], prices: str | None) -> list[dict[str, Any]]:
    from llm_latency_lens.profiler import Profiler  # noqa: PLC0415
    from llm_latency_lens.providers.where import Where  # noqa: PLC0415

    found = []
    for spec in targets:
        profiler = Profiler(spec, where=Where(asks=False), prices=prices)
        found.append({"target": profiler.target.public_name, "price": profiler.price()})
    return found


def _price_report(rows: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - a Report, imported late
    from llm_latency_lens.report.document import Note, Report  # noqa: PLC0415
    from llm_latency_lens.report.estimate import prices  # noqa: PLC0415

    blocks = tuple(
        prices(row["price"], row["target"])
        if row["price"] is not None
        else Note(f"{row['target']}: no price is known; give one with --prices FILE", "warn")
        for row in rows
    )
    return Report("US dollars per million tokens", blocks)
