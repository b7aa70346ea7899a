"""Optional values: `optional.of`, `a.?b`, `a[?0]`, `orValue`, `optMap`, ... (cel-go's library of optional types)."""

from __future__ import annotations

from typing import Any

from pilothouse.cel import types
from pilothouse.cel.declarations import Function, Library, Macro, MacroError, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.macros import UNUSED, Factory
from pilothouse.cel.shown import shown
from pilothouse.cel.syntax import Expression, Identifier
from pilothouse.cel.types import BOOL, DYN, INT, STRING, list_of, map_of, optional_of, parameter
from pilothouse.cel.values import LEAST_SECOND, NONE, SECOND, Duration, Optional, Timestamp

K, V = parameter("K"), parameter("V")
OF_V, LIST, MAP = optional_of(V), list_of(V), map_of(K, V)


def of_non_zero(value: Any) -> Optional:
    """An optional that is absent for null, false, 0, empty texts, lists and maps."""
    if isinstance(value, Duration):
        zero = value.nanoseconds == 0
    elif isinstance(value, Timestamp):
        zero = value.nanoseconds == LEAST_SECOND * SECOND
    else:
        zero = value is None or (isinstance(value, bool | int | float | str | bytes | list | dict) and not value)
    return NONE if zero else Optional.of(value)


def value(optional: Optional) -> Any:
    """Value of an optional; an error when it is empty."""
    if not optional.present:
        raise EvaluationError("optional.none() dereference")
    return optional.value


def unwrap(optionals: list[Any]) -> list[Any]:
    """The values of those that have one."""
    for optional in optionals:
        if type(optional) is not Optional:
            raise EvaluationError(f"value {shown(optional)} is not optional")
    return [optional.value for optional in optionals if optional.present]


def first(values: list[Any]) -> Optional:
    """The first item, if there is one."""
    return Optional.of(values[0]) if values else NONE


def last(values: list[Any]) -> Optional:
    """The last item, if there is one."""
    return Optional.of(values[-1]) if values else NONE


def _none() -> Optional:
    return NONE


def _has_value(optional: Optional) -> bool:
    return optional.present


def _bound(name: str, wrap: bool) -> Any:
    def expand(factory: Factory, target: Expression, arguments: list[Expression]) -> Expression:
        variable, computed = arguments
        if not isinstance(variable, Identifier):
            raise MacroError(f"{name}() variable name must be a simple identifier", variable)
        present = factory.member_call("hasValue", target)
        inner = factory.member_call("value", factory.copy(target))
        parts = (inner, factory.literal(False), factory.identifier(variable.name), computed)
        result: Expression = factory.comprehension(factory.list(), (UNUSED, ""), variable.name, parts)
        if wrap:
            result = factory.call("optional.of", result)
        return factory.call("_?_:_", present, result, factory.call("optional.none"))

    return expand


def _evaluated(name: str, *overloads: Overload) -> Function:
    return Function(name, overloads)


OPTIONALS = Library(
    "optional",
    (
        Function("optional.of", (Overload("optional_of", (V,), OF_V, Optional.of),)),
        Function("optional.ofNonZeroValue", (Overload("optional_ofNonZeroValue", (V,), OF_V, of_non_zero),)),
        Function("optional.none", (Overload("optional_none", (), OF_V, _none),)),
        Function("value", (Overload("optional_value", (OF_V,), V, value, receiver=True),)),
        Function("hasValue", (Overload("optional_hasValue", (OF_V,), BOOL, _has_value, receiver=True),)),
        _evaluated("or", Overload("optional_or_optional", (OF_V, OF_V), OF_V, None, receiver=True)),
        _evaluated("orValue", Overload("optional_orValue_value", (OF_V, V), V, None, receiver=True)),
        _evaluated("_?._", Overload("select_optional_field", (DYN, STRING), OF_V, None)),
        _evaluated(
            "_[?_]",
            Overload("list_optindex_optional_int", (LIST, INT), OF_V, None),
            Overload("optional_list_optindex_optional_int", (optional_of(LIST), INT), OF_V, None),
            Overload("map_optindex_optional_value", (MAP, K), OF_V, None),
            Overload("optional_map_optindex_optional_value", (optional_of(MAP), K), OF_V, None),
        ),
        _evaluated(
            "_[_]",
            Overload("optional_list_index_int", (optional_of(LIST), INT), OF_V, None),
            Overload("optional_map_index_value", (optional_of(MAP), K), OF_V, None),
        ),
        Function("first", (Overload("list_first", (LIST,), OF_V, first, receiver=True),)),
        Function("last", (Overload("list_last", (LIST,), OF_V, last, receiver=True),)),
        Function("optional.unwrap", (Overload("optional_unwrap", (list_of(OF_V),), LIST, unwrap),)),
        Function("unwrapOpt", (Overload("optional_unwrapOpt", (list_of(OF_V),), LIST, unwrap, receiver=True),)),
    ),
    macros=(Macro("optMap", 2, True, _bound("optMap", True)), Macro("optFlatMap", 2, True, _bound("optFlatMap", False))),
    types=(types.optional_of(DYN),),
    since=28,
)
