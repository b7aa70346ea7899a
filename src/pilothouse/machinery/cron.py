"""Cron schedules: five fields, names, ranges, steps, `?`, and the `@` descriptors, as robfig/cron v3 (which upstream uses) reads them.

- `parse` refuses what that library refuses, in its words; CronJob's validation and its controller use the same parser.
- Day of month and day of week: when neither holds a star, either is enough. A star with a step (`*/2`) is none; `5,*` holds one.
- Times are those of the wall in a time zone: an hour that daylight saving skips is skipped, one that it repeats counts twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from pilothouse.machinery import strconv, time

DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
EVERY = "@every "
MONTHS = {
    name: number
    for number, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)
}  # fmt: skip
DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
YEARS_LIMIT = 5
"""A schedule without a time in this many years (30 February) has none."""


class ScheduleError(ValueError):
    """Text that is no schedule; the message is robfig/cron's."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Values of a field: numbers from `low` to `high`, or names."""

    low: int
    high: int
    names: Mapping[str, int]


BOUNDS = (Bounds(0, 59, {}), Bounds(0, 23, {}), Bounds(1, 31, {}), Bounds(1, 12, MONTHS), Bounds(0, 6, DAYS))


@dataclass(frozen=True, slots=True)
class Field:
    """The values of one field, and whether it holds a star."""

    values: frozenset[int]
    star: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is to happen: at times of the wall in `zone`, or each `every_seconds`."""

    minutes: Field
    hours: Field
    days: Field
    months: Field
    weekdays: Field
    zone: tzinfo
    every_seconds: float = 0.0

    def after(self, moment: datetime) -> datetime | None:
        """The first time after `moment`, in UTC; None when there is none in years."""
        if self.every_seconds:
            return (moment + timedelta(seconds=self.every_seconds)).replace(microsecond=0)
        day = moment.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for _ in range(366 * YEARS_LIMIT):
            if self._is_on(day):
                coming = (instant for instant in self._instants(day) if instant > moment)
                first = min(coming, default=None) if self._shifts(day) else next(coming, None)
                if first is not None:
                    return first
            day += timedelta(days=1)
        return None

    def _is_on(self, day: datetime) -> bool:
        if day.month not in self.months.values:
            return False
        by_day, by_weekday = day.day in self.days.values, day.isoweekday() % 7 in self.weekdays.values
        return (by_day and by_weekday) if self.days.star or self.weekdays.star else (by_day or by_weekday)

    def _shifts(self, day: datetime) -> bool:
        """Whether the zone's offset changes on this day: then times of the wall may come twice, and out of order."""
        return day.replace(tzinfo=self.zone).utcoffset() != (day + timedelta(days=1)).replace(tzinfo=self.zone).utcoffset()

    def _instants(self, day: datetime) -> Iterator[datetime]:
        """The times of a day, in the order of the wall."""
        folds = (0, 1) if self._shifts(day) else (0,)
        for hour in sorted(self.hours.values):
            for minute in sorted(self.minutes.values):
                wall = day.replace(hour=hour, minute=minute)
                for fold in folds:
                    instant = wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC)
                    if instant.astimezone(self.zone).replace(tzinfo=None, fold=0) == wall:
                        yield instant


@lru_cache(256)
def parse(text: str, zone: str = "") -> Schedule:
    """The schedule of `text` in the time zone of that name (UTC when empty). ScheduleError for what is none; ValueError for an
    unknown zone."""
    if not text:
        raise ScheduleError("empty spec string")
    where = zone_of(zone)
    if text.startswith("@"):
        return _descriptor(text, where)
    return _fields(text.split(), where)


def zone_of(name: str) -> tzinfo:
    """The time zone of that name; UTC without one."""
    if not name:
        return UTC
    from zoneinfo import ZoneInfo  # late: few clusters have a schedule with a zone

    return ZoneInfo(name)


def _descriptor(text: str, zone: tzinfo) -> Schedule:
    if text in DESCRIPTORS:
        return _fields(DESCRIPTORS[text].split(), zone)
    if not text.startswith(EVERY):
        raise ScheduleError(f"unrecognized descriptor: {text}")
    try:
        seconds = time.duration(text.removeprefix(EVERY))
    except ValueError as error:
        raise ScheduleError(f"failed to parse duration {text}: {error}") from error
    nothing = Field(frozenset(), True)
    return Schedule(nothing, nothing, nothing, nothing, nothing, zone, every_seconds=max(1.0, seconds // 1))


def _fields(fields: list[str], zone: tzinfo) -> Schedule:
    if len(fields) != len(BOUNDS):
        raise ScheduleError(f"expected exactly {len(BOUNDS)} fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = (_field(text, bounds) for text, bounds in zip(fields, BOUNDS, strict=True))
    return Schedule(minutes, hours, days, months, weekdays, zone)


def _field(text: str, bounds: Bounds) -> Field:
    parts = [_part(part, bounds) for part in text.split(",") if part]
    return Field(frozenset().union(*(part.values for part in parts)), any(part.star for part in parts))


def _part(text: str, bounds: Bounds) -> Field:
    """`*`, `a` or `a-b`, each perhaps with `/step`."""
    span, *steps = text.split("/")
    low, *highs = span.split("-")
    star = low in ("*", "?")
    if star:
        begin, end = bounds.low, bounds.high
    else:
        begin = _number(low, bounds.names)
        if len(highs) > 1:
            raise ScheduleError(f"too many hyphens: {text}")
        end = _number(highs[0], bounds.names) if highs else begin
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {text}")
    step = _number(steps[0], {}) if steps else 1
    if steps and not highs:  # `a/step` means from `a` to the last
        end = bounds.high
    _check_range(text, begin, end, step, bounds)
    return Field(frozenset(range(begin, end + 1, step)), star and step == 1)


def _check_range(text: str, begin: int, end: int, step: int, bounds: Bounds) -> None:
    if begin < bounds.low:
        raise ScheduleError(f"beginning of range ({begin}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ScheduleError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if begin > end:
        raise ScheduleError(f"beginning of range ({begin}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")


def _number(text: str, names: Mapping[str, int]) -> int:
    """A name, or a number as Go's strconv.Atoi reads it."""
    if text.lower() in names:
        return names[text.lower()]
    try:
        number = strconv.atoi(text)
    except ValueError as error:
        raise ScheduleError(f"failed to parse int from {text}: {error}") from error
    if number < 0:
        raise ScheduleError(f"negative number ({number}) not allowed: {text}")
    return number
