"""Dates, times and durations in text, as kube-openapi's formats read them."""

from __future__ import annotations

import re

from pilothouse.machinery import strconv, time

DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
CLOCK = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:.[0-9]+)?(?:z|[+-][0-9]{2}:[0-9]{2})")
AMOUNT = re.compile(r"([0-9]+)[\t\n\f\r ]*([A-Za-zµ]+)")
DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
UNITS = frozenset({"ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk"})
BEGINNINGS = ("nano", "micro", "milli", "sec", "min", "hour", "day", "week")


def is_date(text: str) -> bool:
    """RFC 3339's full-date, of a day that is in the calendar."""
    match = DATE.fullmatch(text)
    if match is None:
        return False
    year, month, day = (strconv.parse_int(group) for group in match.groups())
    return 1 <= month <= 12 and 1 <= day <= _days(year, month)


def is_date_time(text: str) -> bool:
    """RFC 3339's date-time; upstream looks at what stands before and after the first T, and not at what follows another."""
    parts = text.lower().split("t")
    if len(parts) < 2 or not is_date(parts[0]):
        return False
    match = CLOCK.fullmatch(parts[1])
    return match is not None and match[1] <= "23" and match[2] <= "59" and match[3] <= "59"


def is_duration(text: str) -> bool:
    """A Go duration, or any text that has an amount with a unit somewhere."""
    try:
        time.duration_nanoseconds(text)
    except ValueError:
        amounts = [(number, unit.lower()) for number, unit in AMOUNT.findall(text)]
        return all(strconv.integer(number) is not None for number, _ in amounts) and any(
            unit in UNITS or unit.startswith(BEGINNINGS) for _, unit in amounts
        )
    return True


def _days(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else DAYS[month - 1]
