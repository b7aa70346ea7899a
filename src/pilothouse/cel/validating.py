"""Validators of checked expressions, beyond types.

Lists and maps of mixed types, and since Kubernetes 1.29 literals that would fail at every evaluation.
"""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.cel.errors import Issue
from pilothouse.cel.standard.conversions import duration_of, timestamp_of
from pilothouse.cel.syntax import Call, Entry, Expression, ListLiteral, Literal, MapLiteral, walk
from pilothouse.cel.tokens import place
from pilothouse.cel.types import DYN, PARAMETER_KIND, Type
from pilothouse.cel.values import GREATEST_SECOND, LEAST_SECOND
from pilothouse.machinery import regex


def _text(check: Callable[[str], object]) -> Callable[[object], bool]:
    """Whether a literal passes, given a check of texts that raises ValueError."""

    def passes(value: object) -> bool:
        if not isinstance(value, str):
            return True
        try:
            check(value)
        except ValueError:
            return False
        return True

    return passes


def _is_timestamp(value: object) -> bool:
    if type(value) is int:
        return LEAST_SECOND <= value <= GREATEST_SECOND
    return _text(timestamp_of)(value)


_LITERALS = {"duration": _text(duration_of), "timestamp": _is_timestamp, "matches": _text(regex.compile)}
"""Functions whose first argument is looked at; of `matches(text, pattern)` that is the text, as in cel-go."""


MIXED_FUNCTION = "format"
"""What stands in a call of it may be of mixed types."""


def issues(text: str, tree: Expression, literals: bool = True) -> list[Issue]:
    """Issues of a checked tree; `literals` includes invalid times and regular expressions."""
    wrong: list[tuple[Expression, str]] = []
    nodes = [*walk(tree)]
    for function, passes in _LITERALS.items() if literals else ():
        wrong += [(argument, f"invalid {function} argument") for argument in _arguments(nodes, function) if not passes(argument.value)]
    exempt = {id(inner) for node in nodes if isinstance(node, Call) and node.function == MIXED_FUNCTION for inner in walk(node)}
    for node in nodes:
        if isinstance(node, ListLiteral) and id(node) not in exempt:
            wrong += _mixed([(element, index in node.optional) for index, element in enumerate(node.elements)])[:1]
    for node in nodes:
        if isinstance(node, MapLiteral) and id(node) not in exempt:
            wrong += _mixed([(entry.key, False) for entry in node.entries]) + _mixed([_value(entry) for entry in node.entries])
    return [Issue(*place(text, node.offset), message) for node, message in wrong]


def _arguments(nodes: list[Expression], function: str) -> list[Literal]:
    called = [node for node in nodes if isinstance(node, Call) and node.function == function and node.arguments]
    return [argument for call in called for argument in call.arguments[:1] if isinstance(argument, Literal)]


def _value(entry: Entry) -> tuple[Expression, bool]:
    return entry.value, entry.optional


def _mixed(elements: list[tuple[Expression, bool]]) -> list[tuple[Expression, str]]:
    """Elements whose type differs from that of the first one."""
    kinds = [(node, _unwrapped(node.type) if optional else node.type) for node, optional in elements]
    return [(node, f"expected type '{kinds[0][1]}' but found '{kind}'") for node, kind in kinds[1:] if not _equivalent(kinds[0][1], kind)]


def _unwrapped(optional: Type) -> Type:
    return optional.parameters[0] if optional.parameters else DYN


def _equivalent(first: Type, second: Type) -> bool:
    if first.kind != second.kind or len(first.parameters) != len(second.parameters):
        return False
    same = first.kind == PARAMETER_KIND or first.name == second.name
    return same and all(map(_equivalent, first.parameters, second.parameters))
