"""Library `cel.lib.ext.comprev2`: comprehensions of two variables (index and item, key and value), and those that make lists and maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilothouse.cel import macros
from pilothouse.cel.declarations import Function, Library, Macro, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.macros import Factory
from pilothouse.cel.shown import shown
from pilothouse.cel.syntax import Expression
from pilothouse.cel.types import map_of, parameter

INSERT = "cel.@mapInsert"
KEY, VALUE = parameter("K"), parameter("V")
MAP = map_of(KEY, VALUE)
Expand = Callable[[Factory, Expression, list[Expression]], Expression]


def insert(target: dict[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    """The map with one more entry; a key that it has is an error."""
    if key in target:
        raise EvaluationError(f"insert failed: key {shown(key)} already exists")
    return {**target, key: value}


def insert_all(target: dict[Any, Any], more: dict[Any, Any]) -> dict[Any, Any]:
    """The map with all entries of another."""
    for key, value in more.items():
        target = insert(target, key, value)
    return target


def _quantifier(make: Callable[..., Expression]) -> Expand:
    def expand(factory: Factory, target: Expression, arguments: list[Expression]) -> Expression:
        return make(factory, target, macros.variables(arguments), arguments[2])

    return expand


def _filter(arguments: list[Expression]) -> Expression | None:
    return arguments[2] if len(arguments) == 4 else None


def _transform_list(factory: Factory, target: Expression, arguments: list[Expression]) -> Expression:
    names = macros.variables(arguments)
    step = factory.call("_+_", factory.accumulator(), factory.list(arguments[-1]))
    return macros.collect(factory, target, names, factory.list(), step, _filter(arguments))


def _transform_map(factory: Factory, target: Expression, arguments: list[Expression]) -> Expression:
    names = macros.variables(arguments)
    step = factory.call(INSERT, factory.accumulator(), factory.identifier(names[0]), arguments[-1])
    return macros.collect(factory, target, names, factory.map(), step, _filter(arguments))


def _transform_map_entry(factory: Factory, target: Expression, arguments: list[Expression]) -> Expression:
    names = macros.variables(arguments)
    step = factory.call(INSERT, factory.accumulator(), arguments[-1])
    return macros.collect(factory, target, names, factory.map(), step, _filter(arguments))


def _macros(name: str, expand: Expand, *counts: int) -> tuple[Macro, ...]:
    return tuple(Macro(name, count, True, expand) for count in counts)


LIBRARY = Library(
    "cel.lib.ext.comprev2",
    since=32,
    functions=(
        Function(
            INSERT,
            (
                Overload("@mapInsert_map_key_value", (MAP, KEY, VALUE), MAP, insert),
                Overload("@mapInsert_map_map", (MAP, MAP), MAP, insert_all),
            ),
        ),
    ),
    macros=(
        *_macros("all", _quantifier(macros.for_all), 3),
        *_macros("exists", _quantifier(macros.for_any), 3),
        *_macros("existsOne", _quantifier(macros.for_exactly_one), 3),
        *_macros("exists_one", _quantifier(macros.for_exactly_one), 3),
        *_macros("transformList", _transform_list, 3, 4),
        *_macros("transformMap", _transform_map, 3, 4),
        *_macros("transformMapEntry", _transform_map_entry, 3, 4),
    ),
)
