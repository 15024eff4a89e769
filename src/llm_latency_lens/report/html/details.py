"""What the plots need of a run's records, as columns; a fold, so that nothing else is kept of them."""

from array import array

import numpy as np
from numpy.typing import NDArray

from llm_latency_lens.metrics.definitions import BY_NAME
from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.units import NS_PER_S

Floats = NDArray[np.float64]

MAP_ROWS, MAP_COLUMNS = 60, 80
_METRICS = ("ttft", "ttft_from_intended", "tpot", "e2e")
PHASES = ("dns", "tcp", "tls", "wait", "to first token", "streaming")
"""From begin to end of one request, each a stretch of it."""


class Details:
    """Add the measured records; times are seconds from the first intended start."""

    def __init__(self) -> None:
        self._origin: int | None = None
        self._columns = {name: array("d") for name in ("intended", "sent", "ended", *_METRICS)}
        self._ok = array("b")
        self._reused = array("b")
        self._phases = {name: array("d") for name in PHASES}
        self._tokens = array("d")
        self._weights = array("d")
        self._gaps: list[tuple[float, Floats, Floats]] = []

    def add(self, record: Record) -> None:
        """Take one record; warm-up and attempts that were superseded are left out."""
        if record.phase != "measure" or record.superseded:
            return
        if self._origin is None:
            self._origin = record.intended
        ok, sent = record.outcome.kind is OutcomeKind.OK, record.marks.sent
        values = {
            "intended": self._since(record.intended),
            "sent": self._since(sent),
            "ended": self._since(record.marks.ended),
            **{name: _value(name, record) if ok else np.nan for name in _METRICS},
        }
        for name, value in values.items():
            self._columns[name].append(value)
        self._ok.append(ok)
        self._reused.append(bool(record.connection and record.connection.reused))
        for name, value in zip(PHASES, _phases(record), strict=True):
            self._phases[name].append(value)
        if ok and sent is not None and record.arrivals:
            self._add_arrivals(record, sent)

    def _add_arrivals(self, record: Record, sent: int) -> None:
        arrivals = np.array(record.arrivals, np.float64) / NS_PER_S
        self._tokens.frombytes((arrivals + self._since(sent)).tobytes())
        self._weights.frombytes(np.array(record.arrival_events, np.float64).tobytes())
        if len(arrivals) > 1:
            self._gaps.append((self._since(sent), arrivals[1:], np.diff(arrivals)))

    def _since(self, instant: int | None) -> float:
        return float("nan") if instant is None else (instant - (self._origin or 0)) / NS_PER_S

    def column(self, name: str) -> Floats:
        """One value for each request, NaN where it has none."""
        return np.frombuffer(self._columns[name], np.float64)

    def values(self, name: str) -> Floats:
        """The values that are there, ascending."""
        column = self.column(name)
        return np.sort(column[~np.isnan(column)])

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Whether each request succeeded."""
        found: NDArray[np.bool_] = np.frombuffer(self._ok, np.int8) == 1
        return found

    def phase_medians(self, *, reused: bool) -> dict[str, float]:
        """The median length of each phase (s) of requests on kept, or on new connections; succeeded ones."""
        chosen = self.ok & ((np.frombuffer(self._reused, np.int8) == 1) == reused)
        if not chosen.any():
            return {}
        columns = {name: np.frombuffer(self._phases[name], np.float64)[chosen] for name in PHASES}
        return {
            name: float(np.nanmedian(column)) if not np.isnan(column).all() else 0.0
            for name, column in columns.items()
        }

    def token_rate(self, bins: int = 120) -> tuple[Floats, Floats]:
        """Token events per second over time: instants and rates."""
        times = np.frombuffer(self._tokens, np.float64)
        if not len(times):
            return np.empty(0), np.empty(0)
        counts, edges = np.histogram(times, bins, weights=np.frombuffer(self._weights, np.float64))
        width = max(float(edges[1] - edges[0]), 1e-9)
        return (edges[:-1] + edges[1:]) / 2.0, counts / width

    def in_flight(self) -> tuple[Floats, Floats]:
        """Requests under way over time, as steps."""
        starts, ends = self.column("sent"), self.column("ended")
        known = ~np.isnan(starts)
        instants = np.concatenate([starts[known], ends[known]])
        steps = np.concatenate([np.ones(known.sum()), -np.ones(known.sum())])
        order = np.lexsort((steps, instants))
        return instants[order], np.cumsum(steps[order])

    def gap_map(self) -> tuple[Floats, float, float] | None:
        """The longest gap (s) by request (rows, in order of start) and time since it was sent (columns).

        With the span of the columns (s) and the number of requests a row stands for; None without gaps.
        """
        if not self._gaps:
            return None
        ordered = sorted(self._gaps, key=lambda one: one[0])
        span = max(float(at[-1]) for _, at, _ in ordered)
        rows = min(MAP_ROWS, len(ordered))
        found = np.zeros((rows, MAP_COLUMNS))
        for number, (_, at, gaps) in enumerate(ordered):
            places = np.minimum((at / span * MAP_COLUMNS).astype(np.int64), MAP_COLUMNS - 1)
            np.maximum.at(found[number * rows // len(ordered)], places, gaps)
        return found, span, len(ordered) / rows


def _between(begin: int | None, end: int | None) -> float:
    return float("nan") if begin is None or end is None else (end - begin) / NS_PER_S


def _value(name: str, record: Record) -> float:
    value = BY_NAME[name].of(record)
    return float("nan") if value is None else value


def _phases(record: Record) -> tuple[float, ...]:
    m = record.marks
    return (
        _between(m.dns_begin, m.dns_end),
        _between(m.tcp_begin, m.tcp_end),
        _between(m.tls_begin, m.tls_end),
        _between(m.sent, record.first_byte),
        _between(record.first_byte, record.first_token),
        _between(record.first_token, record.last_token),
    )
