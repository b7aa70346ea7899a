"""Values as texts: how `string()` and messages write them."""

from __future__ import annotations

import math
from typing import Any

from pilothouse.cel.types import Type
from pilothouse.cel.values import SECOND, Duration, Optional, Timestamp, type_name
from pilothouse.cel.work import spend
from pilothouse.machinery import strconv

_DAYS_PER_400_YEARS, _DAYS_TO_1970 = 146097, 719468


def shown(value: Any) -> str:
    """A value in a message, as Go prints it with %v."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return double(value)
    if isinstance(value, Type):
        return value.name
    if isinstance(value, list | dict):
        spend(len(value))
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{shown(key)}: {shown(item)}' for key, item in value.items())}}}"
    if isinstance(value, bytes):
        return f"[{' '.join(map(str, value))}]"
    if isinstance(value, Timestamp):
        return timestamp(value)
    if isinstance(value, Duration):
        return duration(value)
    if isinstance(value, Optional):
        return f"optional({shown(value.value)})" if value.present else "optional.none()"
    if value is None:
        return "null"
    if isinstance(value, int):
        return int.__repr__(value)
    return value if isinstance(value, str) else type_name(value)


def double(value: float) -> str:
    """A float as Go's %g writes it: the shortest digits that read back, with an exponent below -4 and from 6 on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, point = _shortest(value)
    exponent = point - 1
    if exponent < -4 or exponent >= 6:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return sign + _positional(digits, point)


def fixed(value: float) -> str:
    """A float as strconv.FormatFloat(value, 'f', -1, 64) writes it: the shortest digits, never an exponent."""
    sign, digits, point = _shortest(value)
    return sign + _positional(digits, point)


def _shortest(value: float) -> tuple[str, str, int]:
    """Sign, digits without zeros at their ends, and where the point stands in them."""
    mantissa, _, power = f"{value!r}".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + (strconv.atoi(power) if power else 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return (sign, digits, point) if digits else (sign, "0", 1)


def _positional(digits: str, point: int) -> str:
    if point <= 0:
        return f"0.{'0' * -point}{digits}"
    if point >= len(digits):
        return digits + "0" * (point - len(digits))
    return f"{digits[:point]}.{digits[point:]}"


def duration(value: Duration) -> str:
    """Seconds with a fraction and `s`, as `string(duration)` has it."""
    return f"{fixed(value.nanoseconds / SECOND)}s"


def timestamp(value: Timestamp) -> str:
    """RFC 3339 with as many digits of a second as there are, in the zone that it was written with."""
    seconds, nanoseconds = divmod(value.nanoseconds + value.offset_seconds * SECOND, SECOND)
    days, rest = divmod(seconds, 86400)
    year, month, day = civil(days)
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{year:04d}-{month:02d}-{day:02d}T{clock}{fraction}{_zone(value.offset_seconds)}"


def _zone(offset_seconds: int) -> str:
    if not offset_seconds:
        return "Z"
    minutes = abs(offset_seconds) // 60
    return f"{'-' if offset_seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of a number of days since 1970, in the Gregorian calendar, for any year."""
    era, day_of_era = divmod(days + _DAYS_TO_1970, _DAYS_PER_400_YEARS)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1
