"""`providers`: who can be asked, where, and whether a key is at hand (never which)."""

import os
import sys
from typing import Any

import click

from llm_latency_lens.cli.options import JSON, options


@click.command()
@options(JSON)
def providers(**given: Any) -> int:  # noqa: ANN401 - click's options
    """List the providers: their dialect, address and key variable, and whether that is set."""
    from llm_latency_lens.providers.provider import PROVIDERS  # noqa: PLC0415

    rows = [
        {
            "name": provider.name,
            "dialect": provider.dialect,
            "base_url": provider.base_url,
            "key_env": provider.key_env,
            "key_present": bool(os.environ.get(provider.key_env, "").strip()),
        }
        for provider in PROVIDERS.values()
    ]
    if given["as_json"]:
        import msgspec  # noqa: PLC0415

        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
        return 0
    from llm_latency_lens.report.console import print_report  # noqa: PLC0415
    from llm_latency_lens.report.document import Report, Table  # noqa: PLC0415

    cells = tuple(
        (str(row["name"]), str(row["dialect"]), str(row["key_env"]), "set" if row["key_present"] else "-", str(row["base_url"]))
        for row in rows
    )  # fmt: skip
    note = "write targets as provider:model; any OpenAI-compatible server also is openai:MODEL --base-url URL"
    table = Table(
        "",
        ("provider", "dialect", "key variable", "key", "address"),
        cells,
        note,
        text=(0, 1, 2, 3, 4),
    )
    print_report(Report(f"{len(cells)} providers", (table,)), sys.stdout)
    return 0
