"""The capacity document: the highest load that keeps its objectives, as a bracket with confidence."""

from typing import Any, Literal

from msgspec import Struct

CAPACITY_SCHEMA = "llm-latency-lens/capacity/1"


class CapacityStep(Struct, frozen=True, kw_only=True):
    """One rate that was tried: what was judged, after how many requests, and what was seen (s).

    `again`: the rate had passed before. `words` says why a step that looked good counts as undecided.
    """

    rate: float
    judgement: Literal["pass", "fail", "undecided"]
    requests: int
    again: bool
    ttft_p50: float | None = None
    ttft_p95: float | None = None
    tpot_p50: float | None = None
    ok: int
    words: str = ""


class Capacity(Struct, frozen=True, kw_only=True):
    """The whole document. Between `passed` and `failed` (requests/s) lies the capacity, with `confidence`.

    `passed` is null where no rate passed three times, `failed` where none surely failed. `why` says why
    the search ended.
    """

    run: dict[str, Any]
    objectives: tuple[str, ...]
    passed: float | None
    failed: float | None
    confidence: float
    steps: tuple[CapacityStep, ...]
    why: str
    cost: str | None = None
    schema: str = CAPACITY_SCHEMA
