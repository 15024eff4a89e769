"""What a run cost: a fold over charges. What is unknown is counted, never taken for nothing."""

from collections import Counter
from decimal import Decimal

from llm_latency_lens.cost.billable import may_be_billed
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.result import Bill, Cost
from llm_latency_lens.stats.beta import student_t_quantile

_PARTS = ("input", "cached", "cache_write", "output", "reasoning", "audio", "request")


_MOST_TIERS, _OTHER_TIER = 16, "others"
"""No provider has as many; a server that names more does not fill the memory with names."""


class Spending:
    """Add every record of a run, warm-up too: it is paid for like the rest."""

    def __init__(self) -> None:
        self.total = Decimal(0)
        self.priced = 0
        self.unknown = 0
        self.estimated = 0
        self.tiers: Counter[str] = Counter()
        self.priced_as: Counter[str] = Counter()
        self._billed = 0
        self._compared = 0
        self._bill = self._bill_compared = self._own = Decimal(0)
        self._warmup = Decimal(0)
        self._squares = Decimal(0)
        self._parts = dict.fromkeys(_PARTS, Decimal(0))

    def add(self, record: Record) -> None:
        """Take one record."""
        charge = record.cost
        if record.service_tier is not None:
            known = record.service_tier in self.tiers or len(self.tiers) < _MOST_TIERS
            self.tiers[record.service_tier if known else _OTHER_TIER] += 1
        if record.charged is not None:
            self._add_bill(record, record.charged)
        if charge is None:
            self.unknown += may_be_billed(record.marks, record.outcome.status)
            return
        self.priced += 1
        self.estimated += charge.estimated
        self.total += charge.total
        self._squares += charge.total**2
        if charge.model is not None:
            self.priced_as[charge.model] += 1
        if record.phase != "measure":
            self._warmup += charge.total
        for name in _PARTS:
            self._parts[name] += getattr(charge, name)

    def _add_bill(self, record: Record, charged: Decimal) -> None:
        """Take what the server charged; it is compared where there is a charge of ours."""
        self._billed += 1
        self._bill += charged
        if record.cost is not None:
            self._compared += 1
            self._bill_compared += charged
            self._own += record.cost.total

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
            note="" if price is not None or known else why_unknown,
            bill=self._bill_of_server(),
            service_tiers=dict(self.tiers),
            priced_as=dict(self.priced_as),
        )

    def _bill_of_server(self) -> Bill | None:
        if not self._billed:
            return None
        return Bill(
            total=str(self._bill),
            requests=self._billed,
            compared=self._compared,
            compared_total=str(self._bill_compared),
            own_total=str(self._own),
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
