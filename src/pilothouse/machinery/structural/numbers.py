"""Numbers as Go holds them once JSON is read: int64, or float64 for what is no integer of 64 bits."""

from __future__ import annotations

import math
import struct
from typing import Any

SMALLEST, LARGEST = -(1 << 63), (1 << 63) - 1
MOST_EXACT = (1 << 53) - 1
EPSILON = 1e-9
INT32 = range(-(1 << 31), 1 << 31)
INT64 = range(SMALLEST, LARGEST + 1)


def normalized(value: Any) -> Any:
    """An integer beyond 64 bits as the float64 that upstream reads; every other value itself."""
    return as_float(value) if value.__class__ is int and not SMALLEST <= value <= LARGEST else value


def as_float(number: float) -> float:
    """The number as a float64; infinite beyond its range."""
    try:
        return number * 1.0
    except OverflowError:
        return math.copysign(math.inf, number)


def as_int(number: float) -> int:
    """The integer of a number without a fraction."""
    return int(number)


def is_integral(number: float) -> bool:
    """Whether a number has no fraction."""
    return number.__class__ is int or as_float(number).is_integer()


def deeply_normalized(value: Any) -> Any:
    """The same for all numbers in a JSON value; the value itself when nothing changes."""
    if value.__class__ is dict:
        return {name: deeply_normalized(child) for name, child in value.items()}
    if value.__class__ is list:
        return [deeply_normalized(child) for child in value]
    return normalized(value)


def is_json_integer(value: float) -> bool:
    """Whether a float64 counts as an integer: whole (but for a billionth), and no larger than 53 bits hold exactly."""
    if not -MOST_EXACT <= value <= MOST_EXACT:
        return False
    rounded = math.copysign(math.floor(abs(value) + 0.5), value)
    return value == rounded or (rounded != 0 and abs(value - rounded) < EPSILON * abs(rounded))


def as_int64(number: float) -> int:
    """Go's conversion of a float64 to int64, which gives the smallest one for what does not fit."""
    if not -(2.0**63) <= number < 2.0**63:
        return SMALLEST
    return int(number)


def fits_float32(value: float) -> bool:
    """Whether a number is within the range of float32."""
    try:
        struct.pack("f", value)
    except OverflowError:
        return False
    return True


def deep_equal(value: Any, other: Any) -> bool:
    """reflect.DeepEqual of two JSON values: 1, 1.0 and true are three values."""
    if value.__class__ is not other.__class__:
        return False
    if value.__class__ is dict:
        return len(value) == len(other) and all(name in other and deep_equal(child, other[name]) for name, child in value.items())
    if value.__class__ is list:
        return len(value) == len(other) and all(map(deep_equal, value, other))
    return bool(value == other)


def canonical(value: Any, *, by_json: bool = False) -> Any:
    """A hashable stand-in for a JSON value: equal exactly where `deep_equal` says so; or, `by_json`, where the two are written alike."""
    if value.__class__ is dict:
        return ("map", frozenset((name, canonical(child, by_json=by_json)) for name, child in value.items()))
    if value.__class__ is list:
        return ("list", tuple(canonical(child, by_json=by_json) for child in value))
    return ("number" if by_json and value.__class__ in (int, float) else value.__class__.__name__, value)
