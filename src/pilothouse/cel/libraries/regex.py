"""Library `kubernetes.regex`: `find` and `findAll` with RE2 expressions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pilothouse.cel.costs import ONE, REGEX_LENGTH, STRING_TRAVERSAL, CallEstimate, Estimator, Node, Range
from pilothouse.cel.declarations import Function, Library, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.types import INT, STRING, list_of
from pilothouse.cel.values import size_of
from pilothouse.machinery import regex


def compiled(pattern: str) -> regex.Regex:
    """The expression, or what cel-go says of one that is none."""
    try:
        return regex.compile(pattern)
    except ValueError as fault:
        raise EvaluationError(f"Illegal regex: {fault}") from None


def prepare(arguments: Sequence[Any]) -> None:
    """Refuse an invalid constant pattern at compile time, with Go's message."""
    if isinstance(arguments[1], str):
        try:
            regex.compile(arguments[1])
        except ValueError as fault:
            raise EvaluationError(str(fault)) from None


def find(text: str, pattern: str) -> str:
    """`text.find(pattern)`: the first match, empty where there is none."""
    return compiled(pattern).find(text) or ""


def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    """`text.findAll(pattern)` and `text.findAll(pattern, limit)`; a negative limit is none."""
    return list(compiled(pattern).find_all(text, limit))


def matching_cost(arguments: Sequence[Any], result: Any) -> int:
    """The length of the text times that of the expression."""
    text = math.ceil((1.0 + size_of(arguments[0])) * STRING_TRAVERSAL)
    return text * math.ceil(size_of(arguments[1]) * REGEX_LENGTH)


def matching_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """The same of sizes; at worst every character is a match."""
    if target is None or not arguments:
        return None
    size = estimator.size(target)
    expression = estimator.size(arguments[0]).scaled(REGEX_LENGTH)
    return CallEstimate(size.plus(ONE).scaled(STRING_TRAVERSAL).multiplied(expression), Range(0, size.most))


STRINGS = list_of(STRING)
LIBRARY = Library(
    "kubernetes.regex",
    functions=(
        Function(
            "find",
            (Overload("string_find_string", (STRING, STRING), STRING, find, receiver=True),),
            matching_cost,
            matching_estimate,
            prepare=prepare,
        ),
        Function(
            "findAll",
            (
                Overload("string_find_all_string", (STRING, STRING), STRINGS, find_all, receiver=True),
                Overload("string_find_all_string_int", (STRING, STRING, INT), STRINGS, find_all, receiver=True),
            ),
            matching_cost,
            matching_estimate,
            prepare=prepare,
        ),
    ),
)
