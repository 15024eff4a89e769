"""ONE table of what a record can be asked for: the fields of `analyze --where` and of `runs query` alike.

Times in seconds, as in every document; None where the record can't say.
"""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from llm_latency_lens.metrics.definitions import METRICS
from llm_latency_lens.model.record import Record
from llm_latency_lens.units import NS_PER_S

Kind = Literal["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN"]
Value = str | int | float | bool | None


class Field(Struct, frozen=True):
    """A name, its SQL type, what it means, and how it is read."""

    name: str
    kind: Kind
    meaning: str
    of: Callable[[Record], Value]


def _reused(record: Record) -> bool | None:
    return record.connection.reused if record.connection is not None else None


def _intended(record: Record) -> float:
    return record.intended / NS_PER_S


FIELDS: tuple[Field, ...] = (
    Field("number", "BIGINT", "number of the request in its phase", lambda r: r.number),
    Field("phase", "VARCHAR", "warmup or measure", lambda r: r.phase),
    Field("worker", "BIGINT", "measuring process", lambda r: r.worker),
    Field("arm", "BIGINT", "number of the target in a comparison", lambda r: r.arm),
    Field("target", "VARCHAR", "provider:model as asked for", lambda r: r.target),
    Field("provider", "VARCHAR", "before the first colon", lambda r: r.target.partition(":")[0]),
    Field("model", "VARCHAR", "after the first colon", lambda r: r.target.partition(":")[2]),
    Field("answered", "VARCHAR", "the model that the answer names", lambda r: r.model),
    Field("fingerprint", "VARCHAR", "the server's fingerprint", lambda r: r.fingerprint),
    Field("intended", "DOUBLE", "intended start, monotonic seconds", _intended),
    Field("outcome", "VARCHAR", "one of the closed set", lambda r: r.outcome.kind.value),
    Field("cause", "VARCHAR", "finer than the outcome", lambda r: r.outcome.cause or None),
    Field("status", "BIGINT", "HTTP status", lambda r: r.outcome.status),
    Field("finish_reason", "VARCHAR", "as the server says", lambda r: r.finish_reason),
    Field("first_kind", "VARCHAR", "text, reasoning or tool", lambda r: r.first_kind),
    Field("via", "VARCHAR", "intermediary that a header names", lambda r: r.via),
    Field("reused", "BOOLEAN", "whether the connection was kept from before", _reused),
    Field("stamps", "VARCHAR", "kernel, user or mixed", lambda r: r.stamps),
    Field("retry", "BIGINT", "attempts at the same request before this one", lambda r: r.retry),
    Field("superseded", "BOOLEAN", "whether another attempt followed", lambda r: r.superseded),
    Field("input_tokens", "BIGINT", "input tokens", lambda r: r.tokens.input),
    Field("output_tokens", "BIGINT", "output tokens", lambda r: r.tokens.output),
    Field("reasoning_tokens", "BIGINT", "of them reasoning", lambda r: r.tokens.reasoning),
    Field("cached_tokens", "BIGINT", "input tokens from a cache", lambda r: r.tokens.cached),
    Field("token_source", "VARCHAR", "who counted the output", lambda r: r.tokens.source),
    Field("cost", "DOUBLE", "US dollars", lambda r: float(r.cost.total) if r.cost else None),
    *(Field(m.name, "DOUBLE", f"{m.meaning} ({m.unit})", m.of) for m in METRICS),
)
BY_NAME = {field.name: field for field in FIELDS}
