"""Conditions that end a run early, such as `error_rate>50%`, and the rules that hold without any.

A target that answers nothing but errors is not measured by asking on. Conditions are on the last
hundred requests of a target, and hold only where chance does not explain what was seen.
"""

import functools
from collections import deque
from collections.abc import Callable

from msgspec import Struct

from llm_latency_lens.criteria.condition import (
    RELATIONS,
    Condition,
    ConditionKind,
    parse_some,
    read_value,
    refusal,
    state_of,
)
from llm_latency_lens.model.record import Outcome, OutcomeKind, Record
from llm_latency_lens.model.result import Abort, Failure
from llm_latency_lens.stats.beta import share_interval
from llm_latency_lens.units import NS_PER_S

ABORT = ConditionKind(name="an abort condition", example="error_rate>50%")
NEVER = "never"
AUTOMATIC = "a dead target"
"""The condition that holds where none was given."""

_IDENTICAL = 5
"""So many first requests that fail alike, for a permanent reason, end a run."""
_IN_A_ROW, _QUIET_NS = 100, 2 * NS_PER_S
"""So many failures in a row do too, where the last success, if any, is so long ago."""
_WINDOW = 100
_CONFIDENCE = 0.999
"""The condition is looked at after every request: a looser one would hold by chance."""

_PERMANENT: dict[OutcomeKind, frozenset[str] | None] = {
    OutcomeKind.ERROR_CONNECT: frozenset(
        {"refused", "dns_failed", "unreachable", "tls_failed", "not_tls", "proxy_failed"}
    ),
    OutcomeKind.ERROR_HTTP: frozenset(
        {"auth", "proxy_auth", "forbidden", "blocked", "not_found", "https_expected"}
        | {"bad_request", "context_length", "redirect", "model_not_found", "quota"}
        | {"too_large", "http2_only"}
    ),
    OutcomeKind.PROTOCOL_ERROR: None,
    OutcomeKind.FILTERED: None,
}
"""Causes that have nothing to do with the load; None means every cause of that kind."""
_SHARES: dict[str, Callable[[Outcome], bool]] = {
    "error_rate": lambda outcome: outcome.kind is not OutcomeKind.OK,
    "success_rate": lambda outcome: outcome.kind is OutcomeKind.OK,
    "rate_limited_rate": lambda outcome: outcome.cause == "rate_limited",
}


def is_permanent(outcome: Outcome) -> bool:
    """Whether neither waiting nor a lower load cures the failure."""
    if outcome.kind not in _PERMANENT:
        return False
    causes = _PERMANENT[outcome.kind]
    return causes is None or outcome.cause in causes


class AbortCondition(Struct, frozen=True, kw_only=True):
    """A share of the last requests, what it must have to the limit, and the limit."""

    text: str
    share: str
    relation: str
    limit: float


class AbortRules(Struct, frozen=True):
    """Conditions, and whether a dead target ends a run without any."""

    conditions: tuple[AbortCondition, ...] = ()
    automatic: bool = True


def parse_abort(text: str) -> AbortRules:
    """Parse `error_rate>50%,rate_limited_rate>=20%` or `never`; "" leaves the automatic rules.

    Raises:
        UsageError: a part is not an abort condition.
    """
    if text.strip() == NEVER:
        return AbortRules(automatic=False)
    if not text.strip():
        return AbortRules()
    return AbortRules(tuple(_condition(condition) for condition in parse_some(text, ABORT)))


def _condition(condition: Condition) -> AbortCondition:
    if condition.quantity not in _SHARES:
        reason = f"it is about {', '.join(_SHARES)}, not {condition.quantity!r}"
        raise refusal(condition.text, ABORT, reason)
    limit = read_value(condition, ABORT, "ratio")
    if not 0.0 <= limit <= 1.0:
        raise refusal(condition.text, ABORT, "a share is between 0% and 100%")
    return AbortCondition(
        text=condition.text, share=condition.quantity, relation=condition.relation, limit=limit
    )


class AbortWatch:
    """Add every record as its request ends; `abort` is there once the run should end."""

    def __init__(self, rules: AbortRules) -> None:
        self.abort: Abort | None = None
        self._rules = rules
        self._targets: dict[int, _Target] = {}

    def add(self, record: Record) -> bool:
        """Take one record; returns whether the run should end."""
        counts = not record.superseded and record.outcome.kind is not OutcomeKind.CANCELLED
        if self.abort is None and counts:
            target = self._targets.setdefault(record.arm, _Target(self._rules))
            self.abort = target.add(record)
        return self.abort is not None


class _Target:
    """What has become of the requests to one target."""

    def __init__(self, rules: AbortRules) -> None:
        self._rules = rules
        self._window: deque[Outcome] = deque(maxlen=_WINDOW)
        self._succeeded: int | None = None
        self._streak = 0
        self._alike = 0
        self._first: Outcome | None = None

    def add(self, record: Record) -> Abort | None:
        outcome = record.outcome
        self._window.append(outcome)
        if outcome.kind is OutcomeKind.OK:
            self._succeeded = max(record.marks.ended, self._succeeded or 0)
            self._streak = self._alike = 0
            self._first = None
        else:
            self._streak += 1
            same = self._first is not None and _kind(self._first) == _kind(outcome)
            self._alike = self._alike + 1 if same else 1
            self._first = self._first if same else outcome
        automatic = self._dead(record) if self._rules.automatic else None
        return automatic or self._broken_condition()

    def _dead(self, record: Record) -> Abort | None:
        """The first requests all failed alike, or a hundred in a row failed."""
        first, outcome = self._succeeded is None, record.outcome
        if first and self._alike == self._streak >= _IDENTICAL and is_permanent(outcome):
            words = f"the first {self._streak} requests all failed alike,"
            return self._abort(AUTOMATIC, words)
        quiet = record.marks.ended - (self._succeeded or 0)
        if self._streak >= _IN_A_ROW and (first or quiet >= _QUIET_NS):
            which = "first" if first else "last"
            return self._abort(
                AUTOMATIC, f"the {which} {self._streak:,} requests all failed, most of them"
            )
        return None

    def _broken_condition(self) -> Abort | None:
        n = len(self._window)
        for condition in self._rules.conditions:
            count = sum(map(_SHARES[condition.share], self._window))
            if not RELATIONS[condition.relation](count / n, condition.limit):
                continue
            if state_of(condition.relation, condition.limit, _interval(count, n)) == "PASS":
                words = f"{condition.share} was {count / n:.0%} over the last {n} requests, mostly"
                return self._abort(condition.text, words)
        return None

    def _abort(self, condition: str, words: str) -> Abort:
        return Abort(condition=condition, words=words, failure=self._most_frequent())

    def _most_frequent(self) -> Failure | None:
        """The most frequent failure of the last requests, with the newest of its kind in words."""
        failed = [outcome for outcome in self._window if outcome.kind is not OutcomeKind.OK]
        if not failed:
            return None
        kinds = [_kind(outcome) for outcome in failed]
        kind = max(kinds, key=kinds.count)
        example = next(outcome for outcome in reversed(failed) if _kind(outcome) == kind)
        return Failure(
            outcome=example.kind.value,
            cause=example.cause,
            count=kinds.count(kind),
            status=example.status,
            example=example.detail,
        )


@functools.lru_cache(maxsize=_WINDOW * _WINDOW)
def _interval(count: int, n: int) -> tuple[float, float]:
    return share_interval(count, n, _CONFIDENCE)


def _kind(outcome: Outcome) -> tuple[str, str, int | None]:
    return outcome.kind.value, outcome.cause, outcome.status
