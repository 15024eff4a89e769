"""Filters over records, such as `provider == "openai" and ttft > 500ms`: a small language, and a safe one.

Written like Python's comparisons, with units on numbers; read by Python's parser, run by none of it: each
kind of node that may occur has a row here, and nothing else does. What a record can't say matches nothing.
"""

import ast
import operator
import re
from collections.abc import Callable

from llm_latency_lens.errors import UsageError, did_you_mean
from llm_latency_lens.metrics.columns import BY_NAME, Value
from llm_latency_lens.model.record import Record
from llm_latency_lens.units import NS_PER_S, parse_duration

Test = Callable[[Record], bool]
Read = Callable[[Record], "Value | tuple[Value, ...]"]

_STRING_OR_TIME = re.compile(
    r"""("[^"]*"|'[^']*')|(?<![\w.])(\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))\b"""
)
_EXAMPLE = "write it like 'provider == \"openai\" and ttft > 500ms'"


def parse_where(text: str) -> Test:
    """Parse a filter.

    Raises:
        UsageError: not a filter, or an unknown field (with the nearest name).
    """
    try:
        tree = ast.parse(_STRING_OR_TIME.sub(_in_seconds, text.strip()), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UsageError(f"--where {text!r} is not a filter; {_EXAMPLE}") from None
    return _test(tree.body, text)


def _in_seconds(match: re.Match[str]) -> str:
    return match[1] if match[1] is not None else repr(parse_duration(match[2]) / NS_PER_S)


def _test(node: ast.expr, text: str) -> Test:
    build = _TESTS.get(type(node))
    if build is None:
        raise UsageError(f"--where {text!r}: {ast.unparse(node)!r} is no condition; {_EXAMPLE}")
    return build(node, text)


def _both(node: ast.BoolOp, text: str) -> Test:
    tests = [_test(value, text) for value in node.values]
    if isinstance(node.op, ast.And):
        return lambda record: all(test(record) for test in tests)
    return lambda record: any(test(record) for test in tests)


def _not(node: ast.UnaryOp, text: str) -> Test:
    if not isinstance(node.op, ast.Not):
        raise UsageError(f"--where {text!r}: {ast.unparse(node)!r} is no condition; {_EXAMPLE}")
    inner = _test(node.operand, text)
    return lambda record: not inner(record)


def _compare(node: ast.Compare, text: str) -> Test:
    sides = [_read(side, text) for side in (node.left, *node.comparators)]
    known = [_COMPARISONS.get(type(op)) for op in node.ops]
    if None in known:
        raise UsageError(f"--where {text!r}: use == != < <= > >= in, and, or, not")
    steps = [(sides[i], op, sides[i + 1]) for i, op in enumerate(known) if op is not None]

    def test(record: Record) -> bool:
        return all(_holds(op, left(record), right(record)) for left, op, right in steps)

    return test


def _holds(compare: Callable[..., bool], left: object, right: object) -> bool:
    if left is None or right is None:
        return False
    try:
        return bool(compare(left, right))
    except TypeError:
        # A text against a number: never alike, and neither is more than the other.
        return compare is operator.ne


def _flag(node: ast.Name, text: str) -> Test:
    read = _field(node, text)
    return lambda record: read(record) is True


def _read(node: ast.expr, text: str) -> Read:
    build = _READS.get(type(node))
    if build is None:
        raise UsageError(f"--where {text!r}: {ast.unparse(node)!r} is no value; {_EXAMPLE}")
    return build(node, text)


def _field(node: ast.Name, text: str) -> Read:
    field = BY_NAME.get(node.id)
    if field is None:
        hint = did_you_mean(node.id, BY_NAME)
        raise UsageError(f"--where {text!r}: unknown field {node.id!r}; {hint}")
    return field.of


def _constant(node: ast.Constant, text: str) -> Read:
    value = node.value
    if not isinstance(value, str | int | float | bool):
        raise UsageError(f"--where {text!r}: {ast.unparse(node)!r} is no value; {_EXAMPLE}")
    return lambda _: value


def _several(node: ast.Tuple | ast.List, text: str) -> Read:
    if not all(isinstance(one, ast.Constant) for one in node.elts):
        raise UsageError(f"--where {text!r}: a list holds plain values")
    values = tuple(one.value for one in node.elts if isinstance(one, ast.Constant))
    return lambda _: values  # type: ignore[return-value]  # constants of the language's own kinds


_COMPARISONS: dict[type[ast.cmpop], Callable[..., bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, several: value in several,
    ast.NotIn: lambda value, several: value not in several,
}
_TESTS: dict[type[ast.expr], Callable[..., Test]] = {
    ast.BoolOp: _both,
    ast.UnaryOp: _not,
    ast.Compare: _compare,
    ast.Name: _flag,
}
_READS: dict[type[ast.expr], Callable[..., Read]] = {
    ast.Name: _field,
    ast.Constant: _constant,
    ast.Tuple: _several,
    ast.List: _several,
}
