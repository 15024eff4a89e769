"""A stored document as the report it was printed as."""

from typing import Any

import msgspec

from llm_latency_lens.errors import StoreError
from llm_latency_lens.model.comparison import COMPARISON_SCHEMA, Comparison
from llm_latency_lens.model.result import RESULT_SCHEMA, Result
from llm_latency_lens.report.comparison import comparison_report
from llm_latency_lens.report.document import Report
from llm_latency_lens.report.load import load_report


def report_of(document: dict[str, Any]) -> Report:
    """The report of a result or a comparison.

    Raises:
        StoreError: a schema that this version does not know.
    """
    schema = document.get("schema")
    if schema == RESULT_SCHEMA:
        return load_report(msgspec.convert(document, Result))
    if schema == COMPARISON_SCHEMA:
        return comparison_report(msgspec.convert(document, Comparison))
    raise StoreError(f"the stored document has schema {schema!r}, which this version does not know")
