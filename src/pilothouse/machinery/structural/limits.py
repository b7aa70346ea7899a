"""Limits of numbers, strings, lists and maps, and enums, by a schema's own words.

Upstream: kube-openapi pkg/validation/validate/values.go and validator.go.
"""

from __future__ import annotations

from typing import Any

from pilothouse.machinery import regex
from pilothouse.machinery.quoting import go_float
from pilothouse.machinery.structural.failures import OTHER, TOO_LONG, TOO_MANY, Failure, Outcome, number_text
from pilothouse.machinery.structural.numbers import (
    INT32,
    INT64,
    as_float,
    as_int,
    as_int64,
    canonical,
    deep_equal,
    fits_float32,
    is_integral,
    is_json_integer,
)
from pilothouse.machinery.structural.schema import Node

LAST_RUNE = 0x10FFFF
SURROGATES = range(0xD800, 0xE000)


def in_enum(value: Any, allowed: tuple[Any, ...]) -> bool:
    """Whether a value is one of those allowed, converted to the type of each as Go converts it; null never is."""
    return value is not None and any(choice is not None and deep_equal(_converted(value, choice), choice) for choice in allowed)


def _converted(value: Any, choice: Any) -> Any:
    kind, wanted = value.__class__, choice.__class__
    if kind is int and wanted is float:
        return as_float(value)
    if kind is float and wanted is int:
        return as_int64(value)
    if kind is int and wanted is str:  # Go makes the character of that number
        return chr(value) if 0 <= value <= LAST_RUNE and value not in SURROGATES else "\ufffd"
    return value


def string_limits(node: Node, value: str, path: str) -> Outcome | None:
    """The first limit that a string does not keep."""
    data = node.data
    longest, shortest, pattern = data.get("maxLength"), data.get("minLength"), data.get("pattern")
    if longest is not None and len(value) > longest:
        failure = Failure(f"{path} in body should be at most {longest} chars long", path, TOO_LONG, value, longest)
    elif shortest is not None and len(value) < shortest:
        failure = Failure.limit(path, f"be at least {shortest} chars long", value)
    elif pattern and (words := _mismatch(pattern, value)):
        failure = Failure.limit(path, words, value)
    else:
        return None
    outcome = Outcome()
    outcome.add(failure)
    return outcome


def _mismatch(pattern: str, value: str) -> str:
    try:
        return "" if regex.compile(pattern).search(value) else f"match '{pattern}'"
    except ValueError as error:
        return f"match '{pattern}, but pattern is invalid: {error}'"


def array_limits(node: Node, value: list[Any], path: str, outcome: Outcome) -> None:
    """minItems, maxItems and uniqueItems of a list."""
    least, most = node.data.get("minItems"), node.data.get("maxItems")
    if least is not None and len(value) < least:
        outcome.add(Failure.limit(path, f"have at least {least} items", len(value)))
    if most is not None and len(value) > most:
        outcome.add(Failure(f"{path} in body should have at most {most} items", path, TOO_MANY, len(value), most))
    if node.data.get("uniqueItems") and len(set(map(canonical, value))) < len(value):
        outcome.add(Failure(f"{path} in body shouldn't contain duplicates", path, OTHER))


def object_limits(node: Node, value: dict[str, Any], path: str, outcome: Outcome) -> None:
    """minProperties and maxProperties of a map."""
    least, most = node.data.get("minProperties"), node.data.get("maxProperties")
    if least is not None and len(value) < least:
        outcome.add(Failure.limit(path, f"have at least {least} properties", len(value)))
    if most is not None and len(value) > most:
        outcome.add(Failure(f"{path} in body should have at most {most} properties", path, TOO_MANY, len(value), most))


def number_limits(node: Node, value: float, path: str) -> Outcome:
    """The range of the type and format, then multipleOf, minimum and maximum."""
    outcome, data = Outcome(1), node.data
    _in_range(node, value, "Checked", path, outcome)
    factor, least, most = data.get("multipleOf"), data.get("minimum"), data.get("maximum")
    if factor is not None:
        exact = _in_range(node, as_float(factor), "MultipleOf", path, outcome) and value.__class__ is int
        _multiple(value, as_int64(factor) if exact else as_float(factor), exact, path, outcome)
    if least is not None:
        exact = _in_range(node, as_float(least), "Minimum boundary", path, outcome) and value.__class__ is int
        _bound(
            value, as_int64(least) if exact else as_float(least), exact, ("greater than", bool(data.get("exclusiveMinimum"))), path, outcome
        )
    if most is not None:
        exact = _in_range(node, as_float(most), "Maximum boundary", path, outcome) and value.__class__ is int
        _bound(value, as_int64(most) if exact else as_float(most), exact, ("less than", bool(data.get("exclusiveMaximum"))), path, outcome)
    return outcome


def _in_range(node: Node, value: float, what: str, path: str, outcome: Outcome) -> bool:
    """Whether a number is within the range of the schema's type and format; upstream asks it of limits too."""
    kind = node.types[0] if len(node.types) == 1 else ""
    form = (
        node.format
        if (kind, node.format) in (("integer", "int32"), ("integer", "int64"), ("number", "float"), ("number", "double"))
        else ""
    )
    if kind == "integer":
        fits = is_integral(value) and as_int(value) in (INT32 if form == "int32" else INT64)
    else:
        fits = form != "float" or fits_float32(value)
    if not fits:
        said = f"with format {form}" if form else "(default format)"
        outcome.add(Failure.plain(f"{what} value must be of type {kind} {said} in {path}"))
    return fits


def _multiple(value: float, factor: float, exact: bool, path: str, outcome: Outcome) -> None:
    if factor <= 0:
        outcome.add(Failure(f"factor MultipleOf declared for {path} must be positive: {number_text(factor)}", path, OTHER, factor))
    elif exact:
        if value % factor:
            outcome.add(Failure.limit(path, f"be a multiple of {factor}", value))
    else:
        number = as_float(value)
        if not is_json_integer(1 / factor * number if factor < 1 else number / factor):
            outcome.add(Failure.limit(path, f"be a multiple of {go_float(as_float(factor))}", number))


def _bound(value: float, bound: float, exact: bool, side: tuple[str, bool], path: str, outcome: Outcome) -> None:
    words, exclusive = side
    number = value if exact else as_float(value)
    beyond = number < bound if words == "greater than" else number > bound
    if beyond or (exclusive and number == bound):
        outcome.add(Failure.limit(path, f"be {words} {'' if exclusive else 'or equal to '}{number_text(bound)}", number))
