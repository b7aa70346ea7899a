"""Strings in quotes as Go's %q prints them, numbers as its %v, several errors as one: for field errors, events, the downward API."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

PLAIN = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v"}


def go_quoted(text: str) -> str:
    """Text in double quotes with Go's escapes, as fmt's `%q` prints it."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char in PLAIN:
        return PLAIN[char]
    if char.isprintable():
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8, as `surrogateescape` holds it
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def aggregate(texts: Iterable[str]) -> str:
    """Several errors as apimachinery's Aggregate prints them: each once, in brackets when there is more than one; "" for none."""
    distinct = [*dict.fromkeys(texts)]
    return f"[{', '.join(distinct)}]" if len(distinct) > 1 else "".join(distinct)


def go_float(value: float) -> str:
    """A float64 as %v prints it: with an exponent from a million on."""
    return _go_float(value, smallest=-4, largest=5, exponent_digits=2)


def json_float(value: float) -> str:
    """A float64 as Go's JSON encoder writes it."""
    return _go_float(value, smallest=-6, largest=20, exponent_digits=1)


def _go_float(value: float, *, smallest: int, largest: int, exponent_digits: int) -> str:
    """The shortest digits that give the number again; an exponent is written where it is below `smallest` or above `largest`."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    if not isinstance(exponent, int):  # infinite or no number
        return {"inf": "+Inf", "-inf": "-Inf"}.get(repr(value), "NaN")
    power = exponent + len(digits) - 1 if value else 0
    minus = "-" if sign else ""
    if smallest <= power <= largest:
        return minus + format(abs(Decimal(repr(value)).normalize()), "f")
    first, *rest = map(str, digits)
    mantissa = f"{first}.{''.join(rest)}" if rest else first
    return f"{minus}{mantissa}e{'-' if power < 0 else '+'}{abs(power):0{exponent_digits}d}"
