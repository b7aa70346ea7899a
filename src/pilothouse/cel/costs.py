"""cel-go's cost units, and ranges of them for estimates.

A `Range` is an estimate from `least` to `most` of a size or a cost; sums and products stop at 64 bits instead of overflowing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pilothouse.cel.errors import CostLimitExceeded
from pilothouse.cel.limits import PER_CALL_LIMIT
from pilothouse.cel.types import BYTES_KIND, STRING_KIND, Type
from pilothouse.cel.values import size_of
from pilothouse.cel.work import spend

MOST = (1 << 64) - 1
SELECT_OR_IDENTIFIER, CONSTANT = 1, 0
LIST_CREATION, MAP_CREATION, STRUCT_CREATION = 10, 30, 40
STRING_TRAVERSAL = 0.1
"""Per character of a text that is gone through once."""
REGEX_LENGTH = 0.25
"""Per character of a regular expression, times the cost of the text."""


def scaled(size: int, factor: float) -> int:
    """A size times a factor, rounded up, at most 64 bits."""
    return min(math.ceil(size * 1.0 * factor), MOST)


class Range(NamedTuple):
    """A range from `least` to `most`, both unsigned 64-bit."""

    least: int
    most: int

    def plus(self, other: Range) -> Range:
        """Sum, end by end."""
        return Range(min(self.least + other.least, MOST), min(self.most + other.most, MOST))

    def multiplied(self, other: Range) -> Range:
        """Product, end by end."""
        return Range(min(self.least * other.least, MOST), min(self.most * other.most, MOST))

    def scaled(self, factor: float) -> Range:
        """Product with a factor, rounded up."""
        return Range(scaled(self.least, factor), scaled(self.most, factor))

    def united(self, other: Range) -> Range:
        """The least range that holds both."""
        return Range(min(self.least, other.least), max(self.most, other.most))


def fixed(value: int) -> Range:
    """A range of one value."""
    return Range(value, value)


UNKNOWN = Range(0, MOST)
ONE = Range(1, 1)


class CallEstimate(NamedTuple):
    """Estimated cost of a call, and the size of its result if known."""

    cost: Range
    result_size: Range | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """An argument or target as an estimate sees it.

    `path` leads from a variable through fields, `@items`, `@keys`, `@values` to the value; empty where there is none.
    `constant` is the value of a literal; `is_constant` tells it from a literal null.
    """

    path: tuple[str, ...]
    type: Type
    computed_size: Range | None = None
    constant: Any = None
    is_constant: bool = False


class SizeEstimator(Protocol):
    """Knows sizes that an expression does not show, from a schema."""

    def estimate_size(self, node: Node) -> Range | None:
        """The size of a value at a path, None where nothing is known."""


class Estimator(Protocol):
    """Arguments for estimating a call."""

    def size(self, node: Node) -> Range:
        """The size of a value; `UNKNOWN` where nothing is known."""


def nominal(arguments: Sequence[Any], result: Any) -> int:
    """A run-time cost of 1."""
    return 1


def nominal_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate:
    """An estimated cost of 1."""
    return CallEstimate(ONE)


def traversal(arguments: Sequence[Any], result: Any) -> int:
    """A run-time cost of going through the first argument once."""
    return math.ceil(size_of(arguments[0]) * STRING_TRAVERSAL)


def double_traversal(arguments: Sequence[Any], result: Any) -> int:
    """A run-time cost of going through the first argument and writing it again."""
    return math.ceil(size_of(arguments[0]) * 2 * STRING_TRAVERSAL)


def argument_traversal_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """An estimated cost of going through the first argument of a global call once."""
    return CallEstimate(estimator.size(arguments[0]).scaled(STRING_TRAVERSAL)) if arguments else None


def target_traversal_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """An estimated cost of going through the target once; the result is at most as large."""
    if target is None:
        return None
    size = estimator.size(target)
    return CallEstimate(size.scaled(STRING_TRAVERSAL), size)


def element_node(node: Node) -> Node | None:
    """The items of a list (the keys of a map, as upstream has it) as an estimate sees them."""
    if not node.type.parameters:
        return None
    return Node((*node.path, "@items") if node.path else (), node.type.parameters[0])


def tree_size(value: Any) -> int:
    """Cost of going through a value and all in it: 1 for a scalar, a tenth of the octets of a text."""
    if isinstance(value, str):
        return int(len(value.encode(errors="surrogatepass")) * STRING_TRAVERSAL)
    if isinstance(value, bytes):
        return int(len(value) * STRING_TRAVERSAL)
    if isinstance(value, list | dict):
        spend(len(value))
    if isinstance(value, list):
        return sum(map(tree_size, value))
    if isinstance(value, dict):
        return sum(tree_size(key) + tree_size(item) for key, item in value.items())
    return 1


def search_cost(arguments: Sequence[Any], result: Any) -> int:
    """One traversal of the receiver and its elements; for `indexOf` and `lastIndexOf` of strings too."""
    return tree_size(arguments[0])


def search_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """One comparison for each element; string elements add their traversal. A string costs one traversal."""
    if target is None:
        return None
    size = estimator.size(target)
    item = element_node(target)
    if item is None:
        return CallEstimate(size.scaled(STRING_TRAVERSAL))
    cost = ONE
    if item.type.kind in (STRING_KIND, BYTES_KIND):
        cost = cost.plus(estimator.size(item).scaled(STRING_TRAVERSAL))
    return CallEstimate(size.multiplied(cost))


LARGEST_TEXT = 64 << 20
"""Characters of a text that a call may make. Upstream has no such bound where costs do not count the result."""


def afford(cost: float) -> None:
    """End a call whose cost no evaluation can pay, before it takes time and memory."""
    if cost > PER_CALL_LIMIT:
        raise CostLimitExceeded


def afford_text(characters: int) -> None:
    """End a call that would make a text too large for this process."""
    if characters > LARGEST_TEXT:
        raise CostLimitExceeded
