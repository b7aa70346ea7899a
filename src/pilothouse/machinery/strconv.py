"""Numbers and booleans in text that others wrote, read as Go's package strconv reads them (base 10).

- Python's int() and float() take more: digits of other scripts, underscores, blanks, numbers of any length. Nothing that comes from
  a client, a file or another process is given to them; it is read here.
- Errors are ValueErrors in the words of Go's NumError. `integer` and `unsigned` give None instead, for whoever has an answer of his own.
"""

from __future__ import annotations

import math
import re

from pilothouse.machinery.quoting import go_quoted

INT32 = range(-(1 << 31), 1 << 31)
INT64 = range(-(1 << 63), 1 << 63)
UINT64 = range(1 << 64)
SYNTAX, RANGE = "invalid syntax", "value out of range"

WHOLE = re.compile(r"[+-]?[0-9]+")
DIGITS = re.compile(r"[0-9]+")
HEXADECIMAL_DIGITS = re.compile(r"[0-9a-fA-F]+")
DECIMAL = re.compile(r"[+-]?(?:[0-9][0-9_]*+\.?[0-9_]*+|\.[0-9][0-9_]*+)(?:[eE][+-]?[0-9][0-9_]*+)?")
HEXADECIMAL = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F_]++\.?[0-9a-fA-F_]*+|\.[0-9a-fA-F_]++)[pP][+-]?[0-9_]+")
SPECIAL = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE | re.ASCII)
TRUE, FALSE = frozenset(("1", "t", "T", "true", "TRUE", "True")), frozenset(("0", "f", "F", "false", "FALSE", "False"))
LONGEST_DIGITS = 20
"""No number of 64 bits has more."""


def parse_int(text: str, bits: int = 64) -> int:
    """strconv.ParseInt(text, 10, bits)."""
    if WHOLE.fullmatch(text) is None:
        raise error("ParseInt", text, SYNTAX)
    value = _small(text)
    if value is None or value not in (INT64 if bits == 64 else range(-(1 << bits - 1), 1 << bits - 1)):
        raise error("ParseInt", text, RANGE)
    return value


def parse_uint(text: str, bits: int = 64) -> int:
    """strconv.ParseUint(text, 10, bits): no sign, not even a plus."""
    if DIGITS.fullmatch(text) is None:
        raise error("ParseUint", text, SYNTAX)
    value = _small(text)
    if value is None or value >> bits:
        raise error("ParseUint", text, RANGE)
    return value


def atoi(text: str) -> int:
    """strconv.Atoi: as parse_int, but errors name Atoi."""
    value = integer(text)
    if value is None:
        raise error("Atoi", text, SYNTAX if WHOLE.fullmatch(text) is None else RANGE)
    return value


def parse_bool(text: str) -> bool:
    """strconv.ParseBool."""
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise error("ParseBool", text, SYNTAX)


def parse_float(text: str) -> float:
    """strconv.ParseFloat(text, 64): infinities and NaN too, and underscores between digits."""
    if SPECIAL.fullmatch(text):
        return float(text)
    plain = text.replace("_", "")
    if plain != text and not _underscores_fit(text):
        raise error("ParseFloat", text, SYNTAX)
    if DECIMAL.fullmatch(text):
        value = float(plain)
    elif HEXADECIMAL.fullmatch(text):
        value = _hexadecimal(plain)
    else:
        raise error("ParseFloat", text, SYNTAX)
    if math.isinf(value):
        raise error("ParseFloat", text, RANGE)
    return value


def integer(text: str | None, allowed: range = INT64) -> int | None:
    """The number, or None for what strconv.ParseInt refuses or `allowed` does not have."""
    if not text or WHOLE.fullmatch(text) is None:
        return None
    value = _small(text)
    return value if value is not None and value in allowed else None


def unsigned(text: str | None, allowed: range = UINT64) -> int | None:
    """The number of a text of nothing but digits, or None."""
    return integer(text, allowed) if text and text[0] not in "+-" else None


def hexadecimal(text: str, longest: int = 16) -> int | None:
    """The number of at most `longest` hexadecimal digits without a prefix, or None: sizes of HTTP chunks."""
    return int(text, 16) if len(text) <= longest and HEXADECIMAL_DIGITS.fullmatch(text) else None


def number(text: str | None) -> float | None:
    """A finite decimal number, or None: what other programs print as a measured value."""
    if not text or DECIMAL.fullmatch(text) is None or "_" in text:
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def error(function: str, text: str, problem: str) -> ValueError:
    """Go's *strconv.NumError."""
    return ValueError(f"strconv.{function}: parsing {go_quoted(text)}: {problem}")


def _small(text: str) -> int | None:
    """The number of a matched text; None when it is longer than any of 64 bits, whose conversion would take quadratic time."""
    sign = -1 if text[0] == "-" else 1
    digits = text.lstrip("+-").lstrip("0")
    return sign * int(digits or "0") if len(digits) <= LONGEST_DIGITS else None


def _hexadecimal(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError:
        return math.inf


def _underscores_fit(text: str) -> bool:
    """Whether each underscore stands between two digits, or between the base's prefix and a digit."""
    digits = text.lstrip("+-")
    prefixed = digits[:2].lower() == "0x"
    digit = "[0-9a-fA-F]" if prefixed else "[0-9]"
    rest = f"0{digits[2:]}" if prefixed else digits
    return re.search(f"(?<!{digit})_|_(?!{digit})", rest) is None
