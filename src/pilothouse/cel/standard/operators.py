"""Operators: arithmetic, order, membership, and the declarations of those that the evaluator computes itself."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.cel import values
from pilothouse.cel.calls import searched
from pilothouse.cel.declarations import Cost, Function, Library, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.ordering import same
from pilothouse.cel.types import BOOL, BYTES, DOUBLE, DURATION, INT, STRING, TIMESTAMP, UINT, Type, list_of, map_of, parameter
from pilothouse.cel.values import (
    Duration,
    Timestamp,
    TypedList,
    Uint,
    checked_duration,
    checked_int,
    checked_timestamp,
    checked_uint,
    size_of,
)
from pilothouse.cel.work import spend

TRAVERSAL = 0.1
A, B = parameter("A"), parameter("B")
_RECEIVERS = frozenset((str, Timestamp, Duration))
"""Types that answer calls by themselves in cel-go; its message names the function only for others."""


def no_overload(function: str, value: Any) -> EvaluationError:
    """cel-go's error when the first operand's type does not support the operation."""
    return EvaluationError("no such overload" if type(value) in _RECEIVERS else f"no such overload: {function}")


def by_type(function: str, table: dict[type, Callable[..., Any]]) -> Callable[..., Any]:
    """An operation chosen by the type of the first operand; it raises EvaluationError for a second one that does not fit."""

    def call(left: Any, *right: Any) -> Any:
        kind = type(left)
        operation = table.get(kind) or table.get(list if isinstance(left, list) else kind)
        if operation is None:
            raise no_overload(function, left)
        return operation(left, *right)

    return call


def _same(kind: type, operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def call(left: Any, right: Any) -> Any:
        if type(right) is not kind:
            raise EvaluationError("no such overload")
        return operation(left, right)

    return call


def add_int(left: int, right: int) -> int:
    """`+` of ints."""
    return checked_int(left + right)


def add_uint(left: int, right: int) -> Uint:
    """`+` of uints."""
    return checked_uint(int.__add__(left, right))


def add_duration(left: Duration, right: Any) -> Any:
    """`+` of a duration and a duration or an instant."""
    if type(right) is Timestamp:
        return checked_timestamp(left.nanoseconds + right.nanoseconds, right.offset_seconds)
    if type(right) is Duration:
        return checked_duration(left.nanoseconds + right.nanoseconds)
    raise EvaluationError("no such overload")


def add_timestamp(left: Timestamp, right: Any) -> Timestamp:
    """`+` of an instant and a duration."""
    if type(right) is not Duration:
        raise EvaluationError("no such overload")
    return checked_timestamp(left.nanoseconds + right.nanoseconds, left.offset_seconds)


def add_list(left: list[Any], right: Any) -> list[Any]:
    """`+` of lists; a list of a schema that is a set or a map list merges."""
    if not isinstance(right, list):
        raise EvaluationError("no such overload")
    spend(len(left) + len(right))
    return left.plus(right) if isinstance(left, TypedList) else left + right


def subtract_timestamp(left: Timestamp, right: Any) -> Any:
    """`-` of an instant and a duration or an instant."""
    if type(right) is Timestamp:
        return checked_duration(left.nanoseconds - right.nanoseconds)
    if type(right) is Duration:
        return checked_timestamp(left.nanoseconds - right.nanoseconds, left.offset_seconds)
    raise EvaluationError("no such overload")


def subtract_duration(left: Duration, right: Duration) -> Duration:
    """`-` of durations."""
    return checked_duration(left.nanoseconds - right.nanoseconds)


def divide_int(left: int, right: int) -> int:
    """`/` of ints, towards zero."""
    if right == 0:
        raise EvaluationError("division by zero")
    quotient = abs(left) // abs(right)
    return checked_int(quotient if (left < 0) == (right < 0) else -quotient)


def divide_uint(left: int, right: int) -> Uint:
    """`/` of uints."""
    if right == 0:
        raise EvaluationError("division by zero")
    return Uint(int.__floordiv__(left, right))


def divide_double(left: float, right: float) -> float:
    """`/` of doubles, by IEEE 754: no error for zero."""
    if right:
        return left / right
    if left != left or right != right or left == 0:
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


def modulo_int(left: int, right: int) -> int:
    """`%` of ints: the sign is that of the left one."""
    if right == 0:
        raise EvaluationError("modulus by zero")
    if left == values.LEAST_INT and right == -1:
        raise EvaluationError("integer overflow")
    remainder = abs(left) % abs(right)
    return -remainder if left < 0 else remainder


def modulo_uint(left: int, right: int) -> Uint:
    """`%` of uints."""
    if right == 0:
        raise EvaluationError("modulus by zero")
    return Uint(int.__mod__(left, right))


def multiply_double(left: float, right: float) -> float:
    """`*` of doubles."""
    return left * right


def not_(value: Any) -> bool:
    """`!`."""
    if type(value) is not bool:
        raise EvaluationError("no such overload")
    return not value


def _identity(value: Any) -> Any:
    return value


def _joined(arguments: Sequence[Any], result: Any) -> int:
    return math.ceil((size_of(arguments[0]) + size_of(arguments[1])) * TRAVERSAL)


def _smaller(arguments: Sequence[Any], result: Any) -> int:
    return math.ceil(min(size_of(arguments[0]), size_of(arguments[1])) * TRAVERSAL)


ADD = by_type(
    "_+_",
    {
        **{int: _same(int, add_int), Uint: _same(Uint, add_uint), float: _same(float, operator.add), str: _same(str, operator.add)},
        **{bytes: _same(bytes, operator.add), list: add_list, Timestamp: add_timestamp, Duration: add_duration},
    },
)
SUBTRACT = by_type(
    "_-_",
    {
        int: _same(int, lambda left, right: checked_int(left - right)),
        Uint: _same(Uint, lambda left, right: checked_uint(int.__sub__(left, right))),
        **{float: _same(float, operator.sub), Timestamp: subtract_timestamp, Duration: _same(Duration, subtract_duration)},
    },
)
MULTIPLY = by_type(
    "_*_",
    {
        int: _same(int, lambda left, right: checked_int(left * right)),
        Uint: _same(Uint, lambda left, right: checked_uint(int.__mul__(left, right))),
        float: _same(float, multiply_double),
    },
)
DIVIDE = by_type("_/_", {int: _same(int, divide_int), Uint: _same(Uint, divide_uint), float: _same(float, divide_double)})
MODULO = by_type("_%_", {int: _same(int, modulo_int), Uint: _same(Uint, modulo_uint)})


def _no_negation(value: Any) -> Any:
    raise EvaluationError("no such overload")


NEGATE = by_type(
    "-_",
    {
        int: lambda value: checked_int(-value),
        float: operator.neg,
        Duration: lambda value: checked_duration(-value.nanoseconds),
        bool: _no_negation,
    },
)


def contained(value: Any, collection: Any) -> bool:
    """`in` a list or among the keys of a map."""
    if isinstance(collection, dict):
        return _is_key(value, collection)
    if isinstance(collection, list):
        return any(same(value, item) for item in collection)
    raise EvaluationError("no such overload")


def _is_key(value: Any, collection: dict[Any, Any]) -> bool:
    try:
        known = value in collection
    except TypeError:
        return False
    return known and (type(value) is not bool or any(key is value for key in collection))


def _arithmetic(name: str, word: str, call: Callable[..., Any], kinds: dict[str, tuple[tuple[Type, ...], Type]]) -> Function:
    costs: dict[str, Cost] = {"string": _joined, "bytes": _joined} if word == "add" else {}
    overloads = [Overload(f"{word}_{kind}", parameters, result, call, cost=costs.get(kind)) for kind, (parameters, result) in kinds.items()]
    return Function(name, tuple(overloads), dynamic=call)


def _of(kinds: dict[str, Type], count: int) -> dict[str, tuple[tuple[Type, ...], Type]]:
    return {kind: ((type_,) * count, type_) for kind, type_ in kinds.items()}


_NUMBERS = {"double": DOUBLE, "int64": INT, "uint64": UINT}
_SUMS: dict[str, tuple[tuple[Type, ...], Type]] = {
    **_of({"bytes": BYTES, "double": DOUBLE}, 2),
    "duration_duration": ((DURATION, DURATION), DURATION),
    "duration_timestamp": ((DURATION, TIMESTAMP), TIMESTAMP),
    "timestamp_duration": ((TIMESTAMP, DURATION), TIMESTAMP),
    **_of({"int64": INT, "list": list_of(A), "string": STRING, "uint64": UINT}, 2),
}
_DIFFERENCES: dict[str, tuple[tuple[Type, ...], Type]] = {
    "double": ((DOUBLE, DOUBLE), DOUBLE),
    "duration_duration": ((DURATION, DURATION), DURATION),
    "int64": ((INT, INT), INT),
    "timestamp_duration": ((TIMESTAMP, DURATION), TIMESTAMP),
    "timestamp_timestamp": ((TIMESTAMP, TIMESTAMP), DURATION),
    "uint64": ((UINT, UINT), UINT),
}
"""In cel-go's order: where several fit, the first one says the type."""
_ORDERED = {
    **{"bool": (BOOL, BOOL), "int64": (INT, INT), "int64_double": (INT, DOUBLE), "int64_uint64": (INT, UINT), "uint64": (UINT, UINT)},
    **{"uint64_double": (UINT, DOUBLE), "uint64_int64": (UINT, INT), "double": (DOUBLE, DOUBLE), "double_int64": (DOUBLE, INT)},
    **{"double_uint64": (DOUBLE, UINT), "string": (STRING, STRING), "bytes": (BYTES, BYTES)},
    **{"timestamp": (TIMESTAMP, TIMESTAMP), "duration": (DURATION, DURATION)},
}
_PLAIN = frozenset(("int64", "uint64", "string", "bytes", "bool", "timestamp", "duration"))
"""Kinds whose values Python orders as CEL does."""


def _order(name: str, word: str, plain: Callable[[Any, Any], bool], decide: Callable[[int], bool]) -> Function:
    def call(left: Any, right: Any) -> bool:
        if left is None or isinstance(left, list | dict) or not _comparable(left):
            raise no_overload(name, left)
        return decide(values.compare(left, right))

    overloads = [
        Overload(
            f"{word}_{kind}",
            parameters,
            BOOL,
            plain if kind in _PLAIN else call,
            cost=_smaller if kind in ("string", "bytes") else None,
        )
        for kind, parameters in _ORDERED.items()
    ]
    return Function(name, tuple(overloads), dynamic=call)


def _comparable(value: Any) -> bool:
    return type(value) in (bool, int, Uint, float, str, bytes, Timestamp, Duration)


def _evaluated(name: str, *overloads: tuple[str, tuple[Type, ...], Type]) -> Function:
    """What the evaluator computes itself."""
    return Function(name, tuple(Overload(id_, parameters, result, None) for id_, parameters, result in overloads))


OPERATORS = Library(
    "operators",
    (
        _evaluated("_?_:_", ("conditional", (BOOL, A, A), A)),
        _evaluated("_&&_", ("logical_and", (BOOL, BOOL), BOOL)),
        _evaluated("_||_", ("logical_or", (BOOL, BOOL), BOOL)),
        _evaluated("_==_", ("equals", (A, A), BOOL)),
        _evaluated("_!=_", ("not_equals", (A, A), BOOL)),
        _evaluated("_[_]", ("index_list", (list_of(A), INT), A), ("index_map", (map_of(A, B), A), B)),
        Function("!_", (Overload("logical_not", (BOOL,), BOOL, not_),), dynamic=not_),
        Function("@not_strictly_false", (Overload("not_strictly_false", (BOOL,), BOOL, _identity, strict=False),)),
        _arithmetic("_+_", "add", ADD, _SUMS),
        _arithmetic("_-_", "subtract", SUBTRACT, _DIFFERENCES),
        _arithmetic("_*_", "multiply", MULTIPLY, _of(_NUMBERS, 2)),
        _arithmetic("_/_", "divide", DIVIDE, _of(_NUMBERS, 2)),
        _arithmetic("_%_", "modulo", MODULO, _of({"int64": INT, "uint64": UINT}, 2)),
        _arithmetic("-_", "negate", NEGATE, _of({"double": DOUBLE, "int64": INT}, 1)),
        _order("_<_", "less", operator.lt, lambda order: order < 0),
        _order("_<=_", "less_equals", operator.le, lambda order: order <= 0),
        _order("_>_", "greater", operator.gt, lambda order: order > 0),
        _order("_>=_", "greater_equals", operator.ge, lambda order: order >= 0),
        Function(
            "@in",
            (
                Overload("in_list", (A, list_of(A)), BOOL, contained, cost=searched),
                Overload("in_map", (A, map_of(A, B)), BOOL, contained),
            ),
            dynamic=contained,
        ),
    ),
)
