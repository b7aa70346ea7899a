"""Library `kubernetes.lists`: `isSorted`, `sum`, `min`, `max`, `indexOf`, `lastIndexOf`, and `includes` from 1.37 on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pilothouse.cel.costs import CallEstimate, Estimator, Node, element_node, search_cost, search_estimate
from pilothouse.cel.declarations import Function, Library, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.ordering import ORDERED, ORDERED_CLASSES, order, same
from pilothouse.cel.types import BOOL, DYN, INT, Type, list_of, parameter
from pilothouse.cel.values import Duration, Uint, checked_duration, checked_int, checked_uint

ITEM = parameter("A")


def _ordered(items: Iterable[Any]) -> Iterable[Any]:
    for item in items:
        if type(item) not in ORDERED_CLASSES:
            raise EvaluationError("no such overload")
        yield item


def is_sorted(items: Sequence[Any]) -> bool:
    """`isSorted()`: whether no item is smaller than the one before."""
    previous: Any = None
    for position, item in enumerate(_ordered(items)):
        if position and order(previous, item) > 0:
            return False
        previous = item
    return True


def _extreme(name: str, sign: int) -> Callable[[Sequence[Any]], Any]:
    def extreme(items: Sequence[Any]) -> Any:
        if not items:
            raise EvaluationError(f"{name} called on empty list")
        extremum, *rest = _ordered(items)
        for item in rest:
            if order(extremum, item) == sign:
                extremum = item
        return extremum

    return extreme


def index_of(items: Sequence[Any], wanted: Any) -> int:
    """`indexOf(item)`: the first index, -1 where there is none."""
    return next((index for index, item in enumerate(items) if same(item, wanted)), -1)


def last_index_of(items: Sequence[Any], wanted: Any) -> int:
    """`lastIndexOf(item)`."""
    return next((index for index in range(len(items) - 1, -1, -1) if same(items[index], wanted)), -1)


def includes(target: Any, wanted: Any) -> bool:
    """`includes(item)`: whether a list has an item, or whether what is no list is equal to it."""
    return any(same(item, wanted) for item in target) if isinstance(target, list) else same(target, wanted)


def _sum(kind: type, zero: Any, plus: Callable[[Any, Any], Any]) -> Callable[[Sequence[Any]], Any]:
    def total(items: Sequence[Any]) -> Any:
        result = zero
        for item in items:
            if type(item) is not kind:
                raise EvaluationError("no such overload")
            result = plus(result, item)
        return result

    return total


SUMS = {
    "int": _sum(int, 0, lambda left, right: checked_int(left + right)),
    "uint": _sum(Uint, Uint(0), lambda left, right: checked_uint(int.__add__(left, right))),
    "double": _sum(float, 0.0, float.__add__),
    "duration": _sum(Duration, Duration(0), lambda left, right: checked_duration(left.nanoseconds + right.nanoseconds)),
}


def includes_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """Estimate as for `indexOf`; a target of unknown type may be a list."""
    if target is None or element_node(target) is not None:
        return search_estimate(estimator, target, arguments)
    return CallEstimate(estimator.size(target))


def _method(name: str, *overloads: tuple[str, tuple[Type, ...], Type, Callable[..., Any]]) -> Function:
    made = tuple(Overload(id, parameters, result, call, receiver=True) for id, parameters, result, call in overloads)
    return Function(name, made, search_cost, search_estimate)


FUNCTIONS = (
    _method("isSorted", *((f"list_{name}_is_sorted_bool", (list_of(item),), BOOL, is_sorted) for name, item in ORDERED.items())),
    _method("sum", *((f"list_{name}_sum_{name}", (list_of(ORDERED[name]),), ORDERED[name], call) for name, call in SUMS.items())),
    _method("max", *((f"list_{name}_max_{name}", (list_of(item),), item, _extreme("max", -1)) for name, item in ORDERED.items())),
    _method("min", *((f"list_{name}_min_{name}", (list_of(item),), item, _extreme("min", 1)) for name, item in ORDERED.items())),
    _method("indexOf", ("list_a_index_of_int", (list_of(ITEM), ITEM), INT, index_of)),
    _method("lastIndexOf", ("list_a_last_index_of_int", (list_of(ITEM), ITEM), INT, last_index_of)),
)
INCLUDES = Function(
    "includes",
    (Overload("list_includes_dyn_dyn", (DYN, DYN), BOOL, includes, receiver=True),),
    search_cost,
    includes_estimate,
)

LIBRARY_0 = Library("kubernetes.lists", functions=FUNCTIONS, until=37)
LIBRARY_1 = Library("kubernetes.lists", functions=(*FUNCTIONS, INCLUDES), since=37)
