"""Library `kubernetes.quantity`: amounts with suffixes, compared exactly.

An amount is held as upstream holds it, for what shows it: as a number of 64 bits and a power of ten where the text fits, else as a
decimal of any length. Only the first may be an integer for `isInteger` and `asInteger`, whatever its value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pilothouse.cel.costs import argument_traversal_estimate, nominal, nominal_estimate, traversal
from pilothouse.cel.declarations import Function, Library, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.types import BOOL, DOUBLE, INT, STRING, Type, object_type
from pilothouse.cel.values import GREATEST_INT, LEAST_INT
from pilothouse.machinery import strconv
from pilothouse.machinery.quantity import BINARY_SUFFIXES, DECIMAL_SUFFIXES, FORMAT_MESSAGE, NUMBER_MESSAGE, SUFFIX_MESSAGE

QUANTITY = object_type("kubernetes.Quantity")
PARTS = re.compile(r"([0-9]*+)(?:\.([0-9]*+))?([eEinumkKMGTP]*+[-+]?[0-9]*+)")
NANO = -9
FAST_DIGITS = 18
LARGEST_BINARY = GREATEST_INT
LONGEST_DIGITS = 20_000
"""Of a decimal that is added to or read: upstream has no bound, and no text of a sane object comes near it."""


@dataclass(frozen=True, slots=True, eq=False)
class QuantityValue:
    """`number` times ten to the power of `exponent`.

    `is_small`: held in 64 bits. `is_sum`: came from add or sub; upstream then refuses it on the right side of `==` (it is a pointer there).
    """

    number: int
    exponent: int
    is_small: bool
    is_sum: bool = False

    cel_type = QUANTITY
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuantityValue) or other.is_sum:
            raise EvaluationError("no such overload")
        return compare(self, other) == 0

    def __str__(self) -> str:
        return f"{self.number}e{self.exponent}"


def compare(left: QuantityValue, right: QuantityValue) -> int:
    """-1, 0 or 1."""
    if left.exponent == right.exponent or not left.number or not right.number or (left.number < 0) != (right.number < 0):
        first, second = left.number, right.number
        return int.__sub__(first > second, first < second)
    sign = -1 if left.number < 0 else 1
    magnitudes = _magnitude(left), _magnitude(right)
    if magnitudes[0] != magnitudes[1]:
        return sign if magnitudes[0] > magnitudes[1] else -sign
    lowest = min(left.exponent, right.exponent)
    first, second = (value.number * 10 ** (value.exponent - lowest) for value in (left, right))
    return int.__sub__(first > second, first < second)


def _magnitude(value: QuantityValue) -> int:
    """Digits before the decimal point (less than one: how many zeros follow it)."""
    return _digits(abs(value.number)) + value.exponent


def _digits(number: int) -> int:
    """How many decimal digits a positive number has."""
    estimate = (number.bit_length() - 1) * 30103 // 100000
    while number >= 10**estimate:
        estimate += 1
    return max(estimate, 1)


def add(left: QuantityValue, right: QuantityValue) -> QuantityValue:
    """The sum, in 64 bits where both are and it fits."""
    if left.is_small and right.is_small:
        small = _small_sum(left, right)
        if small is not None:
            return small
    lowest = min(left.exponent, right.exponent)
    if max(left.exponent, right.exponent) - lowest > LONGEST_DIGITS:
        raise EvaluationError("quantity out of range")
    total = sum(value.number * 10 ** (value.exponent - lowest) for value in (left, right))
    return QuantityValue(total, lowest, False, True)


def _small_sum(left: QuantityValue, right: QuantityValue) -> QuantityValue | None:
    if not right.number:
        return QuantityValue(left.number, left.exponent, True, True)
    if not left.number:
        return QuantityValue(right.number, right.exponent, True, True)
    lowest = min(left.exponent, right.exponent)
    total = 0
    for value in (left, right):
        if value.exponent - lowest > FAST_DIGITS + 1:
            return None
        shifted = value.number * 10 ** (value.exponent - lowest)
        total += shifted
        if not (LEAST_INT <= shifted <= GREATEST_INT and LEAST_INT <= total <= GREATEST_INT):
            return None
    return QuantityValue(total, lowest, True, True)


def negated(value: QuantityValue) -> QuantityValue:
    """The same with the other sign."""
    return QuantityValue(-value.number, value.exponent, value.is_small, value.is_sum)


def parse(text: str) -> QuantityValue:
    """Upstream's ParseQuantity; ValueError in its words."""
    sign = text[:1] if text[:1] in ("+", "-") else ""
    rest = text[len(sign) :].lstrip("0")
    if text and not rest:
        return QuantityValue(0, 0, True)
    match = PARTS.fullmatch(rest)
    if match is None or not text:
        raise ValueError(FORMAT_MESSAGE)
    integer, fraction, suffix = match.groups()
    base, exponent = _scale(suffix)
    integer, fraction = integer or "0", fraction or ""
    small = _small(integer, fraction, base, exponent)
    magnitude = small or _decimal(integer, fraction, base, exponent)
    return negated(magnitude) if sign == "-" else magnitude


def _scale(suffix: str) -> tuple[int, int]:
    """Base (10 or 2) and exponent of a suffix."""
    if suffix in DECIMAL_SUFFIXES:
        return 10, DECIMAL_SUFFIXES[suffix]
    if suffix in BINARY_SUFFIXES:
        return 2, 10 * BINARY_SUFFIXES[suffix]
    exponent = strconv.integer(suffix[1:]) if suffix[:1] in ("e", "E") else None
    if exponent is None:
        raise ValueError(SUFFIX_MESSAGE)
    return 10, (exponent + (1 << 31)) % (1 << 32) - (1 << 31)


def _small(integer: str, fraction: str, base: int, exponent: int) -> QuantityValue | None:
    """Upstream's fast path; None where it does not take it."""
    if base == 10:
        scale = exponent - len(fraction)
        short = len(integer) + len(fraction) <= FAST_DIGITS and scale >= NANO
        return QuantityValue(int_of(integer + fraction), scale, True) if short else None
    if fraction or 15 - len(integer) - exponent * 3 // 10 - 1 < 0:
        return None
    return QuantityValue(int_of(integer) << exponent, 0, True)


def _decimal(integer: str, fraction: str, base: int, exponent: int) -> QuantityValue:
    """Billionths, rounded away from zero; binary ones are capped."""
    if len(integer) + len(fraction) + max(exponent, 0) > LONGEST_DIGITS:
        raise ValueError(NUMBER_MESSAGE)
    number, scale = int_of(integer + fraction), -len(fraction) + (exponent if base == 10 else 0)
    number = number << exponent if base == 2 else number
    if not number:
        return QuantityValue(0, scale, False)
    if scale >= NANO:
        number *= 10 ** (scale - NANO)
    else:
        number = 1 if NANO - scale > LONGEST_DIGITS else -(-number // 10 ** (NANO - scale))
    if base == 2 and number > LARGEST_BINARY * 10**-NANO:
        number, scale = LARGEST_BINARY, 0
        return QuantityValue(number, scale, False)
    return QuantityValue(number, NANO, False)


def int_of(digits: str) -> int:
    """The number of any count of digits, a part at a time: Python refuses to read more than 4,300 at once."""
    number = 0
    for start in range(0, len(digits), FAST_DIGITS):
        part = digits[start : start + FAST_DIGITS]
        number = number * 10 ** len(part) + strconv.parse_int(part)
    return number


def integer(value: QuantityValue) -> int | None:
    """The value as an int, None where upstream sees none."""
    if not value.is_small or value.exponent < 0 or (value.exponent > FAST_DIGITS and value.number):
        return None
    number = value.number * 10**value.exponent if value.number else 0
    return number if LEAST_INT <= number <= GREATEST_INT else None


def as_integer(value: QuantityValue) -> int:
    """`asInteger()`."""
    number = integer(value)
    if number is None:
        raise EvaluationError("cannot convert value to integer")
    return number


def approximate(value: QuantityValue) -> float:
    """`asApproximateFloat()`, in Go's arithmetic of powers of ten."""
    try:
        base = value.number * 1.0
    except OverflowError:
        base = float("inf") if value.number > 0 else float("-inf")
    return base * power_of_ten(value.exponent) if value.exponent else base


def power_of_ten(exponent: int) -> float:
    """Go's math.Pow10: a product (a quotient for negative ones) of two rounded powers."""
    if exponent > 308:
        return float("inf")
    if exponent < -323:
        return 0.0
    if exponent >= 0:
        return 10.0 ** (exponent - exponent % 32) * 10.0 ** (exponent % 32)
    positive = -exponent
    return strconv.parse_float(f"1e-{positive - positive % 32}") / 10.0 ** (positive % 32)


def to_quantity(text: str) -> QuantityValue:
    """`quantity(text)`."""
    try:
        return parse(text)
    except ValueError as fault:
        raise EvaluationError(str(fault)) from None


def is_quantity(text: str) -> bool:
    """`isQuantity(text)`."""
    try:
        parse(text)
    except ValueError:
        return False
    return True


def of_int(number: int) -> QuantityValue:
    """The amount of an int."""
    return QuantityValue(number, 0, True)


def _method(name: str, *overloads: tuple[str, tuple[Type, ...], Type, Callable[..., Any]], receiver: bool = True) -> Function:
    made = tuple(Overload(id, parameters, result, call, receiver=receiver) for id, parameters, result, call in overloads)
    return Function(name, made, nominal, nominal_estimate)


def _parser(name: str, overload: str, result: Type, call: Callable[[str], Any]) -> Function:
    return Function(name, (Overload(overload, (STRING,), result, call),), traversal, argument_traversal_estimate)


PAIR = (QUANTITY, QUANTITY)
WITH_INT = (QUANTITY, INT)
LIBRARY = Library(
    "kubernetes.quantity",
    since=28,
    functions=(
        _parser("quantity", "string_to_quantity", QUANTITY, to_quantity),
        _parser("isQuantity", "is_quantity_string", BOOL, is_quantity),
        _method("sign", ("quantity_sign", (QUANTITY,), INT, lambda value: (value.number > 0) - (value.number < 0)), receiver=False),
        _method("isGreaterThan", ("quantity_is_greater_than", PAIR, BOOL, lambda left, right: compare(left, right) > 0)),
        _method("isLessThan", ("quantity_is_less_than", PAIR, BOOL, lambda left, right: compare(left, right) < 0)),
        _method("compareTo", ("quantity_compare_to", PAIR, INT, compare)),
        _method("asApproximateFloat", ("quantity_get_float", (QUANTITY,), DOUBLE, approximate)),
        _method("asInteger", ("quantity_get_int", (QUANTITY,), INT, as_integer)),
        _method("isInteger", ("quantity_is_integer", (QUANTITY,), BOOL, lambda value: integer(value) is not None)),
        _method(
            "add",
            ("quantity_add", PAIR, QUANTITY, add),
            ("quantity_add_int", WITH_INT, QUANTITY, lambda value, number: add(value, of_int(number))),
        ),
        _method(
            "sub",
            ("quantity_sub", PAIR, QUANTITY, lambda left, right: add(left, negated(right))),
            ("quantity_sub_int", WITH_INT, QUANTITY, lambda value, number: add(value, negated(of_int(number)))),
        ),
    ),
)
