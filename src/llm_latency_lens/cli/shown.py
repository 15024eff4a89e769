"""A stored document as the report it was printed as, and as a page."""

import pathlib
import sys
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from llm_latency_lens.errors import StoreError, UsageError
from llm_latency_lens.metrics.as_tools import as_tool
from llm_latency_lens.model.capacity import CAPACITY_SCHEMA, Capacity
from llm_latency_lens.model.comparison import COMPARISON_SCHEMA, Comparison
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import RESULT_SCHEMA, Result
from llm_latency_lens.report.as_tool import as_tool_report
from llm_latency_lens.report.capacity import capacity_report
from llm_latency_lens.report.comparison import comparison_report
from llm_latency_lens.report.console import print_report
from llm_latency_lens.report.document import Report
from llm_latency_lens.report.html.page import capacity_page, comparison_page, result_page
from llm_latency_lens.report.load import load_report
from llm_latency_lens.store.runs import open_run

_KINDS: dict[str, tuple[type, Callable[[Any], Report]]] = {
    RESULT_SCHEMA: (Result, load_report),
    COMPARISON_SCHEMA: (Comparison, comparison_report),
    CAPACITY_SCHEMA: (Capacity, capacity_report),
}
_PAGES: dict[type, Callable[[Any, Iterable[Record]], str]] = {
    Result: result_page,
    Comparison: lambda document, _: comparison_page(document),
    Capacity: lambda document, _: capacity_page(document),
}


def report_of(document: dict[str, Any]) -> Report:
    """The report of a result, a comparison or a search for capacity.

    Raises:
        UsageError: it is none of them, or of a schema that this version does not know.
    """
    kind, report = _known(document)
    return report(_typed(document, kind))


def page_of(document: dict[str, Any], records: Iterable[Record]) -> str:
    """Its page; the plots of a result are of these records.

    Raises:
        UsageError: as `report_of`.
    """
    kind, _ = _known(document)
    return _PAGES[kind](_typed(document, kind), records)


def records_of(document: dict[str, Any], runs_dir: str) -> Iterable[Record]:
    """The records of the stored run that a document is of; none where the run is not stored here."""
    try:
        run = open_run(pathlib.Path(runs_dir), str(document["run"]["id"]))
    except (StoreError, KeyError, TypeError):
        return ()
    return run.reading().records()


def print_as_tool(name: str, records: Iterable[Record], *, as_json: bool = False) -> None:
    """What another tool would have reported of the records, on stdout."""
    view = as_tool(name, records)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(view), indent=2).decode() + "\n")
    else:
        print_report(as_tool_report(view), sys.stdout)


def _known(document: dict[str, Any]) -> tuple[type, Callable[[Any], Report]]:
    known = _KINDS.get(str(document.get("schema")))
    if known is None:
        raise UsageError(
            f"the document has schema {document.get('schema')!r}, which this version does not know"
        )
    return known


def _typed(document: dict[str, Any], kind: type) -> Any:  # noqa: ANN401 - one of the kinds
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"not a whole document: {error}") from None
