"""Whether a value is valid by a schema, told fast: each schema becomes a function, made once.

- True means valid. False means "not sure": `explaining` then decides, and tells what is wrong.
- Only what is quick to tell is told here; a schema that needs more (oneOf, not) asks `explaining` for its part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.machinery import regex
from pilothouse.machinery.structural import formats
from pilothouse.machinery.structural.explaining import explain
from pilothouse.machinery.structural.failures import Outcome
from pilothouse.machinery.structural.limits import number_limits, object_limits
from pilothouse.machinery.structural.numbers import INT32, LARGEST, SMALLEST, as_int64, is_integral
from pilothouse.machinery.structural.schema import Node

Check = Callable[[Any], bool]
LIMITS = ("maximum", "minimum")


def checker(node: Node) -> Check | None:
    """The function of a schema; None where it accepts everything."""
    by_class: dict[type, Check | None] = {}
    kinds: tuple[tuple[type, str], ...] = (
        (str, "string"),
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (list, "array"),
        (dict, "object"),
    )
    for kind, name in kinds:
        if _takes(node, name):
            by_class[kind] = _of_kind(node, kind)
    if (not node.types or node.nullable) and not node.enum:
        by_class[type(None)] = None
    combined = _combined(node)
    if combined is None and len(by_class) == 7 and not any(by_class.values()):
        return None
    if combined is None and len(by_class) == 1:
        ((kind, check),) = by_class.items()
        return _only(kind, check)
    return _dispatch(by_class, combined)


def _takes(node: Node, name: str) -> bool:
    """Whether a value of a JSON type may pass; a list where a string's format is asked is left to `explaining`."""
    if not node.types:
        return not node.format or name == "string"
    return name in node.types or (name == "integer" and "number" in node.types)


def _only(kind: type, check: Check | None) -> Check:
    if check is None:
        return lambda value: value.__class__ is kind
    return lambda value: value.__class__ is kind and check(value)


def _dispatch(by_class: Mapping[type, Check | None], combined: Check | None) -> Check:
    def check(value: Any) -> bool:
        kind = value.__class__
        if kind not in by_class:
            return False
        own = by_class[kind]
        return (own is None or own(value)) and (combined is None or combined(value))

    return check


def _of_kind(node: Node, kind: type) -> Check | None:
    if kind is str:
        return _string(node)
    if kind is int or kind is float:
        return _number(node, kind)
    if kind is list:
        return _array(node)
    if kind is dict:
        return _object(node)
    return _enum(node)


def _enum(node: Node) -> Check | None:
    """Of strings and booleans, by their class; numbers are left to `explaining`."""
    if not node.enum:
        return None
    strings = frozenset(choice for choice in node.enum if choice.__class__ is str)
    return lambda value: value.__class__ is str and value in strings


def _string(node: Node) -> Check | None:
    data, checks = node.data, [check for check in (_enum(node),) if check is not None]
    longest, shortest, pattern = data.get("maxLength"), data.get("minLength"), data.get("pattern")
    if longest is not None:
        checks.append(lambda value: len(value) <= longest)
    if shortest:
        checks.append(lambda value: len(value) >= shortest)
    if pattern:
        checks.append(_pattern(pattern))
    if node.format and (of_format := formats.check_of(node.format)) is not None:
        checks.append(of_format)
    return _all(checks)


def _pattern(pattern: str) -> Check:
    """Compiled when the first text is met: most schemas of most definitions never meet one."""
    compiled: regex.Regex | None = None

    def check(value: str) -> bool:
        nonlocal compiled
        if compiled is None:
            try:
                compiled = regex.compile(pattern)
            except ValueError:
                return False
        return compiled.search(value)

    return check


def _number(node: Node, kind: type) -> Check | None:
    data, smallest, largest = node.data, SMALLEST, LARGEST
    if node.enum or data.get("multipleOf") is not None:
        return _unsure
    if node.format not in ("", "int32", "int64") or (node.format and kind is float):
        return lambda value: not number_limits(node, value, "").failures
    if node.format == "int32":
        smallest, largest = INT32[0], INT32[-1]
    bounds = [bound for limit in LIMITS if (bound := data.get(limit)) is not None]
    if kind is float and not bounds:
        return None
    if kind is float or not all(is_integral(bound) and smallest <= bound <= largest for bound in bounds):
        return lambda value: SMALLEST <= value <= LARGEST and not number_limits(node, value, "").failures
    if (least := data.get("minimum")) is not None:
        smallest = as_int64(least) + (1 if data.get("exclusiveMinimum") else 0)
    if (most := data.get("maximum")) is not None:
        largest = as_int64(most) - (1 if data.get("exclusiveMaximum") else 0)
    return lambda value: smallest <= value <= largest


def _array(node: Node) -> Check | None:
    data, items = node.data, checker(node.items) if node.items is not None else None
    least, most = data.get("minItems") or 0, data.get("maxItems")
    if node.enum or data.get("uniqueItems"):
        return _unsure
    if items is None and not least and most is None:
        return None

    def check(value: list[Any]) -> bool:
        size = len(value)
        if size < least or (most is not None and size > most):
            return False
        if items is not None:
            for item in value:
                if not items(item):
                    return False
        return True

    return check


def _object(node: Node) -> Check | None:
    if node.enum or not node.additional_allowed:
        return _unsure
    fields = {name: made for name, child in node.properties.items() if (made := checker(child)) is not None}
    other = checker(node.additional) if node.additional is not None else None
    if other is not None:
        fields = {name: fields.get(name, _sure) for name in node.properties}
    required, sized = node.required, node.data.get("minProperties") is not None or node.data.get("maxProperties") is not None
    if not (fields or other or required or sized):
        return None
    get = fields.get

    def check(value: dict[str, Any]) -> bool:
        for name in required:
            if name not in value:
                return False
        for name, child in value.items():
            below = get(name, other)
            if below is not None and not below(child):
                return False
        return not sized or _sized(node, value)

    return check


def _sized(node: Node, value: dict[str, Any]) -> bool:
    outcome = Outcome()
    object_limits(node, value, "", outcome)
    return not outcome.failures


def _combined(node: Node) -> Check | None:
    checks: list[Check] = [check for schema in node.all_of if (check := checker(schema)) is not None]
    if node.any_of and not _is_int_or_string(node):
        choices = [check for schema in node.any_of if (check := checker(schema)) is not None]
        if len(choices) == len(node.any_of):
            checks.append(_any(choices))
    if node.one_of or node.unless is not None:
        checks.append(_exactly(node))
    return _all(checks)


def _is_int_or_string(node: Node) -> bool:
    """Whether anyOf says no more than the type does, as it usually does beside x-kubernetes-int-or-string."""
    return node.int_or_string and [dict(schema.data) for schema in node.any_of] == [{"type": "integer"}, {"type": "string"}]


def _any(choices: list[Check]) -> Check:
    if len(choices) == 2:
        first, second = choices
        return lambda value: first(value) or second(value)
    return lambda value: any(choice(value) for choice in choices)


def _exactly(node: Node) -> Check:
    """oneOf and not: here a False must be sure too."""
    alternatives = [_sure_of(schema) for schema in node.one_of]
    unless = _sure_of(node.unless) if node.unless is not None else None

    def check(value: Any) -> bool:
        if alternatives and sum(alternative(value) for alternative in alternatives) != 1:
            return False
        return unless is None or not unless(value)

    return check


def _sure_of(node: Node) -> Check:
    quick = checker(node)
    return _sure if quick is None else lambda value: quick(value) or not explain(node, value, "").failures


def _all(checks: list[Check]) -> Check | None:
    if not checks:
        return None
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda value: first(value) and second(value)
    return lambda value: all(check(value) for check in checks)


def _sure(value: Any) -> bool:
    return True


def _unsure(value: Any) -> bool:
    return False
