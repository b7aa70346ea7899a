"""Library `cel.lib.ext.sets`: lists taken for sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.cel.costs import MOST, ONE, CallEstimate, Estimator, Node, afford
from pilothouse.cel.declarations import Cost, Estimate, Function, Library, Overload
from pilothouse.cel.types import BOOL, list_of, parameter
from pilothouse.cel.values import equal, size_of

ITEMS = list_of(parameter("T"))


def contains(container: Sequence[Any], contained: Sequence[Any]) -> bool:
    """`sets.contains(a, b)`: whether each item of b is equal to one of a."""
    afford(len(container) * len(contained))
    return all(any(equal(item, candidate) for candidate in container) for item in contained)


def equivalent(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """`sets.equivalent(a, b)`: whether each contains the other."""
    afford(2 * len(left) * len(right))
    return contains(left, right) and contains(right, left)


def intersects(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """`sets.intersects(a, b)`: whether they share an item."""
    afford(len(left) * len(right))
    return any(equal(item, candidate) for item in left for candidate in right)


def _cost(factor: int) -> Cost:
    def cost(arguments: Sequence[Any], result: Any) -> int:
        return min(1 + size_of(arguments[0]) * size_of(arguments[1]) * factor, MOST)

    return cost


def _estimate(factor: int) -> Estimate:
    def estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
        if len(arguments) != 2:
            return None
        pairs = estimator.size(arguments[0]).multiplied(estimator.size(arguments[1]))
        return CallEstimate(pairs.scaled(factor).plus(ONE))

    return estimate


def _function(name: str, factor: int, call: Callable[[Sequence[Any], Sequence[Any]], bool]) -> Function:
    overload = Overload(f"list_sets_{name}_list", (ITEMS, ITEMS), BOOL, call)
    return Function(f"sets.{name}", (overload,), _cost(factor), _estimate(factor))


LIBRARY = Library(
    "cel.lib.ext.sets",
    since=29,
    functions=(_function("contains", 1, contains), _function("equivalent", 2, equivalent), _function("intersects", 1, intersects)),
)
