"""Quantities: exact numbers with suffixes, `500m`, `1.5Gi`, `1e3`, as resource.Quantity reads and writes them.

- Held as an integer number of billionths and the format they were written in; nothing is lost below 1n, which rounds away from zero.
- Canonical form: no fraction, the largest suffix that needs none; a binary quantity that is no integer turns decimal.
- A binary quantity is at most 2**63-1 in size, as upstream caps it; whoever counts in 64 bits gets no more (`milli`, `value`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction

from pilothouse.kit.remember import remember
from pilothouse.machinery import strconv

DECIMAL, BINARY, EXPONENT = "DecimalSI", "BinarySI", "DecimalExponent"
NANO = 10**9
LIMIT = (2**63 - 1) * NANO
INT64_MAX = (1 << 63) - 1
CACHED_TEXTS = 4096
LONGEST_CACHED_CHARACTERS = 64
LONGEST_DIGITS = 1000
EXPONENTS = range(-999, 1000)
"""Larger ones, which upstream reads too, are numbers of thousands of digits."""
FAST_DIGITS = 18
"""As many digits always fit 64 bits (upstream's maxInt64Factors)."""
BLANKS = " \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What strings.TrimSpace takes away and a JSON string may hold as it is."""

FORMAT_MESSAGE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
SUFFIX_MESSAGE = "unable to parse quantity's suffix"
NUMBER_MESSAGE = "unable to parse numeric part of quantity"

PARTS = re.compile(r"([+-]?)(\d*+)(?:\.(\d*+))?([eEinumkKMGTP]*+)([-+]?\d*+)", re.ASCII)
DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY_SUFFIXES = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
DECIMAL_NAMES = {exponent: suffix for suffix, exponent in DECIMAL_SUFFIXES.items()}
BINARY_NAMES = {0: "", **{power: suffix for suffix, power in BINARY_SUFFIXES.items()}}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of billionths, and the format in which it is shown."""

    nanos: int
    format: str = DECIMAL
    written: str = field(default="", compare=False)
    """The text that it was read from, where that is what it is shown as."""

    @property
    def milli(self) -> int:
        """Thousandths, rounded up, in 64 bits."""
        return _int64(_up(self.nanos, NANO // 1000))

    @property
    def value(self) -> int:
        """Units, rounded up, in 64 bits."""
        return _int64(_up(self.nanos, NANO))

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos + other.nanos, self.format if self.nanos else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos - other.nanos, self.format if self.nanos else other.format)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nanos, self.format)

    def __lt__(self, other: Quantity) -> bool:
        return self.nanos < other.nanos

    def __le__(self, other: Quantity) -> bool:
        return self.nanos <= other.nanos

    def __str__(self) -> str:
        if self.written:
            return self.written
        if not self.nanos:
            return "0"
        if self.format == BINARY and abs(self.nanos) >= 1024 * NANO and self.nanos % NANO == 0:
            return _shown(self.nanos // NANO, 1024, 0, BINARY_NAMES, 6)
        if self.format == EXPONENT:
            return _exponent(self.nanos)
        return _shown(self.nanos, 1000, -9, DECIMAL_NAMES, 18)


ZERO = Quantity(0)


def _up(value: int, unit: int) -> int:
    """Away from zero, as upstream rounds: what somebody asked for must not vanish."""
    return -(-value // unit) if value > 0 else value // unit


def _int64(value: int) -> int:
    return max(-INT64_MAX - 1, min(value, INT64_MAX))


def _shown(value: int, base: int, power: int, names: dict[int, str], last: int) -> str:
    step = 3 if base == 1000 else 1
    while power < last and value % base == 0:
        value //= base
        power += step
    return f"{value}{names[power]}"


def _exponent(nanos: int) -> str:
    value, power = nanos, -9
    while value % 1000 == 0:
        value //= 1000
        power += 3
    return f"{value}e{power}" if power else str(value)


def parse(value: str | int | float | Quantity) -> Quantity:
    """Parse a quantity. Raises ValueError with upstream's message."""
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, Quantity):
        return value
    return _parse_text(repr(value)) if isinstance(value, float) else _limited(Fraction(value), DECIMAL)


@remember(CACHED_TEXTS, LONGEST_CACHED_CHARACTERS)
def _parse_text(text: str) -> Quantity:
    """Upstream's ParseQuantity; blanks around the text are no part of it (UnmarshalJSON)."""
    text = text.strip(BLANKS)
    match = PARTS.fullmatch(text)
    if match is None or not text:
        raise ValueError(FORMAT_MESSAGE)
    sign, integer, fraction, letters, digits = match.groups()
    integer, fraction = integer.lstrip("0") or "0", fraction or ""
    exponent, form = _scale(letters, digits)
    if len(integer) + len(fraction) > LONGEST_DIGITS:
        raise ValueError(NUMBER_MESSAGE)
    scale = Fraction(1024**exponent) if form == BINARY else Fraction(10) ** exponent
    number = Fraction(int(integer + fraction), 10 ** len(fraction)) * scale
    parsed = _limited(-number if sign == "-" else number, form)
    return replace(parsed, written=text) if _is_written_back(integer, fraction, exponent, form) else parsed


def _scale(letters: str, digits: str) -> tuple[int, str]:
    """Power of ten (of 1024 in binary) and format of a suffix."""
    if letters in ("e", "E") and digits:
        exponent = strconv.integer(digits, EXPONENTS)
        if exponent is None:
            raise ValueError(SUFFIX_MESSAGE)
        return exponent, EXPONENT
    if digits or (letters not in DECIMAL_SUFFIXES and letters not in BINARY_SUFFIXES):
        raise ValueError(SUFFIX_MESSAGE)
    return (BINARY_SUFFIXES[letters], BINARY) if letters in BINARY_SUFFIXES else (DECIMAL_SUFFIXES[letters], DECIMAL)


def _is_written_back(integer: str, fraction: str, exponent: int, form: str) -> bool:
    """Whether upstream shows a quantity as it was written: what its fast path takes for canonical ("1.500" and "007" are)."""
    if form == BINARY:
        short = not fraction and 14 - len(integer) - int(exponent * 3) >= 0
        return short and int(integer) & 7 != 0 and int(integer) << 10 * exponent <= LIMIT // NANO
    shifted, scale = integer + fraction, exponent - len(fraction)
    short = len(shifted) <= FAST_DIGITS and scale >= -9
    return short and scale % 3 == 0 and not shifted.endswith("000") and shifted[0] != "0"


def _limited(number: Fraction, form: str) -> Quantity:
    """Whole billionths; only binary quantities have a largest one."""
    scaled = number * NANO
    nanos = -(-abs(scaled.numerator) // scaled.denominator)
    if form == BINARY:
        nanos = min(nanos, LIMIT)
    return Quantity(-nanos if number < 0 else nanos, form)


def milli(value: str | int | float | Quantity) -> int:
    """Thousandths, rounded up: what CPU is counted in."""
    return parse(value).milli


def value(value: str | int | float | Quantity) -> int:
    """Units, rounded up: bytes, pods."""
    return parse(value).value


def canonical(value: str | int | float | Quantity) -> str:
    """The one way to write this quantity; what the API stores and returns."""
    return str(parse(value))


def add(first: str | int | float, second: str | int | float) -> str:
    """Sum of two quantities in canonical form, in the format of the first unless that is zero.

    Raises ValueError for what is no quantity.
    """
    return str(parse(first) + parse(second))


def subtract(first: str | int | float, second: str | int | float) -> str:
    """Difference of two quantities in canonical form, in the format of the first unless that is zero.

    Raises ValueError for what is no quantity.
    """
    return str(parse(first) - parse(second))


def compare(first: str | int | float, second: str | int | float) -> int:
    """Negative, zero or positive, as `first` is smaller, equal or larger."""
    return parse(first).nanos - parse(second).nanos


def of_milli(value: int, form: str = DECIMAL) -> str:
    """The canonical text of so many thousandths."""
    return str(Quantity(value * (NANO // 1000), form))
