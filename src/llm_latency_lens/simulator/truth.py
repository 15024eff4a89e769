"""Holds records against the ledger: request by request, token by token.

The server's view begins when the request had arrived there, ours when it was sent; a token's time is
when the server wrote it, ours when it arrived here. What lies between is the loopback and our error.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from llm_latency_lens.metrics.definitions import BY_NAME
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.model.truth import Comparison, Spread, Truth
from llm_latency_lens.simulator.ledger import Entry, Ledger
from llm_latency_lens.units import NS_PER_S


def compare_with_ledger(records: Iterable[Record], ledger: Ledger) -> Truth:
    """Match records to entries by response id and compare TTFT, arrivals, TPOT and end to end."""
    entries = ledger.by_response_id()
    measured = [r for r in records if r.phase == "measure" and r.outcome.kind is OutcomeKind.OK]
    pairs = [(r, entries[r.response_id]) for r in measured if r.response_id in entries]
    columns: dict[str, tuple[list[float], list[float]]] = {
        name: ([], []) for name in ("TTFT", "end to end", "TPOT", "token arrival", "gap")
    }
    for record, entry in pairs:
        for name, (ours, theirs) in _one(record, entry).items():
            columns[name][0].extend(ours)
            columns[name][1].extend(theirs)
    lag = ledger.lag()
    return Truth(
        comparisons=tuple(_compare(name, *both) for name, both in columns.items() if both[0]),
        matched=len(pairs),
        unmatched=len(measured) - len(pairs),
        tokens_ours=sum(record.tokens.events for record, _ in pairs),
        tokens_ledger=sum(entry.output_tokens for _, entry in pairs),
        lag_p50=lag.p50 / NS_PER_S,
        lag_p99=lag.p99 / NS_PER_S,
        lag_max=lag.max / NS_PER_S,
    )


def _one(record: Record, entry: Entry) -> dict[str, tuple[list[float], list[float]]]:
    """Ours and the ledger's values (s) of one request."""
    written = entry.tokens_sent()
    sent = record.marks.sent
    if not written or sent is None or sum(record.arrival_events) != len(written):
        return {}
    ours = [arrival / NS_PER_S for arrival in record.arrivals]
    # A read that carries several tokens has the stamp of its last one.
    last_of_read = np.cumsum(record.arrival_events) - 1
    theirs = [(written[i] - entry.received) / NS_PER_S for i in last_of_read.tolist()]
    found = {
        "TTFT": ([ours[0]], [(written[0] - entry.received) / NS_PER_S]),
        "end to end": ([ours[-1]], [theirs[-1]]),
        "token arrival": (ours, theirs),
    }
    if len(ours) > 1:
        found["gap"] = (np.diff(ours).tolist(), np.diff(theirs).tolist())
    tpot = BY_NAME["tpot"].of(record)
    if tpot is not None and len(written) > 1:
        # Each write carries an equal share of the tokens; the first write's came before the span.
        rest = entry.output_tokens * (1.0 - 1.0 / len(written))
        found["TPOT"] = ([tpot], [(written[-1] - written[0]) / NS_PER_S / rest])
    return found


def _compare(name: str, ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    mine, truth = np.array(ours), np.array(theirs)
    error = mine - truth
    return Comparison(
        name, _spread(mine), _spread(truth), _spread(error), _spread(np.abs(error)), len(mine)
    )


def _spread(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Spread:
    return Spread(*(float(q) for q in np.quantile(values, (0.5, 0.9, 0.99, 1.0))))
