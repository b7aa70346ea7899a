"""Library `cel.lib.ext.strings` in version 2 (0 before 1.29): positions are those of code points."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.cel import formatting
from pilothouse.cel.costs import (
    MOST,
    STRING_TRAVERSAL,
    CallEstimate,
    Estimator,
    Node,
    Range,
    afford,
    afford_text,
    double_traversal,
    element_node,
    search_cost,
    search_estimate,
    target_traversal_estimate,
    traversal,
)
from pilothouse.cel.declarations import Cost, Estimate, Function, Library, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.shown import shown
from pilothouse.cel.types import DYN, INT, STRING, Type, list_of
from pilothouse.cel.values import size_of

STRINGS = list_of(STRING)
SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
LOWER, UPPER = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TO_LOWER, TO_UPPER = str.maketrans(UPPER, LOWER), str.maketrans(LOWER, UPPER)
QUOTED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"'}
QUOTES = str.maketrans(QUOTED)


def _outside(index: int) -> EvaluationError:
    return EvaluationError(f"index out of range: {index}")


def char_at(text: str, index: int) -> str:
    """`charAt(index)`: empty just behind the end."""
    if not 0 <= index <= len(text):
        raise _outside(index)
    return text[index : index + 1]


def index_of(text: str, part: str, offset: int = 0) -> int:
    """`indexOf(part)` and `indexOf(part, offset)`; -1 where there is none."""
    if offset < 0:
        raise _outside(offset)
    if not part:
        return min(offset, len(text))
    return text.find(part, offset) if offset < len(text) else -1


def last_index_of(text: str, part: str) -> int:
    """`lastIndexOf(part)`."""
    return text.rfind(part) if part else len(text)


def last_index_before(text: str, part: str, offset: int) -> int:
    """`lastIndexOf(part, offset)`: the last that starts at the offset or before."""
    if offset < 0:
        raise _outside(offset)
    if not part:
        return min(offset, len(text))
    return text.rfind(part, 0, offset + len(part)) if offset < len(text) else -1


def replace(text: str, old: str, new: str, count: int = -1) -> str:
    """`replace(old, new)` and `replace(old, new, count)`; a negative count is none."""
    occurrences = text.count(old) if len(new) > len(old) else 0
    afford_text(len(text) + (min(occurrences, count) if count >= 0 else occurrences) * len(new))
    return text.replace(old, new, max(count, -1))


def split(text: str, separator: str, count: int = -1) -> list[str]:
    """`split(separator)` and `split(separator, count)`; an empty separator splits after each character."""
    if count == 0:
        return []
    if separator:
        return text.split(separator, count - 1 if count > 0 else -1)
    if 0 < count < len(text):
        return [*text[: count - 1], text[count - 1 :]]
    return list(text)


def substring(text: str, start: int) -> str:
    """`substring(start)`."""
    if not 0 <= start <= len(text):
        raise _outside(start)
    return text[start:]


def substring_between(text: str, start: int, end: int) -> str:
    """`substring(start, end)`."""
    if start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    for index in (start, end):
        if not 0 <= index <= len(text):
            raise _outside(index)
    return text[start:end]


def join(items: Sequence[Any], separator: str = "") -> str:
    """`join()` and `join(separator)`."""
    for item in items:
        if not isinstance(item, str):
            raise EvaluationError(f"join: invalid input: {shown(item)}")
    afford((sum(map(len, items)) + len(separator) * max(len(items) - 1, 0)) * 2 * STRING_TRAVERSAL)
    return separator.join(items)


def quote(text: str) -> str:
    """`strings.quote(text)`."""
    return f'"{text.translate(QUOTES)}"'


def join_cost(arguments: Sequence[Any], result: Any) -> int:
    """Two traversals of the result."""
    return math.ceil(size_of(result) * 2 * STRING_TRAVERSAL)


def join_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """One traversal of all elements and the separators between them."""
    if target is None:
        return None
    count, size = estimator.size(target), Range(0, 0)
    item = element_node(target)
    if item is not None:
        size = count.multiplied(estimator.size(item))
    if arguments:
        between = Range(max(count.least - 1, 0), max(count.most - 1, 0))
        size = size.plus(estimator.size(arguments[0]).multiplied(between))
    return CallEstimate(size.scaled(STRING_TRAVERSAL), size)


def split_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """A traversal and the making of the parts: at most the count where it is a literal, else one for each character."""
    if target is None:
        return None
    size = estimator.size(target)
    most = size.most
    if len(arguments) > 1 and type(arguments[1].constant) is int:
        most = arguments[1].constant & MOST
    return CallEstimate(size.scaled(2 * STRING_TRAVERSAL), Range(0, most))


def replace_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """One traversal and the creation of the result, whose size follows from the replaced and the replacing string."""
    if target is None or len(arguments) < 2:
        return None
    size, old, new = estimator.size(target), estimator.size(arguments[0]), estimator.size(arguments[1])
    most_kept, most_count = _replacements(size.most, old.least, new.most, new.most <= old.least)
    least_kept, least_count = _replacements(size.least, old.most, new.least, old.most <= new.least)
    result = Range(least_count, most_count).multiplied(new).plus(Range(least_kept, most_kept))
    return CallEstimate(size.scaled(2 * STRING_TRAVERSAL), result)


def _replacements(size: int, old: int, new: int, keeps: bool) -> tuple[int, int]:
    """How much of a text of this size stays, and how often the new one is written."""
    if old == 0:
        return size, min(size + 1, MOST)
    if keeps:
        return size, 0
    return 0, min(math.ceil(size * 1.0 / (old * 1.0)), MOST)


def _method(
    name: str,
    *overloads: tuple[str, tuple[Type, ...], Type, Callable[..., Any]],
    cost: Cost | None = None,
    estimate: Estimate | None = None,
) -> Function:
    made = tuple(Overload(id, parameters, result, call, receiver=True) for id, parameters, result, call in overloads)
    return Function(name, made, cost, estimate)


_SCAN: dict[str, Any] = {"cost": traversal, "estimate": target_traversal_estimate}
_SEARCH: dict[str, Any] = {"cost": search_cost, "estimate": search_estimate}
_PAIR, _TRIPLE = (STRING, STRING), (STRING, STRING, STRING)
FUNCTIONS = (
    _method("charAt", ("string_char_at_int", (STRING, INT), STRING, char_at)),
    _method(
        "indexOf",
        ("string_index_of_string", _PAIR, INT, index_of),
        ("string_index_of_string_int", (*_PAIR, INT), INT, index_of),
        **_SEARCH,
    ),
    _method(
        "lastIndexOf",
        ("string_last_index_of_string", _PAIR, INT, last_index_of),
        ("string_last_index_of_string_int", (*_PAIR, INT), INT, last_index_before),
        **_SEARCH,
    ),
    _method("lowerAscii", ("string_lower_ascii", (STRING,), STRING, lambda text: text.translate(TO_LOWER)), **_SCAN),
    _method("upperAscii", ("string_upper_ascii", (STRING,), STRING, lambda text: text.translate(TO_UPPER)), **_SCAN),
    _method("trim", ("string_trim", (STRING,), STRING, lambda text: text.strip(SPACES)), **_SCAN),
    _method(
        "substring",
        ("string_substring_int", (STRING, INT), STRING, substring),
        ("string_substring_int_int", (STRING, INT, INT), STRING, substring_between),
        **_SCAN,
    ),
    _method(
        "replace",
        ("string_replace_string_string", _TRIPLE, STRING, replace),
        ("string_replace_string_string_int", (*_TRIPLE, INT), STRING, replace),
        cost=double_traversal,
        estimate=replace_estimate,
    ),
    _method(
        "split",
        ("string_split_string", _PAIR, STRINGS, split),
        ("string_split_string_int", (*_PAIR, INT), STRINGS, split),
        cost=double_traversal,
        estimate=split_estimate,
    ),
    _method(
        "join",
        ("list_join", (STRINGS,), STRING, join),
        ("list_join_string", (STRINGS, STRING), STRING, join),
        cost=join_cost,
        estimate=join_estimate,
    ),
)
FORMAT = _method("format", ("string_format", (STRING, list_of(DYN)), STRING, formatting.format_text), cost=traversal)
QUOTE = Function("strings.quote", (Overload("strings_quote", (STRING,), STRING, quote),), traversal)

LIBRARY_0 = Library("cel.lib.ext.strings", functions=FUNCTIONS, until=29)
LIBRARY_2 = Library("cel.lib.ext.strings", functions=(*FUNCTIONS, FORMAT, QUOTE), validators=(formatting.faults,), since=29)
