"""The page: the verdict first, then what was asked, the numbers, the plots, and how to do it again.

One file, no script, nothing fetched: its policy forbids both, whatever a model's answer may contain.
"""

import shlex
from collections.abc import Iterable
from typing import Any

from llm_latency_lens.model.capacity import Capacity
from llm_latency_lens.model.comparison import Comparison
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import Result
from llm_latency_lens.report.capacity import capacity_report
from llm_latency_lens.report.comparison import comparison_report
from llm_latency_lens.report.document import Fact, Facts, Report, Table
from llm_latency_lens.report.html.blocks import rendered
from llm_latency_lens.report.html.contrasts import forest, steps
from llm_latency_lens.report.html.details import Details
from llm_latency_lens.report.html.element import Element, Raw
from llm_latency_lens.report.html.style import STYLE
from llm_latency_lens.report.html.views import VIEWS
from llm_latency_lens.report.load import load_report

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def result_page(result: Result, records: Iterable[Record]) -> str:
    """The page of a run under load; its plots are of these records."""
    details = Details()
    for record in records:
        details.add(record)
    report = load_report(result)
    plots = [plot for view in VIEWS if (plot := view(result, details)) is not None]
    # The plots stand after the table that they draw; what was checked comes after everything seen.
    split = next((i + 1 for i, b in enumerate(report.blocks) if isinstance(b, Table)), len(report.blocks))  # fmt: skip
    blocks = [rendered(block) for block in report.blocks]
    parts = [*blocks[:split], *plots, *blocks[split:]]
    return _page(report.title, result.run, parts)


def comparison_page(comparison: Comparison) -> str:
    """The page of a comparison."""
    report = comparison_report(comparison)
    return _page(report.title, comparison.run, _with(report, forest(comparison)))


def capacity_page(capacity: Capacity) -> str:
    """The page of a search for capacity."""
    report = capacity_report(capacity)
    return _page(report.title, capacity.run, _with(report, steps(capacity)))


def _with(report: Report, plot: Element | None) -> list[Element]:
    parts = [rendered(block) for block in report.blocks]
    if plot is not None:
        parts.insert(2, plot)
    return parts


def _page(title: str, run: dict[str, Any], parts: list[Element]) -> str:
    head = Element(
        "head",
        Element("meta", charset="utf-8"),
        Element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        Element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        Element("meta", name="robots", content="noindex"),
        Element("title", title),
        Element("style", Raw(STYLE)),
    )
    subtitle = Element("p", f"{run['started']} · LLM-Latency-Lens", class_="faint")
    main = Element("main", Element("h1", title), subtitle, *parts, rendered(_again(run)))
    return f"<!doctype html>\n{Element('html', head, Element('body', main), lang='en')}\n"


def _again(run: dict[str, Any]) -> Facts:
    """How to do it again, and where it was done."""
    environment = run["environment"]
    words = run.get("command") or ()
    command = shlex.join(["llm-latency-lens", *words[1:]]) if words else "from the library"
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    machine = f"{environment['system']}, {environment['cpus']} CPUs, Python {environment['python']}"
    return Facts(
        "To do it again",
        (
            Fact("command", command),
            Fact("seed", str(run["seed"])),
            Fact("specification", run["spec_sha256"][:16], "hash of all settings"),
            Fact("machine", machine),
            Fact("versions", versions),
        ),
    )
