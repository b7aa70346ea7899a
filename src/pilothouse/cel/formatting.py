"""`text.format([arguments])` of cel-go's strings library before version 4: clauses `%s %d %f %e %b %x %X %o`, in English.

- `%f` groups thousands; `%e` writes `1.052033×10⁰³` and takes its precision for a width, as upstream does.
- Errors are EvaluationErrors in cel-go's words. The same walk checks literal arguments by their types when a program is compiled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pilothouse.cel import shown, syntax, types
from pilothouse.cel.costs import afford_text
from pilothouse.cel.errors import EvaluationError, Issue
from pilothouse.cel.syntax import Call, Expression, ListLiteral, Literal, MapLiteral
from pilothouse.cel.tokens import place
from pilothouse.cel.types import Type
from pilothouse.cel.values import Duration, Timestamp, Uint, type_name
from pilothouse.cel.work import spend
from pilothouse.machinery import strconv
from pilothouse.machinery.quoting import go_quoted

DEFAULT_PRECISION = 6
LARGEST_COUNT = 1_000_000
"""Go's fmt reads no further digit of a precision beyond it; what follows is then no clause."""
PRECISION_BITS, WIDTH_BITS = 8, 16
"""The sizes in which upstream's printer holds them."""
NO_VERB = "%!(NOVERB)"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NUMBER_TEXTS = ("NaN", "Infinity", "-Infinity")
DIGITS = frozenset("0123456789")


class FormatError(EvaluationError):
    """A clause that does not fit. `at` is the argument that it is about, in a check of literals; None for the whole call."""

    def __init__(self, message: str, at: Any = None) -> None:
        super().__init__(message)
        self.at = at


class ClauseError(FormatError):
    """An argument of a type that a clause does not take."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a format string: its letter, precision and error texts."""

    letter: str
    precision: int | None
    refusal: str
    kinds: tuple[str, ...]


_NUMBERS = (types.INT_KIND, types.UINT_KIND)
_TEXT = "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"
_TEXT_KINDS = (
    *(types.LIST_KIND, types.MAP_KIND, *_NUMBERS, types.DOUBLE_KIND, types.BOOL_KIND, types.STRING_KIND, types.TIMESTAMP_KIND),
    *(types.BYTES_KIND, types.DURATION_KIND, types.TYPE_KIND, types.NULL_KIND),
)
_HEXADECIMAL = "only integers, byte buffers, and strings can be formatted as hex"
_CLAUSES: dict[str, tuple[str, tuple[str, ...]]] = {
    "s": (_TEXT, _TEXT_KINDS),
    "d": ("decimal clause can only be used on integers", _NUMBERS),
    "f": ("fixed-point clause can only be used on doubles", (types.DOUBLE_KIND, types.STRING_KIND)),
    "e": ("scientific clause can only be used on doubles", (types.DOUBLE_KIND, types.STRING_KIND)),
    "b": ("only integers and bools can be formatted as binary", (*_NUMBERS, types.BOOL_KIND)),
    "x": (_HEXADECIMAL, (*_NUMBERS, types.STRING_KIND, types.BYTES_KIND)),
    "X": (_HEXADECIMAL, (*_NUMBERS, types.STRING_KIND, types.BYTES_KIND)),
    "o": ("octal clause can only be used on integers", _NUMBERS),
}


def walk(text: str, count: int, write: Callable[[Clause, int], str]) -> tuple[str, int]:
    """The text with each clause replaced by what `write(clause, index)` gives for its argument, and how many there were."""
    parts: list[str] = []
    size = position = index = 0
    while position < len(text):
        percent = text.find("%", position)
        if percent < 0:
            percent = len(text)
        parts.append(text[position:percent])
        position = percent
        if position == len(text):
            break
        if text[position + 1 : position + 2] == "%":
            parts.append("%")
            position += 2
            continue
        if index >= count:
            raise FormatError(f"index {index} out of range")
        if position + 1 == len(text):
            raise FormatError("unexpected end of string")
        position, clause = _clause(text, position + 1)
        try:
            parts.append(write(clause, index))
        except ClauseError as fault:
            raise FormatError(f"error during formatting: {fault}", fault.at) from None
        size += len(parts[-1])
        afford_text(size)
        index += 1
    return "".join(parts), index


def _clause(text: str, position: int) -> tuple[int, Clause]:
    """The clause behind a percent sign, and where the text goes on."""
    failed = "could not parse formatting clause: "
    precision: int | None = None
    if text[position] == ".":
        end = position + 1
        while end < len(text) and text[end] in DIGITS:
            end += 1
        if end == len(text):
            raise FormatError(f"{failed}error while parsing precision: could not find end of precision specifier")
        try:
            precision = strconv.atoi(text[position + 1 : end])
        except ValueError as fault:
            raise FormatError(f"{failed}error while parsing precision: error while converting precision to integer: {fault}") from None
        position = end
    letter = text[position]
    if letter not in _CLAUSES:
        octet = letter.encode(errors="surrogatepass")[:1].decode("latin-1")
        raise FormatError(f'{failed}unrecognized formatting clause "{octet}"')
    return position + 1, Clause(letter, precision, *_CLAUSES[letter])


def format_text(text: str, arguments: list[Any]) -> str:
    """`text.format(arguments)`."""
    return walk(text, len(arguments), lambda clause, index: written(clause, arguments[index]))[0]


def written(clause: Clause, value: Any) -> str:
    """An argument formatted by its clause."""
    if clause.letter == "s":
        return _text(value)
    kind = type(value)
    if clause.letter in "fe":
        if kind is str and value in NUMBER_TEXTS:
            value = strconv.parse_float(value)
        elif kind is not float:
            raise refused(clause, type_name(value))
        return _fixed(value, clause.precision) if clause.letter == "f" else _scientific(value, clause.precision)
    if clause.letter in "xX" and kind in (str, bytes):
        digits: str = (value.encode(errors="surrogatepass") if kind is str else value).hex()
        return digits.upper() if clause.letter == "X" else digits
    if kind not in (int, Uint) and not (kind is bool and clause.letter == "b"):
        raise refused(clause, type_name(value))
    sign, magnitude = "-" if value < 0 else "", abs(int.__int__(value))
    return f"{sign}{magnitude:{clause.letter}}"


def refused(clause: Clause, given: str, at: Any = None) -> ClauseError:
    """Error for an argument whose type the clause does not support."""
    return ClauseError(f"{clause.refusal}, was given {given}", at)


def _fixed(value: float, precision: int | None) -> str:
    """Thousands grouped; -0.0 without a sign."""
    digits = DEFAULT_PRECISION if precision is None else precision
    if _is_unread(digits):
        return NO_VERB
    if not math.isfinite(value):
        return _infinite(value)
    return f"{value or 0.0:,.{digits % (1 << PRECISION_BITS)}f}"


def _scientific(value: float, width: int | None) -> str:
    width = DEFAULT_PRECISION if width is None else width
    if _is_unread(width):
        return NO_VERB
    if math.isfinite(value):
        mantissa, _, exponent = f"{value or 0.0:.6e}".partition("e")
        sign = "-" if exponent.startswith("-") else ""
        text = f"{mantissa}×10{(sign + exponent[1:]).translate(SUPERSCRIPTS)}"
    else:
        text = _infinite(value)
    return text.rjust(width % (1 << WIDTH_BITS))


def _is_unread(count: int) -> bool:
    return count // 10 > LARGEST_COUNT


def _infinite(value: float) -> str:
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"


def _text(value: Any) -> str:
    """What `%s` writes."""
    if isinstance(value, list):
        return _list(value)
    if isinstance(value, dict):
        return _map(value)
    text = _plain(value)
    if text is None:
        raise ClauseError(f"{_TEXT}, was given {type_name(value)}")
    return text


def _plain(value: Any) -> str | None:
    """A scalar as text, None for what has no text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value) if isinstance(value, str) else int.__repr__(value)
    if isinstance(value, float):
        return shown.double(value)
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, Timestamp):
        return shown.timestamp(value)
    if isinstance(value, Duration):
        return shown.duration(value)
    return value.name if isinstance(value, Type) else None


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ClauseError('could not convert argument "invalid UTF-8 in bytes, cannot convert to string" to string') from None


def _literal(value: Any) -> str:
    """A member of a list or map, as an expression would write it."""
    if isinstance(value, list):
        return _list(value)
    if isinstance(value, dict):
        return _map(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return go_quoted("NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf")
        return f"{value:.6f}"
    text = _plain(value)
    if text is None:
        raise ClauseError(f"no formatting function for {type_name(value)}")
    if isinstance(value, str):
        return go_quoted(text)
    if isinstance(value, bytes):
        return f"b{go_quoted(text)}"
    if isinstance(value, Timestamp | Duration):
        return f"{'timestamp' if isinstance(value, Timestamp) else 'duration'}({go_quoted(text)})"
    return text


def _list(value: list[Any]) -> str:
    spend(len(value))
    members = ", ".join(map(_literal, value))
    afford_text(len(members))
    return f"[{members}]"


def _map(value: dict[Any, Any]) -> str:
    entries: list[tuple[str, str]] = []
    spend(len(value))
    for key, item in value.items():
        if not isinstance(key, str | int):
            raise ClauseError(f"no formatting function for map key of type {type_name(key)}")
        entries.append((_literal(key), _literal(item)))
    entries.sort(key=lambda entry: entry[0].encode(errors="surrogatepass"))
    members = ", ".join(f"{key}:{item}" for key, item in entries)
    afford_text(len(members))
    return f"{{{members}}}"


def faults(text: str, tree: Expression) -> Iterator[Issue]:
    """Issues of `format` calls on a literal string with a literal list."""
    for node in syntax.walk(tree):
        if not isinstance(node, Call) or node.function != "format" or not isinstance(node.target, Literal) or len(node.arguments) != 1:
            continue
        arguments = node.arguments[0]
        if isinstance(node.target.value, str) and isinstance(arguments, ListLiteral):
            fault = _fault(node.target.value, arguments.elements)
            if fault is not None:
                yield Issue(*place(text, (fault.at or node).offset), str(fault))


def _fault(text: str, arguments: list[Expression]) -> FormatError | None:
    def check(clause: Clause, index: int) -> str:
        refused_at = _misfit(clause, arguments[index])
        if refused_at is not None:
            raise refused(clause, refused_at.type.name, refused_at)
        return ""

    try:
        _, used = walk(text, len(arguments), check)
    except FormatError as fault:
        return fault
    if len(arguments) > used:
        return FormatError(f"too many arguments supplied to string.format (expected {used}, got {len(arguments)})")
    return None


def _misfit(clause: Clause, node: Expression) -> Expression | None:
    """The argument, or what is in it, whose type the clause does not take."""
    if node.type.kind != types.DYN_KIND and node.type.kind not in clause.kinds:
        return node
    if clause.letter == "s":
        parts = node.children() if isinstance(node, ListLiteral | MapLiteral) else ()
        return next((misfit for part in parts if (misfit := _misfit(clause, part)) is not None), None)
    return None
