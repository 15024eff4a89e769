"""What a run cost: a fold over charges. What is unknown is counted, never taken for nothing."""

from decimal import Decimal

from llm_latency_lens.model.record import OutcomeKind, Record
from llm_latency_lens.model.result import Cost
from llm_latency_lens.stats.beta import student_t_quantile

_PARTS = ("input", "cached", "cache_write", "output", "reasoning", "request")
_FREE = frozenset({OutcomeKind.ERROR_CONNECT, OutcomeKind.ERROR_HTTP, OutcomeKind.NOT_SENT})
"""Outcomes that no provider charges for."""


class Spending:
    """Add every record of a run, warm-up too: it is paid for like the rest."""

    def __init__(self) -> None:
        self.total = Decimal(0)
        self.priced = 0
        self.unknown = 0
        self.estimated = 0
        self._warmup = Decimal(0)
        self._squares = Decimal(0)
        self._parts = dict.fromkeys(_PARTS, Decimal(0))

    def add(self, record: Record) -> None:
        """Take one record."""
        charge = record.cost
        if charge is None:
            if record.outcome.kind not in _FREE:
                self.unknown += 1
            return
        self.priced += 1
        self.estimated += charge.estimated
        self.total += charge.total
        self._squares += charge.total**2
        if record.phase != "measure":
            self._warmup += charge.total
        for name in _PARTS:
            self._parts[name] += getattr(charge, name)

    def cost(self, good: int, price: dict[str, object] | None, why_unknown: str) -> Cost:
        """The cost of the run; per thousand of `good` requests."""
        known = self.priced > 0
        measured = self.total - self._warmup
        return Cost(
            total=str(self.total) if known else None,
            parts={name: str(part) for name, part in self._parts.items()} if known else {},
            warmup=str(self._warmup),
            mean=str(self.total / self.priced) if known else None,
            mean_interval=self._mean_interval(),
            per_thousand_good=str(measured / good * 1000) if known and good else None,
            priced=self.priced,
            unknown=self.unknown,
            estimated=self.estimated,
            price=price,
            note="" if price is not None else why_unknown,
        )

    def _mean_interval(self) -> tuple[str, str] | None:
        """Student's interval of the mean; None for a single request."""
        n = self.priced
        if n < 2:
            return None
        mean = self.total / n
        variance = max(self._squares / n - mean**2, Decimal(0)) / (n - 1)
        reach = Decimal(student_t_quantile(0.975, n - 1)) * variance.sqrt()
        return str(mean - reach), str(mean + reach)
