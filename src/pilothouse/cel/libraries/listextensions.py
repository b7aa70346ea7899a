"""Library `cel.lib.ext.lists` in version 3: slice, flatten, sort, sortBy, range, reverse, distinct, with costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cmp_to_key
from typing import Any

from pilothouse.cel import macros
from pilothouse.cel.costs import (
    LIST_CREATION,
    MOST,
    ONE,
    STRING_TRAVERSAL,
    CallEstimate,
    Estimator,
    Node,
    Range,
    afford,
    fixed,
)
from pilothouse.cel.declarations import Cost, Estimate, Function, Library, Macro, MacroError, Overload
from pilothouse.cel.errors import EvaluationError, InternalError
from pilothouse.cel.macros import Factory
from pilothouse.cel.ordering import ORDERED, ORDERED_CLASSES, order, same
from pilothouse.cel.syntax import Expression, Literal, MapLiteral, StructLiteral
from pilothouse.cel.types import BYTES, DYN, INT, STRING, Type, list_of, parameter
from pilothouse.cel.values import Duration, Timestamp, Uint, go_name, size_of, type_name
from pilothouse.cel.work import spend

ITEMS = list_of(parameter("T"))
LONGEST_RANGE = 1_000_000
GO_ADDABLE = (int, Uint, float, str, bytes, Timestamp, Duration)
SORT_BY = "@sortByAssociatedKeys"
SORT_INPUT = "@__sortBy_input__"


def cut(items: Sequence[Any], start: int, end: int) -> list[Any]:
    """`slice(start, end)`."""
    called = f"cannot slice({start}, {end})"
    if start < 0 or end < 0:
        raise EvaluationError(f"{called}, negative indexes not supported")
    if start > end:
        raise EvaluationError(f"{called}, start index must be less than or equal to end index")
    if end > len(items):
        raise EvaluationError(f"{called}, list is length {len(items)}")
    return list(items[start:end])


def flatten(items: Sequence[Any], depth: int = 1) -> list[Any]:
    """`flatten()` and `flatten(depth)`."""
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    flat = list(items)
    while depth and any(isinstance(item, list) for item in flat):
        spend(sum(len(item) if isinstance(item, list) else 1 for item in flat))
        flat = [inner for item in flat for inner in (item if isinstance(item, list) else (item,))]
        depth -= 1
    return flat


def number_range(size: int) -> list[int]:
    """`lists.range(size)`."""
    if size < 0:
        raise EvaluationError(f"lists.range: size must be non-negative, got {size}")
    if size > LONGEST_RANGE:
        raise EvaluationError(f"lists.range: size {size} exceeds maximum allowed ({LONGEST_RANGE})")
    afford(size + 1 + LIST_CREATION)
    return list(range(size))


def distinct(items: Sequence[Any]) -> list[Any]:
    """`distinct()`: the first of each group of equal items."""
    afford(2 * len(items) ** 2)
    unique: list[Any] = []
    for item in items:
        if not any(same(item, other) for other in unique):
            unique.append(item)
    return unique


def sort(items: Sequence[Any]) -> Sequence[Any]:
    """`sort()`."""
    return sort_by(items, items)


def sort_by(items: Sequence[Any], keys: Sequence[Any]) -> Sequence[Any]:
    """Implementation of `sortBy`: elements in the order of their keys. Equal keys keep their order, which upstream does not guarantee."""
    if len(items) != len(keys):
        sizes = f"but got {len(items)} and {len(keys)} elements respectively"
        raise EvaluationError(f"{SORT_BY}() expected a list of the same size as the associated keys list, {sizes}")
    if not items:
        return items
    if type(keys[0]) not in ORDERED_CLASSES:
        raise EvaluationError("list elements must be comparable")
    if len(keys) > 1 and len({type_name(key) for key in keys}) > 1:
        raise EvaluationError("list elements must have the same type")

    def compare(left: int, right: int) -> int:
        return order(keys[left], keys[right])

    positions = sorted(range(len(keys)), key=cmp_to_key(compare))
    return [items[position] for position in positions]


def _sort_by_macro(factory: Factory, target: Expression, arguments: list[Expression]) -> Expression:
    """`list.sortBy(e, key)`: binds the list, maps it to keys, sorts it by them."""
    if isinstance(target, Literal | MapLiteral | StructLiteral):
        kinds = "a list, identifier, comprehension, call or select expression"
        raise MacroError(f"sortBy can only be applied to {kinds}", target)
    keys = macros.map_items(factory, factory.identifier(SORT_INPUT), arguments)
    call = factory.member_call(SORT_BY, factory.identifier(SORT_INPUT), keys)
    parts = (target, factory.literal(False), factory.identifier(SORT_INPUT), call)
    return factory.comprehension(factory.list(), (macros.UNUSED, ""), SORT_INPUT, parts)


def _allocation(factor: float, size: Range) -> CallEstimate:
    return CallEstimate(size.scaled(factor).plus(ONE).plus(fixed(LIST_CREATION)), size)


def _number(node: Node, default: int) -> int:
    """The value of a literal int, not below zero; the default for what is none."""
    if not node.is_constant or type(node.constant) is not int:
        return default
    return max(node.constant, 0)


def slice_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """Size from literal indexes, else the whole list. Upstream's subtraction is unsigned 64-bit."""
    if target is None or len(arguments) != 2:
        return None
    end = _number(arguments[1], estimator.size(target).most)
    return _allocation(1, fixed((end - _number(arguments[0], 0)) & MOST))


def range_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """The size where it is a literal."""
    if target is not None or len(arguments) != 1:
        return None
    return _allocation(1, fixed(_number(arguments[0], MOST)))


def reverse_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """One step for each element."""
    return _allocation(1, estimator.size(target)) if target is not None and not arguments else None


def flatten_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """One step for each element and level."""
    if target is None or len(arguments) > 1:
        return None
    depth = _number(arguments[0], MOST) if arguments else 1
    return _allocation(depth * 1.0, estimator.size(target))


def distinct_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """Two steps for each pair of items."""
    return _pairs(estimator.size(target), 2.0) if target is not None and not arguments else None


def _pairs(size: Range, factor: float) -> CallEstimate:
    return _allocation(factor, size.multiplied(size))


def _factor(key: Type) -> float:
    return 2.0 + (STRING_TRAVERSAL if key in (STRING, BYTES) else 0)


def _sort_estimate(key: Type) -> Estimate:
    def estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
        return _pairs(estimator.size(target), _factor(key)) if target is not None and not arguments else None

    return estimate


def _sort_by_estimate(key: Type) -> Estimate:
    def estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
        return _pairs(estimator.size(arguments[0]), _factor(key)) if target is not None and len(arguments) == 1 else None

    return estimate


def result_cost(arguments: Sequence[Any], result: Any) -> int:
    """One step for each element of the result."""
    return size_of(result) + 1 + LIST_CREATION


def flatten_cost(arguments: Sequence[Any], result: Any) -> int:
    """One step for each element and level."""
    if len(arguments) == 2 and type(arguments[1]) is not int:
        given = "*types.Err" if isinstance(arguments[1], EvaluationError) else go_name(arguments[1])
        raise InternalError(f"interface conversion: ref.Val is {given}, not types.Int")
    depth = arguments[1] * 1.0 if len(arguments) == 2 else 1.0
    return _steps(size_of(arguments[0]), depth if depth >= 0 else 1.0)


def _steps(size: int, factor: float) -> int:
    steps = int(size * factor)
    return min((steps if steps <= MOST else 1 << 63) + 1 + LIST_CREATION, MOST)  # how Go converts a float that is too large


def _not_a_list(value: Any) -> str:
    """What Go says of a value that is no list; what can be added has the first of a list's methods."""
    missing = "Contains" if type(value) in GO_ADDABLE else "Add"
    name = "*types.Err" if isinstance(value, EvaluationError) else go_name(value)
    return f"interface conversion: {name} is not traits.Lister: missing method {missing}"


def _comparison_cost(position: int) -> Cost:
    def cost(arguments: Sequence[Any], result: Any) -> int:
        keys = arguments[position]
        if not isinstance(keys, list):
            raise InternalError(_not_a_list(keys))
        factor = 2.0 + (STRING_TRAVERSAL if keys and isinstance(keys[0], str | bytes) else 0)
        return _steps(len(keys) ** 2, factor)

    return cost


def _dynamic_flatten(items: Any, *depth: Any) -> list[Any]:
    if not isinstance(items, list) or any(type(level) is not int for level in depth):
        raise EvaluationError(f"no such overload: {type_name(items)}.flatten({', '.join(map(type_name, depth))})")
    return flatten(items, *depth)


def _dynamic(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """A call whose overload only the values decide: cel-go looks at the receiver alone."""

    def run(items: Any, *keys: Any) -> Any:
        if not isinstance(items, list):
            raise EvaluationError(f"no such overload: {name}")
        return call(items, *keys)

    return run


def _method(
    name: str,
    *overloads: tuple[str, tuple[Type, ...], Type, Callable[..., Any]],
    cost: Cost,
    estimate: Estimate,
    dynamic: Callable[..., Any] | None = None,
) -> Function:
    made = tuple(Overload(id, parameters, result, call, receiver=True) for id, parameters, result, call in overloads)
    return Function(name, made, cost, estimate, dynamic)


def _sorts(name: str, key: Type) -> Overload:
    return Overload(
        *(f"list_{key.name}_sort", (list_of(key),), list_of(key), sort, True),
        *(_comparison_cost(0), _sort_estimate(key)),
    )


def _sorts_by(name: str, key: Type) -> Overload:
    return Overload(
        *(f"list_{key.name}_sortByAssociatedKeys", (ITEMS, list_of(key)), ITEMS, sort_by, True),
        *(_comparison_cost(1), _sort_by_estimate(key)),
    )


LIBRARY = Library(
    "cel.lib.ext.lists",
    since=34,
    functions=(
        _method("slice", ("list_slice", (ITEMS, INT, INT), ITEMS, cut), cost=result_cost, estimate=slice_estimate),
        _method(
            "flatten",
            ("list_flatten", (list_of(ITEMS),), ITEMS, flatten),
            ("list_flatten_int", (list_of(DYN), INT), list_of(DYN), flatten),
            cost=flatten_cost,
            estimate=flatten_estimate,
            dynamic=_dynamic_flatten,
        ),
        Function("sort", tuple(_sorts(name, key) for name, key in ORDERED.items()), dynamic=_dynamic("sort", sort)),
        Function(SORT_BY, tuple(_sorts_by(name, key) for name, key in ORDERED.items()), dynamic=_dynamic(SORT_BY, sort_by)),
        Function("lists.range", (Overload("lists_range", (INT,), list_of(INT), number_range),), result_cost, range_estimate),
        _method("reverse", ("list_reverse", (ITEMS,), ITEMS, lambda items: list(items[::-1])), cost=result_cost, estimate=reverse_estimate),
        _method("distinct", ("list_distinct", (ITEMS,), ITEMS, distinct), cost=_comparison_cost(0), estimate=distinct_estimate),
    ),
    macros=(Macro("sortBy", 2, True, _sort_by_macro),),
)
