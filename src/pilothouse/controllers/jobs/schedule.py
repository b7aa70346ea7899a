"""Cron schedules as upstream reads them (robfig/cron): five fields, names, ranges, steps, `?`, and the `@` descriptors.

- Day of month and day of week: when both are restricted, either is enough.
- Times are those of the wall in a time zone: an hour that daylight saving skips is skipped, one that it repeats counts once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from pilothouse.kit.remember import remember
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
MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTHS = {name: str(number) for number, name in enumerate(MONTH_NAMES, 1)}
DAYS = {name: str(number) for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
YEARS_LIMIT = 5
"""A schedule without a time in this many years (30 February) has none."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is to happen."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool
    every_seconds: float
    zone: tzinfo

    def after(self, moment: datetime) -> datetime | None:
        """The first time after `moment`, in UTC; None when there is none in years."""
        if self.every_seconds:
            return (moment + timedelta(seconds=self.every_seconds)).replace(microsecond=0)
        day = moment.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for _ in range(366 * YEARS_LIMIT):
            if self._on(day):
                for wall in self._times(day):
                    found = wall.replace(tzinfo=self.zone).astimezone(UTC)
                    if found > moment and found.astimezone(self.zone).replace(tzinfo=None) == wall:
                        return found
            day += timedelta(days=1)
        return None

    def _on(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (by_day and by_weekday) if self.any_day or self.any_weekday else (by_day or by_weekday)

    def _times(self, day: datetime) -> Iterator[datetime]:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                yield day.replace(hour=hour, minute=minute)


@remember(256)
def parse(text: str, zone: str = "") -> Schedule:
    """ValueError for what is no schedule or time zone."""
    where = zone_of(zone)
    if text.startswith("@every "):
        nothing: frozenset[int] = frozenset()
        seconds = max(1.0, time.duration(text.removeprefix("@every ")))
        return Schedule(nothing, nothing, nothing, nothing, nothing, True, True, seconds, where)
    fields = DESCRIPTORS.get(text, text).lower().split()
    if len(fields) != len(BOUNDS):
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: {text}")
    names: tuple[dict[str, str], ...] = ({}, {}, {}, MONTHS, DAYS)
    found = [_field(field, low, high, known) for field, (low, high), known in zip(fields, BOUNDS, names, strict=True)]
    stars = [field[0] in "*?" for field in fields]
    return Schedule(found[0], found[1], found[2], found[3], found[4], stars[2], stars[4], 0.0, where)


def zone_of(name: str) -> tzinfo:
    """The time zone of that name; UTC without one."""
    if not name:
        return UTC
    from zoneinfo import ZoneInfo  # late: few clusters have a schedule with a zone

    return ZoneInfo(name)


def _field(text: str, low: int, high: int, names: dict[str, str]) -> frozenset[int]:
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if first in ("*", "?"):
            begin, end = low, high
        else:
            begin = strconv.atoi(names.get(first, first))
            end = strconv.atoi(names.get(last, last)) if last else (high if step else begin)
        width = strconv.atoi(step) if step else 1
        if not (low <= begin <= end <= high) or width < 1:
            raise ValueError(f"out of range: {part}")
        found.update(range(begin, end + 1, width))
    return frozenset(found)
