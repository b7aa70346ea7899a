"""Parts of instants and durations: `getFullYear`, `getHours`, ..., in UTC or a zone by name or offset."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pilothouse.cel.declarations import Function, Library, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.shown import civil
from pilothouse.cel.types import DURATION, INT, STRING, TIMESTAMP
from pilothouse.cel.values import SECOND, Duration, Timestamp
from pilothouse.machinery import strconv

DAY = 86400
MILLISECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(NamedTuple):
    """An instant in a zone, in its parts. Months, days of the month and of the year count from 0, days of the week from Sunday."""

    year: int
    month: int
    day: int
    day_of_year: int
    day_of_week: int
    hours: int
    minutes: int
    seconds: int
    milliseconds: int


def moment(instant: Timestamp, offset_seconds: int) -> Moment:
    """The parts of an instant at an offset from UTC."""
    seconds, nanoseconds = divmod(instant.nanoseconds + offset_seconds * SECOND, SECOND)
    days, rest = divmod(seconds, DAY)
    year, month, day = civil(days)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    day_of_year = _DAYS_BEFORE[month - 1] + day - 1 + (leap and month > 2)
    return Moment(
        year, month - 1, day - 1, day_of_year, (days + 4) % 7, rest // 3600, rest // 60 % 60, rest % 60, nanoseconds // MILLISECOND
    )


_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def offset(instant: Timestamp, zone: str) -> int:
    """Seconds east of UTC at an instant, for a name (`Europe/Berlin`) or an offset (`-02:30`)."""
    hours, colon, minutes = zone.partition(":")
    if colon:
        return _written(hours, minutes)
    if zone in ("", "UTC", "Local"):
        return 0
    if ".." in zone or zone[0] in "/\\":
        raise EvaluationError("time: invalid location name")
    place = _zone(zone)
    if place is None:
        raise EvaluationError(f"unknown time zone {zone}")
    try:
        at = (_EPOCH + timedelta(seconds=instant.nanoseconds // SECOND)).astimezone(place)
    except OverflowError:
        return 0
    return (at.utcoffset() or timedelta()).total_seconds().__trunc__()


def _written(hours: str, minutes: str) -> int:
    try:
        hour, minute = strconv.atoi(hours), strconv.atoi(minutes)
    except ValueError as error:
        raise EvaluationError(str(error)) from None
    return (hour * 60 - minute if hours.startswith("-") else hour * 60 + minute) * 60


@lru_cache(256)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return None


def _part(name: str, id_: str, part: Callable[[Moment], int], of_duration: Callable[[Duration], int] | None = None) -> Function:
    zoned_id = "timestamp_to_seconds_tz" if id_ == "seconds" else f"timestamp_to_{id_}_with_tz"
    overloads = [
        Overload(f"timestamp_to_{id_}", (TIMESTAMP,), INT, lambda instant: part(moment(instant, 0)), receiver=True),
        Overload(zoned_id, (TIMESTAMP, STRING), INT, lambda instant, zone: part(moment(instant, offset(instant, zone))), receiver=True),
    ]
    if of_duration is not None:
        overloads.append(Overload(f"duration_to_{id_}", (DURATION,), INT, of_duration, receiver=True))
    return Function(name, tuple(overloads))


def _whole(unit: int) -> Callable[[Duration], int]:
    """Whole units of a duration, cut towards zero."""

    def call(span: Duration) -> int:
        count = abs(span.nanoseconds) // unit
        return -count if span.nanoseconds < 0 else count

    return call


TIMES = Library(
    "times",
    (
        _part("getFullYear", "year", lambda at: at.year),
        _part("getMonth", "month", lambda at: at.month),
        _part("getDayOfYear", "day_of_year", lambda at: at.day_of_year),
        _part("getDayOfMonth", "day_of_month", lambda at: at.day),
        _part("getDate", "day_of_month_1_based", lambda at: at.day + 1),
        _part("getDayOfWeek", "day_of_week", lambda at: at.day_of_week),
        _part("getHours", "hours", lambda at: at.hours, _whole(3600 * SECOND)),
        _part("getMinutes", "minutes", lambda at: at.minutes, _whole(60 * SECOND)),
        _part("getSeconds", "seconds", lambda at: at.seconds, _whole(SECOND)),
        _part("getMilliseconds", "milliseconds", lambda at: at.milliseconds, _whole(MILLISECOND)),
    ),
)
