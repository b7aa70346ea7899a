"""Macros: calls that become comprehensions when they are parsed. A library declares its own by the same `Factory`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from pilothouse.cel.declarations import Macro, MacroError
from pilothouse.cel.syntax import (
    Call,
    Comprehension,
    Entry,
    Expression,
    Identifier,
    ListLiteral,
    Literal,
    MapLiteral,
    Select,
    StructLiteral,
)

ACCUMULATOR, OLD_ACCUMULATOR = "@result", "__result__"
NOT_STRICTLY_FALSE = "@not_strictly_false"
UNUSED = "#unused"
E = TypeVar("E", bound=Expression)


class Factory:
    """Makes the nodes of an expansion, all at the place of the macro."""

    def __init__(self, new_id: Callable[[], int], offset: int) -> None:
        self._new_id = new_id
        self._offset = offset

    def literal(self, value: Any) -> Literal:
        """A constant."""
        return Literal(self._new_id(), self._offset, value)

    def identifier(self, name: str) -> Identifier:
        """A variable."""
        return Identifier(self._new_id(), self._offset, name)

    def accumulator(self) -> Identifier:
        """The variable that a comprehension computes."""
        return self.identifier(ACCUMULATOR)

    def call(self, function: str, *arguments: Expression) -> Call:
        """A global call or an operator."""
        return Call(self._new_id(), self._offset, function, None, [*arguments])

    def member_call(self, function: str, target: Expression, *arguments: Expression) -> Call:
        """A call with a target."""
        return Call(self._new_id(), self._offset, function, target, [*arguments])

    def list(self, *elements: Expression) -> ListLiteral:
        """A list."""
        return ListLiteral(self._new_id(), self._offset, [*elements])

    def map(self) -> MapLiteral:
        """An empty map."""
        return MapLiteral(self._new_id(), self._offset, [])

    def presence_test(self, operand: Expression, field_name: str) -> Select:
        """`has(operand.field_name)`."""
        return Select(self._new_id(), self._offset, operand, field_name, True)

    def comprehension(
        self, range_: Expression, variables: tuple[str, str], accumulator: str, parts: tuple[Expression, Expression, Expression, Expression]
    ) -> Comprehension:
        """A comprehension over any accumulator; the parts are initial value, condition, step and result."""
        return Comprehension(self._new_id(), self._offset, range_, *variables, accumulator, *parts)

    def copy(self, node: E) -> E:
        """The same tree again with numbers of its own, at the same places."""
        changes: dict[str, Any] = {"id": self._new_id()}
        if isinstance(node, Select):
            changes["operand"] = self.copy(node.operand)
        elif isinstance(node, Call):
            changes["target"] = node.target and self.copy(node.target)
            changes["arguments"] = [self.copy(argument) for argument in node.arguments]
        elif isinstance(node, ListLiteral):
            changes["elements"] = [self.copy(element) for element in node.elements]
        elif isinstance(node, MapLiteral | StructLiteral):
            changes["entries"] = [self._copy_entry(entry) for entry in node.entries]
        elif isinstance(node, Comprehension):
            changes |= {name: self.copy(getattr(node, name)) for name in ("range", "initial", "condition", "step", "result")}
        return replace(node, **changes)

    def _copy_entry(self, entry: Entry) -> Entry:
        key = self.copy(entry.key) if isinstance(entry.key, Expression) else entry.key
        return replace(entry, id=self._new_id(), key=key, value=self.copy(entry.value))


def _name(argument: Expression, message: str) -> str:
    if not isinstance(argument, Identifier):
        raise MacroError(message, argument)
    return argument.name


def _variable(argument: Expression, message: str) -> str:
    name = _name(argument, message)
    if name in (ACCUMULATOR, OLD_ACCUMULATOR):
        raise MacroError("iteration variable overwrites accumulator variable", argument)
    return name


def variables(arguments: list[Expression]) -> tuple[str, str]:
    """The two variables of a two-variable macro, which are its first arguments."""
    first = _name(arguments[0], "argument must be a simple name")
    second = _name(arguments[1], "argument must be a simple name")
    if first == second:
        raise MacroError(f"duplicate variable name: {first}", arguments[1])
    return _variable(arguments[0], ""), _variable(arguments[1], "")


def for_all(factory: Factory, target: Expression, names: tuple[str, str], predicate: Expression) -> Expression:
    """Whether the predicate holds of every element."""
    condition = factory.call(NOT_STRICTLY_FALSE, factory.accumulator())
    step = factory.call("_&&_", factory.accumulator(), predicate)
    return factory.comprehension(target, names, ACCUMULATOR, (factory.literal(True), condition, step, factory.accumulator()))


def for_any(factory: Factory, target: Expression, names: tuple[str, str], predicate: Expression) -> Expression:
    """Whether it holds of an element."""
    condition = factory.call(NOT_STRICTLY_FALSE, factory.call("!_", factory.accumulator()))
    step = factory.call("_||_", factory.accumulator(), predicate)
    return factory.comprehension(target, names, ACCUMULATOR, (factory.literal(False), condition, step, factory.accumulator()))


def for_exactly_one(factory: Factory, target: Expression, names: tuple[str, str], predicate: Expression) -> Expression:
    """Whether it holds of exactly one element."""
    more = factory.call("_+_", factory.accumulator(), factory.literal(1))
    step = factory.call("_?_:_", predicate, more, factory.accumulator())
    result = factory.call("_==_", factory.accumulator(), factory.literal(1))
    return factory.comprehension(target, names, ACCUMULATOR, (factory.literal(0), factory.literal(True), step, result))


def collect(
    factory: Factory, target: Expression, names: tuple[str, str], start: Expression, step: Expression, only: Expression | None
) -> Expression:
    """Goes through all elements, adding by `step` where `only` holds."""
    if only is not None:
        step = factory.call("_?_:_", only, step, factory.accumulator())
    return factory.comprehension(target, names, ACCUMULATOR, (start, factory.literal(True), step, factory.accumulator()))


def _has(factory: Factory, _: Expression | None, arguments: list[Expression]) -> Expression:
    selected = arguments[0]
    if not isinstance(selected, Select):
        raise MacroError("invalid argument to has() macro", selected)
    return factory.presence_test(selected.operand, selected.field_name)


def _quantifier(make: Callable[..., Expression]) -> Callable[[Factory, Expression, list[Expression]], Expression]:
    def expand(factory: Factory, target: Expression, arguments: list[Expression]) -> Expression:
        name = _variable(arguments[0], "argument must be a simple name")
        return make(factory, target, (name, ""), arguments[1])

    return expand


def map_items(factory: Factory, target: Expression, arguments: list[Expression]) -> Expression:
    """`map(name, value)` and `map(name, only, value)`."""
    name = _variable(arguments[0], "argument is not an identifier")
    only = arguments[1] if len(arguments) == 3 else None
    step = factory.call("_+_", factory.accumulator(), factory.list(arguments[-1]))
    return collect(factory, target, (name, ""), factory.list(), step, only)


def _filter(factory: Factory, target: Expression, arguments: list[Expression]) -> Expression:
    name = _variable(arguments[0], "argument is not an identifier")
    step = factory.call("_+_", factory.accumulator(), factory.list(arguments[0]))
    return collect(factory, target, (name, ""), factory.list(), step, arguments[1])


STANDARD_MACROS = (
    Macro("has", 1, False, _has),
    Macro("all", 2, True, _quantifier(for_all)),
    Macro("exists", 2, True, _quantifier(for_any)),
    Macro("exists_one", 2, True, _quantifier(for_exactly_one)),
    Macro("map", 2, True, map_items),
    Macro("map", 3, True, map_items),
    Macro("filter", 2, True, _filter),
)
