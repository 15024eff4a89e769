"""Our numbers beside the truth: what a client measured, what the server's ledger says, the difference."""

from msgspec import Struct


class Spread(Struct, frozen=True):
    """Quantiles of one quantity, in seconds."""

    p50: float
    p90: float
    p99: float
    max: float


class Comparison(Struct, frozen=True):
    """One quantity: as we measured it, as the ledger has it, and the error of single values.

    An error is signed, ours minus the ledger's, and taken value by value before its quantiles are;
    `absolute` is the same without signs.
    """

    name: str
    ours: Spread
    ledger: Spread
    error: Spread
    absolute: Spread
    n: int


class Truth(Struct, frozen=True, kw_only=True):
    """A whole run against the ledger. `lag` is how late the server itself was (s)."""

    comparisons: tuple[Comparison, ...]
    matched: int
    unmatched: int
    tokens_ours: int
    tokens_ledger: int
    lag_p50: float
    lag_p99: float
    lag_max: float
