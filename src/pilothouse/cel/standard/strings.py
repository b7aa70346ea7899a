"""Texts: `size`, `contains`, `startsWith`, `endsWith`, `matches`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.cel.declarations import Cost, Function, Library, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.standard.operators import no_overload
from pilothouse.cel.types import BOOL, BYTES, INT, STRING, Type, list_of, map_of, parameter
from pilothouse.cel.values import size_of
from pilothouse.machinery import regex

TRAVERSAL, REGEX_LENGTH = 0.1, 0.25
A, B = parameter("A"), parameter("B")


def size(value: Any) -> int:
    """Code points, octets, items, entries."""
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    raise no_overload("size", value)


def _texts(call: Callable[[str, str], Any]) -> Callable[[Any, Any], Any]:
    def dynamic(left: Any, right: Any) -> Any:
        if type(left) is not str or type(right) is not str:
            raise EvaluationError("no such overload")
        return call(left, right)

    return dynamic


def contains(text: str, part: str) -> bool:
    """Whether a text has another in it."""
    return part in text


def matches(text: str, pattern: str) -> bool:
    """Whether a pattern of RE2's syntax matches anywhere in the text, in linear time."""
    try:
        return regex.compile(pattern).search(text)
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def regex_cost(arguments: Sequence[Any], result: Any) -> int:
    """A tenth of the text (and one more sign) times a quarter of the pattern."""
    text, pattern = arguments
    return math.ceil((1.0 + size_of(text)) * TRAVERSAL) * math.ceil(size_of(pattern) * REGEX_LENGTH)


def _second_traversed(arguments: Sequence[Any], result: Any) -> int:
    return math.ceil(size_of(arguments[1]) * TRAVERSAL)


def _product(arguments: Sequence[Any], result: Any) -> int:
    return math.ceil(size_of(arguments[0]) * TRAVERSAL) * math.ceil(size_of(arguments[1]) * TRAVERSAL)


def _method(name: str, id_: str, call: Callable[[str, str], bool], cost: Cost) -> Function:
    return Function(name, (Overload(id_, (STRING, STRING), BOOL, call, receiver=True, cost=cost),), dynamic=_texts(call))


def _sizes() -> tuple[Overload, ...]:
    kinds: dict[str, Type] = {"bytes": BYTES, "list": list_of(A), "map": map_of(A, B), "string": STRING}
    return tuple(
        overload
        for kind, type_ in kinds.items()
        for overload in (Overload(f"size_{kind}", (type_,), INT, len), Overload(f"{kind}_size", (type_,), INT, len, receiver=True))
    )


STRINGS = Library(
    "texts",
    (
        Function("size", _sizes(), dynamic=size),
        _method("contains", "contains_string", contains, _product),
        _method("endsWith", "ends_with_string", str.endswith, _second_traversed),
        _method("startsWith", "starts_with_string", str.startswith, _second_traversed),
        Function(
            "matches",
            (
                Overload("matches", (STRING, STRING), BOOL, matches, cost=regex_cost),
                Overload("matches_string", (STRING, STRING), BOOL, matches, receiver=True, cost=regex_cost),
            ),
            dynamic=_texts(matches),
        ),
    ),
)
