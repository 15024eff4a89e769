"""A stored document as the report it was printed as."""

from collections.abc import Callable
from typing import Any

import msgspec

from llm_latency_lens.errors import StoreError
from llm_latency_lens.model.capacity import CAPACITY_SCHEMA, Capacity
from llm_latency_lens.model.comparison import COMPARISON_SCHEMA, Comparison
from llm_latency_lens.model.result import RESULT_SCHEMA, Result
from llm_latency_lens.report.capacity import capacity_report
from llm_latency_lens.report.comparison import comparison_report
from llm_latency_lens.report.document import Report
from llm_latency_lens.report.load import load_report


def report_of(document: dict[str, Any]) -> Report:
    """The report of a result, a comparison or a search of capacity.

    Raises:
        StoreError: a schema that this version does not know.
    """
    known = _KINDS.get(document.get("schema", ""))
    if known is None:
        raise StoreError(
            f"the stored document has schema {document.get('schema')!r}, which this version does not know"
        )
    kind, report = known
    return report(msgspec.convert(document, kind))


_KINDS: dict[str, tuple[type, Callable[[Any], Report]]] = {
    RESULT_SCHEMA: (Result, load_report),
    COMPARISON_SCHEMA: (Comparison, comparison_report),
    CAPACITY_SCHEMA: (Capacity, capacity_report),
}
