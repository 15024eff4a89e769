"""Records as a run would have made them, drawn from seeded distributions: no sockets, no time."""

import random
from collections.abc import Callable
from typing import Any

import msgspec

from llm_latency_lens.model.record import Outcome, OutcomeKind, Record, TokenCounts
from llm_latency_lens.model.recording import ConnectionFacts, Marks

MS = 1_000_000


def answered(number: int, sent_ms: float, ttft_ms: float, **more: Any) -> Record:  # noqa: ANN401 - fields of a record
    """A successful request sent at `sent_ms`; `gap_ms` and `tokens` may be given, and any field of a record."""
    gap, tokens = more.pop("gap_ms", 10.0), more.pop("tokens", 8)
    sent = round((1000 + sent_ms) * MS)
    arrivals = tuple(round((ttft_ms + i * gap) * MS) for i in range(tokens))
    ended = sent + arrivals[-1] + MS // 10
    fields: dict[str, Any] = {
        "number": number, "phase": "measure", "worker": 0, "target": "openai:m",
        "intended": sent - MS // 10, "dequeued": sent - MS // 20,
        "marks": Marks(sent=sent, written=sent + MS // 50, head=sent + MS, ended=ended),
        "outcome": Outcome(OutcomeKind.OK, "", 200),
        "first_byte": sent + MS, "first_event": sent + arrivals[0],
        "first_token": sent + arrivals[0], "first_visible": sent + arrivals[0], "last_token": sent + arrivals[-1],
        "first_kind": "text", "arrivals": arrivals, "arrival_events": (1,) * tokens,
        "stamps": "kernel", "late": MS // 20, "model": "m",
        "tokens": TokenCounts(input=7, output=tokens, source="usage", events=tokens),
        "connection": ConnectionFacts(id=1, reused=True, remote="127.0.0.1:1", family="ipv4", rtt=30_000, retransmits=0),
    }  # fmt: skip
    return Record(**{**fields, **more})


def refused(number: int, sent_ms: float, cause: str = "server") -> Record:
    """A request that failed at once."""
    sent = round((1000 + sent_ms) * MS)
    return msgspec.structs.replace(
        answered(number, sent_ms, 1.0),
        outcome=Outcome(OutcomeKind.ERROR_HTTP, cause, 503, "no"),
        marks=Marks(sent=sent, ended=sent + MS),
        first_byte=None,
        first_event=None,
        first_token=None,
        first_visible=None,
        last_token=None,
        arrivals=(),
        arrival_events=(),
        tokens=TokenCounts(),
    )


def interleaved(
    rounds: int, seed: int, ttft: Callable[[random.Random, int, float], float]
) -> list[Record]:
    """Two arms asked in turn: `ttft(rng, arm, progress)` in ms, progress from 0 to 1 over the run."""
    rng, found = random.Random(seed), []
    for turn in range(rounds):
        order = [0, 1]
        rng.shuffle(order)
        for place, arm in enumerate(order):
            number = 2 * turn + place
            value = ttft(rng, arm, turn / rounds)
            found.append(answered(number, number * 400.0, value, arm=arm))
    return found
