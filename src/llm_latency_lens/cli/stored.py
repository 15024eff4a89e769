"""What a command is to look at: a stored run by its id, or a document in a file of its own."""

import pathlib
from typing import Any

import msgspec

from llm_latency_lens.errors import StoreError, UsageError
from llm_latency_lens.model.comparison import COMPARISON_SCHEMA, Comparison
from llm_latency_lens.model.result import RESULT_SCHEMA, Result
from llm_latency_lens.store.runs import open_run

_KINDS: dict[str, type[Result] | type[Comparison]] = {
    RESULT_SCHEMA: Result,
    COMPARISON_SCHEMA: Comparison,
}


def document_of(wanted: str, runs_dir: str) -> dict[str, Any]:
    """The document of a finished run (its id, the beginning of one, or `last`), or of a JSON file.

    Raises:
        UsageError: the file can't be read or is no JSON document.
        StoreError: there is no such run, or it has no summary.
    """
    path = pathlib.Path(wanted)
    if path.is_dir():
        path = path / "summary.json"
    if path.suffix == ".json" or path.is_file():
        return _read(path)
    run = open_run(pathlib.Path(runs_dir), wanted)
    summary = run.summary()
    if summary is None:
        raise StoreError(
            f"run {run.id} is {run.status()} and has no summary; try: llm-latency-lens runs recover {run.id}"
        )
    return summary


def typed(document: dict[str, Any], where: str) -> Result | Comparison:
    """A result or a comparison.

    Raises:
        UsageError: it is neither, or of a schema that this version does not know.
    """
    kind = _KINDS.get(str(document.get("schema")))
    if kind is None:
        raise UsageError(
            f"{where}: neither a result nor a comparison (schema {document.get('schema')!r})"
        )
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: not a whole document: {error}") from None


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise UsageError(f"can't read {str(path)!r}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not JSON: {error}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path}: not a document of ours")
    return document
