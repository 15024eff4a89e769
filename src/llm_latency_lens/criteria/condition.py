"""The grammar of conditions: a quantity, a relation and a value, such as `ttft.p95<500ms`.

Five kinds of condition share it: a limit on one request, an objective on a percentile, a threshold
on a result, an allowance over a baseline, and a precision. A kind says which relations it takes.
"""

import operator
import re
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.units import NS_PER_S, parse_duration, parse_money

State = Literal["PASS", "FAIL", "NO VERDICT"]

RELATIONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
WITHIN = ("+-", "±", "+/-")
"""What stands before the width of a precision."""

_CONDITION = re.compile(
    r"(?P<quantity>[a-z0-9_.]+)\s*(?P<relation><=|>=|<|>|\+/-|\+-|±)\s*(?P<value>[^<>=\s].*)",
    re.IGNORECASE | re.ASCII,
)
_NUMBER = r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:e[+-]?[0-9]{1,2})?"
_AMOUNT = re.compile(rf"({_NUMBER})\s*(.*)", re.IGNORECASE | re.ASCII)
_PERCENTILE = re.compile(r"p([0-9]{1,2}(?:[._][0-9])?)", re.ASCII)
_LONGEST = 100
_LONGEST_LIST = 2000


class ConditionKind(Struct, frozen=True, kw_only=True):
    """A kind of condition.

    Attributes:
        name: what it is called, with its article.
        example: one that is right.
        relations: what may stand between its quantity and its value.
    """

    name: str
    example: str
    relations: tuple[str, ...] = tuple(RELATIONS)


class Condition(Struct, frozen=True, kw_only=True):
    """What was written, taken apart.

    Attributes:
        text: the condition without blanks.
        quantity: what is to be held, such as `ttft.p95`.
        relation: one of the kind's relations.
        value: the text to the right of it.
    """

    text: str
    quantity: str
    relation: str
    value: str


def parse_list(text: str, kind: ConditionKind) -> tuple[Condition, ...]:
    """Return the conditions of a list that commas separate; blanks do not matter.

    Raises:
        UsageError: the list is too long, or a part of it is not a condition of this kind.
    """
    if len(text) > _LONGEST_LIST:
        raise UsageError(f"a list of conditions has at most {_LONGEST_LIST:,} characters")
    return tuple(parse_condition(part, kind) for part in text.split(",")) if text.strip() else ()


def parse_some(text: str, kind: ConditionKind) -> tuple[Condition, ...]:
    """Return the conditions of a list that may not be empty.

    Raises:
        UsageError: as `parse_list`, or there is none.
    """
    conditions = parse_list(text, kind)
    if not conditions:
        raise UsageError(f"no {kind.name.split()[-1]}: write it like {kind.example}")
    return conditions


def parse_condition(text: str, kind: ConditionKind) -> Condition:
    """Take one condition apart.

    Raises:
        UsageError: it is not one, or its relation is not one of the kind's.
    """
    stripped = text.strip()
    if not stripped:
        raise refusal("", kind, "a comma has nothing on one of its sides")
    if len(stripped) > _LONGEST:
        raise refusal(f"{stripped[:40]}...", kind, f"it is longer than {_LONGEST} characters")
    match = _CONDITION.fullmatch(stripped)
    if match is None:
        raise refusal(stripped, kind, f"it needs a name, one of {_listed(kind)}, and a value")
    if match["relation"] not in kind.relations:
        raise refusal(stripped, kind, f"use {_listed(kind)} instead of {match['relation']}")
    return Condition(
        text=re.sub(r"\s+", "", stripped),
        quantity=match["quantity"],
        relation=match["relation"],
        value=match["value"],
    )


def refusal(text: str, kind: ConditionKind, reason: str) -> UsageError:
    """Return the error that says what is wrong with a condition, and how one is written."""
    return UsageError(f"{text!r} is not {kind.name}: {reason}; write it like {kind.example}")


def read_percentile(text: str) -> float | None:
    """Return the share that `p95` or `p99.9` stands for; None where it is no percentile above 0."""
    match = _PERCENTILE.fullmatch(text)
    share = float(match[1].replace("_", ".")) / 100.0 if match else 0.0
    return share or None


def read_value(condition: Condition, kind: ConditionKind, unit: str) -> float:
    """Return the condition's value in the base unit.

    Raises:
        UsageError: the unit is missing or wrong, or it is not a number.
    """
    read = _WITH_UNIT.get(unit)
    if read is not None:
        try:
            return read(condition.value)
        except UsageError as error:
            raise UsageError(f"{condition.text!r}: {error}") from None
    match = _AMOUNT.fullmatch(condition.value)
    divisor = _divisors(unit).get(match[2].strip()) if match else None
    if match is None or divisor is None:
        raise refusal(condition.text, kind, f"{condition.value!r} is not a number of {unit}")
    return float(match[1]) / divisor


def read_percent(condition: Condition, kind: ConditionKind) -> float:
    """Return a percentage above 0 as a share.

    Raises:
        UsageError: it is not one.
    """
    match = re.fullmatch(rf"({_NUMBER})\s*%", condition.value, re.IGNORECASE | re.ASCII)
    if match is None or float(match[1]) <= 0.0:
        raise refusal(
            condition.text, kind, f"{condition.value!r} is not a percentage above 0, like 5%"
        )
    return float(match[1]) / 100.0


def state_of(relation: str, limit: float, interval: tuple[float, float]) -> State:
    """PASS where the whole interval meets the relation, FAIL where none of it does."""
    met = [RELATIONS[relation](end, limit) for end in interval]
    if all(met):
        return "PASS"
    return "NO VERDICT" if any(met) else "FAIL"


def _listed(kind: ConditionKind) -> str:
    return f"{', '.join(kind.relations[:-1])} or {kind.relations[-1]}"


def _divisors(unit: str) -> dict[str, float]:
    """What may follow a number of this unit, and what it is then divided by."""
    if unit == "ratio":
        return {"": 1.0, "%": 100.0}
    short = {"/s": 1.0} if unit.endswith("/s") else {}
    return {"": 1.0, unit: 1.0, **short}


_WITH_UNIT: dict[str, Callable[[str], float]] = {
    "s": lambda text: parse_duration(text) / NS_PER_S,
    "USD": lambda text: float(parse_money(text)),
}
"""Units without which a number means nothing."""
