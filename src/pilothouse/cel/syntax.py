"""Expression tree of parser, checker, estimator and evaluator.

Each node has the `id` of cel-go's numbering and its `offset` in the text (code points; the place that messages show). After checking,
`type` is its type and `reference` what it resolved to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pilothouse.cel.declarations import Overload
from pilothouse.cel.types import DYN, Type


@dataclass(frozen=True, slots=True)
class Reference:
    """What the checker resolved: a variable or constant (`name`, `value` where `is_constant`), or the possible overloads."""

    name: str = ""
    is_constant: bool = False
    value: Any = None
    overloads: tuple[Overload, ...] = ()


@dataclass(slots=True, eq=False)
class Expression:
    """A node. `id` is unique in its tree but for what macros use twice."""

    id: int
    offset: int
    type: Type = field(default=DYN, init=False)
    reference: Reference | None = field(default=None, init=False)

    def children(self) -> Iterator[Expression]:
        """The nodes directly below, in the order of evaluation."""
        return iter(())


@dataclass(slots=True, eq=False)
class Literal(Expression):
    """A constant: None, bool, int, Uint, float, str or bytes."""

    value: Any


@dataclass(slots=True, eq=False)
class Identifier(Expression):
    """A name; after checking the whole qualified name (`a.b` where `a.b` is declared)."""

    name: str


@dataclass(slots=True, eq=False)
class Select(Expression):
    """`operand.field`; with `test_only` it is `has(operand.field)`."""

    operand: Expression
    field_name: str
    test_only: bool = False

    def children(self) -> Iterator[Expression]:
        """The operand."""
        return iter((self.operand,))


@dataclass(slots=True, eq=False)
class Call(Expression):
    """A function by its name (operators by cel-go's names: `_+_`, `_?_:_`), with a target where it is written as a method."""

    function: str
    target: Expression | None
    arguments: list[Expression]

    def children(self) -> Iterator[Expression]:
        """The target, then the arguments."""
        if self.target is not None:
            yield self.target
        yield from self.arguments


@dataclass(slots=True, eq=False)
class ListLiteral(Expression):
    """`[a, ?b]`; `optional` holds the indexes of elements behind a question mark."""

    elements: list[Expression]
    optional: frozenset[int] = frozenset()

    def children(self) -> Iterator[Expression]:
        """The elements."""
        return iter(self.elements)


@dataclass(slots=True)
class Entry:
    """One entry of a map or struct. `key` is an expression in a map, a field name in a struct."""

    id: int
    offset: int
    key: Any
    value: Expression
    optional: bool = False


@dataclass(slots=True, eq=False)
class MapLiteral(Expression):
    """`{key: value, ?key: optional}`."""

    entries: list[Entry]

    def children(self) -> Iterator[Expression]:
        """Keys and values in turn."""
        for entry in self.entries:
            yield entry.key
            yield entry.value


@dataclass(slots=True, eq=False)
class StructLiteral(Expression):
    """`Name{field: value}`."""

    name: str
    entries: list[Entry]

    def children(self) -> Iterator[Expression]:
        """The values."""
        return (entry.value for entry in self.entries)


@dataclass(slots=True, eq=False)
class Comprehension(Expression):
    """A fold over a list or a map: what `all`, `map`, ... expand to. `variable2` is empty for one-variable forms."""

    range: Expression
    variable: str
    variable2: str
    accumulator: str
    initial: Expression
    condition: Expression
    step: Expression
    result: Expression

    def children(self) -> Iterator[Expression]:
        """The five parts."""
        return iter((self.range, self.initial, self.condition, self.step, self.result))


def walk(node: Expression) -> Iterator[Expression]:
    """The node and all below it."""
    yield node
    for child in node.children():
        yield from walk(child)
