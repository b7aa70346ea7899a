"""Validation by an OpenAPI schema with upstream's messages (kube-openapi's validator).

- `explain(node, value, path)` gives an `Outcome`: the failures, each message once, and how many steps passed. Of several schemas in
  anyOf or oneOf the failures of the one with most passed steps are told, so steps are counted as upstream counts them.
- It is slow and exact; `checking` is fast, and asks here where it is not sure.
- With a correlation, failures of what did not change are dropped (KEP-4008), but, as upstream, not below allOf, anyOf, oneOf and not.
- Fields are visited in the order of their names, where upstream takes them at random.

Upstream: kube-openapi pkg/validation/validate; apiextensions-apiserver pkg/apiserver/validation/ratcheting.go.
"""

from __future__ import annotations

from typing import Any

from pilothouse.machinery.quoting import go_quoted
from pilothouse.machinery.structural import formats
from pilothouse.machinery.structural.correlating import Correlation
from pilothouse.machinery.structural.failures import Failure, Outcome
from pilothouse.machinery.structural.limits import array_limits, in_enum, number_limits, object_limits, string_limits
from pilothouse.machinery.structural.numbers import is_json_integer, normalized
from pilothouse.machinery.structural.schema import Node

TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
NUMBER_FORMATS = {int: "int64", float: "float64"}
TYPE_FIELDS = ("apiVersion", "kind")


def explain(node: Node, value: Any, path: str, correlation: Correlation | None = None) -> Outcome:
    """The outcome of validating a value; with a correlation, of changing it."""
    outcome = _explain(node, normalized(value), path, correlation)
    if outcome.failures and correlation is not None and correlation.equal():
        return Outcome(outcome.passed)
    return outcome


def _explain(node: Node, value: Any, path: str, correlation: Correlation | None) -> Outcome:
    outcome = Outcome()
    if value is None:
        outcome.merge(_null(node, path))
        return outcome
    if node.types or node.format:
        outcome.merge(_type(node, value, path))
        outcome.passed += 1
    outcome.merge(_combined(node, value, path))
    outcome.passed += 2  # this step, and the enum's below
    kind = value.__class__
    if kind is str:
        outcome.merge(string_limits(node, value, path))
        outcome.merge(_format(node, value, path))
        outcome.passed += 2 if node.format and formats.check_of(node.format) else 1
    elif kind is int or kind is float:
        outcome.merge(number_limits(node, value, path))
        outcome.passed += 1
    elif kind is list:
        outcome.merge(_array(node, value, path, correlation))
        outcome.passed += 1
    outcome.merge(_enum(node, value, path))
    if kind is dict:
        outcome.merge(_object(node, value, path, correlation))
        outcome.passed += 1
    outcome.passed += 1
    return outcome


def _null(node: Node, path: str) -> Outcome:
    if node.types and not node.nullable:
        outcome = Outcome()
        outcome.add(Failure.of_type(path, ",".join(node.types), "null"))
    else:
        outcome = Outcome(1)
    return outcome.merge(_enum(node, None, path))


def _type(node: Node, value: Any, path: str) -> Outcome:
    """Whether the value is of the schema's type. As upstream, a list passes where a format is asked of a string."""
    kind, types = value.__class__, node.types
    name = TYPES[kind]
    fits = name in types or (kind is float and "integer" in types and is_json_integer(value)) or (kind is int and "number" in types)
    if node.format and kind is not str and kind is not list and not fits:
        held = NUMBER_FORMATS.get(kind, "")
        if held != node.format:
            return _failed(Failure.of_type(path, node.format, held))
    if node.format and (kind is str or kind is list) and "number" not in types and "integer" not in types:
        return Outcome(1)
    return Outcome(1) if fits else _failed(Failure.of_type(path, ",".join(types), name))


def _format(node: Node, value: str, path: str) -> Outcome | None:
    check = formats.check_of(node.format) if node.format else None
    return None if check is None or check(value) else _failed(Failure.of_type(path, node.format, value))


def _enum(node: Node, value: Any, path: str) -> Outcome | None:
    return None if not node.enum or in_enum(value, node.enum) else _failed(Failure.enum(path, value, node.enum))


def _combined(node: Node, value: Any, path: str) -> Outcome:
    """anyOf, oneOf, allOf and not, in this order."""
    outcome = Outcome()
    if node.any_of:
        _any_of(node, value, path, outcome)
    if node.one_of:
        _one_of(node, value, path, outcome)
    if node.all_of:
        results = [explain(schema, value, path) for schema in node.all_of]
        for result in results:
            outcome.merge(result)
        if any(result.failures for result in results):
            none = ". None validated" if all(result.failures for result in results) else ""
            outcome.add(Failure.plain(f"{go_quoted(path)} must validate all the schemas (allOf){none}"))
    if node.unless is not None and not explain(node.unless, value, path).failures:
        outcome.add(Failure.plain(f"{go_quoted(path)} must not validate the schema (not)"))
    outcome.passed += 1
    return outcome


def _any_of(node: Node, value: Any, path: str, outcome: Outcome) -> None:
    closest: Outcome | None = None
    for schema in node.any_of:
        result = explain(schema, value, path)
        if not result.failures:
            outcome.merge(result)
            return
        if closest is None or result.passed > closest.passed:
            closest = result
    outcome.add(Failure.plain(f"{go_quoted(path)} must validate at least one schema (anyOf)"))
    outcome.merge(closest)


def _one_of(node: Node, value: Any, path: str, outcome: Outcome) -> None:
    closest: Outcome | None = None
    valid: list[Outcome] = []
    for schema in node.one_of:
        result = explain(schema, value, path)
        if not result.failures:
            valid.append(result)
            closest = None
        elif not valid and (closest is None or result.passed > closest.passed):
            closest = result
    if len(valid) == 1:
        outcome.merge(valid[0])
        return
    alternatives = f"Found {len(valid)} valid alternatives" if valid else "Found none valid"
    outcome.add(Failure.plain(f"{go_quoted(path)} must validate one and only one schema (oneOf). {alternatives}"))
    outcome.merge(closest)


def _array(node: Node, value: list[Any], path: str, correlation: Correlation | None) -> Outcome:
    outcome = Outcome()
    if node.items is not None:
        for index, item in enumerate(value):
            below = correlation.item(index) if correlation is not None else None
            outcome.merge(explain(node.items, item, f"{path}[{index}]", below))
    array_limits(node, value, path, outcome)
    outcome.passed += 1
    return outcome


def _object(node: Node, value: dict[str, Any], path: str, correlation: Correlation | None) -> Outcome:
    outcome = Outcome()
    object_limits(node, value, path, outcome)
    names = sorted(value)
    unknown = [name for name in names if name not in node.properties]
    if not node.additional_allowed:
        for name in unknown:
            outcome.add(Failure.forbidden(path, name))
    elif node.additional is not None:
        for name in unknown:
            outcome.merge(explain(node.additional, value[name], f"{path}.{name}", _field(correlation, name, path)))
    for name in names:
        if (schema := node.properties.get(name)) is not None:
            outcome.merge(explain(schema, value[name], f"{path}.{name}" if path else name, _field(correlation, name, path)))
    for name in node.required:
        if name not in value:
            outcome.add(Failure.required(f"{path}.{name}"))
    return outcome


def _field(correlation: Correlation | None, name: str, path: str) -> Correlation | None:
    """The correlation of a field. Of the root's apiVersion and kind there is none: old and new were converted to one version."""
    return None if correlation is None or (not path and name in TYPE_FIELDS) else correlation.field(name)


def _failed(*failures: Failure) -> Outcome:
    outcome = Outcome()
    for failure in failures:
        outcome.add(failure)
    return outcome
