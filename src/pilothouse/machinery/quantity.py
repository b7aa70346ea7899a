"""Quantities: exact numbers with suffixes, `500m`, `1.5Gi`, `1e3`, as resource.Quantity reads and writes them.

- Held as whole billionths and the format they were written in; nothing is lost below 1n, which rounds away from zero.
- Canonical form: no fraction, the largest suffix that needs none; a binary quantity that is no integer turns decimal.
- At most 2**63-1 in size, as upstream caps it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

DECIMAL, BINARY, EXPONENT = "DecimalSI", "BinarySI", "DecimalExponent"
NANO = 10**9
LIMIT = (2**63 - 1) * NANO
CACHED_TEXTS = 4096
LONGEST_EXPONENT = 3

FORMAT_MESSAGE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
SUFFIX_MESSAGE = "unable to parse quantity's suffix"
NUMBER_MESSAGE = "unable to parse numeric part of quantity"

PARTS = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*)([-+]?\d*)", re.ASCII)
DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY_SUFFIXES = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
DECIMAL_NAMES = {exponent: suffix for suffix, exponent in DECIMAL_SUFFIXES.items()}
BINARY_NAMES = {0: "", **{power: suffix for suffix, power in BINARY_SUFFIXES.items()}}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of billionths, and the format in which it is shown."""

    nanos: int
    format: str = DECIMAL

    @property
    def milli(self) -> int:
        """Thousandths, rounded up."""
        return _up(self.nanos, NANO // 1000)

    @property
    def whole(self) -> int:
        """Units, rounded up."""
        return _up(self.nanos, NANO)

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
    """Read a quantity; ValueError in upstream's words for what is none."""
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, Quantity):
        return value
    return _parse_text(repr(value)) if isinstance(value, float) else _limited(Fraction(value), DECIMAL)


@lru_cache(maxsize=CACHED_TEXTS)
def _parse_text(text: str) -> Quantity:
    match = PARTS.fullmatch(text)
    if match is None:
        raise ValueError(FORMAT_MESSAGE)
    sign, integer, fraction, suffix, digits = match.groups()
    fraction = fraction or ""
    if not integer and not fraction:
        raise ValueError(FORMAT_MESSAGE if not text.strip("+-") or not suffix else NUMBER_MESSAGE)
    scale, form = _scale(suffix, digits)
    number = Fraction(int(integer + fraction or "0"), 10 ** len(fraction)) * scale
    return _limited(-number if sign == "-" else number, form)


def _scale(suffix: str, digits: str) -> tuple[Fraction, str]:
    if suffix in ("e", "E") and digits:
        exponent = int(digits) if digits not in "+-" and len(digits.lstrip("+-")) <= LONGEST_EXPONENT else None
        if exponent is None:
            raise ValueError(SUFFIX_MESSAGE)
        return Fraction(10) ** exponent, EXPONENT
    if digits or (suffix not in DECIMAL_SUFFIXES and suffix not in BINARY_SUFFIXES):
        raise ValueError(SUFFIX_MESSAGE)
    if suffix in BINARY_SUFFIXES:
        return Fraction(1024 ** BINARY_SUFFIXES[suffix]), BINARY
    return Fraction(10) ** DECIMAL_SUFFIXES[suffix], DECIMAL


def _limited(number: Fraction, form: str) -> Quantity:
    scaled = number * NANO
    size = -(-abs(scaled.numerator) // scaled.denominator)
    nanos = min(size, LIMIT)
    return Quantity(-nanos if number < 0 else nanos, form)


def milli(value: str | int | float | Quantity) -> int:
    """Thousandths, rounded up: what CPU is counted in."""
    return parse(value).milli


def whole(value: str | int | float | Quantity) -> int:
    """Units, rounded up: bytes, pods."""
    return parse(value).whole


def canonical(value: str | int | float | Quantity) -> str:
    """The one way to write this quantity; what the API stores and returns."""
    return str(parse(value))


def add(first: str | int | float, second: str | int | float) -> str:
    return str(parse(first) + parse(second))


def subtract(first: str | int | float, second: str | int | float) -> str:
    return str(parse(first) - parse(second))


def compare(first: str | int | float, second: str | int | float) -> int:
    """Negative, zero or positive, as `first` is smaller, equal or larger."""
    return parse(first).nanos - parse(second).nanos


def of_milli(value: int, form: str = DECIMAL) -> str:
    """The canonical text of so many thousandths."""
    return str(Quantity(value * (NANO // 1000), form))
